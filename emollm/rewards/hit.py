"""Hit: the share of wheels on which a gold sector is among the named ones; the hit rate of AffectGPT, a sample at a time.

Lian et al. 2025, https://arxiv.org/abs/2501.16566. Naming everything hits everything: use it with a reward that charges for labels.

Departures: neutral is a class (emollm/rewards/sectors.py); with several gold labels one hit counts as one, the published rate adds up.
"""

from __future__ import annotations

from typing import ClassVar

from emollm.emotions.maps import OWN
from emollm.rewards.rollout import Grade, Reward, Rollout
from emollm.rewards.sectors import NO_GOLD, sectors


class Hit(Reward):
    """Hit, 0..1."""

    citation: ClassVar[str] = """@inproceedings{lian2025affectgpt,
  title={AffectGPT: A New Dataset, Model, and Benchmark for Emotion Understanding with Multimodal Large Language Models},
  author={Lian, Zheng and others},
  booktitle={ICML}, year={2025}
}"""

    wheels: str = OWN
    """Version of the wheels."""

    def grade(self, rollout: Rollout) -> Grade:
        """Grade one completion."""
        wheels = sectors(self.wheels)
        gold, named = wheels.gold(rollout.record), wheels.named(rollout)
        hits = [bool(gold & named & mask) for mask in wheels.masks if gold & mask]
        if not hits:
            return NO_GOLD
        return Grade(sum(hits) / len(hits), f"hit on {sum(hits)} of {len(hits)} wheels")
