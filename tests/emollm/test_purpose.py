"""Workplace and education are refused unless a medical or safety reason is written down."""

import pytest

from emollm.errors import ConfigError
from emollm.purpose import check_purpose


@pytest.mark.parametrize(
    "purpose",
    [
        None,
        "film studies",
        "accessibility for blind viewers",
        "a classic of cinema",
        "evaluating speech synthesis",
        "workflow of an archive",
    ],
)
def test_what_is_allowed(purpose: str | None) -> None:
    try:
        check_purpose(purpose)
    except ConfigError as error:
        pytest.fail(f"{purpose!r} is refused: {error}")


@pytest.mark.parametrize(
    ("purpose", "area"),
    [
        ("monitoring of employees", "workplace"),
        ("Recruiting interviews", "workplace"),
        ("call-centre agents", "workplace"),
        ("attention of students in class", "education"),
        ("exam proctoring", "education"),
        ("teachers at work places", "education"),
    ],
)
def test_what_is_forbidden(purpose: str, area: str) -> None:
    with pytest.raises(ConfigError, match=area):
        check_purpose(purpose)


def test_an_exception_needs_a_reason() -> None:
    check_purpose(
        "fatigue of employees who drive trains", "safety: micro-sleep of drivers, agreed with the works council"
    )
    for reason in ("because", "medical:", "safety: x", "the law says medical: but not at the start"):
        with pytest.raises(ConfigError, match="no reason"):
            check_purpose("employees", reason)
