"""What all tests share: property tests draw the same examples every time, and no clock of a busy machine decides them."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "emollm", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
settings.load_profile("emollm")
