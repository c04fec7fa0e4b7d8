"""Exact match: 1 if the named labels are the clip's, as written and in any order; the accuracy reward of R1-Omni.

Zhao et al. 2025, https://arxiv.org/abs/2503.05379. It fits data with one class a clip: "happy" for "joyful" earns nothing.

Departures: upper and lower case are the same, and labels are read from our answer string, not from answer tags.
"""

from __future__ import annotations

from typing import ClassVar

from emollm.gold import gold_labels
from emollm.rewards.rollout import Grade, Reward, Rollout


class Exact(Reward):
    """Exact match, 0 or 1."""

    citation: ClassVar[str] = """@article{zhao2025r1omni,
  title={R1-Omni: Explainable Omni-Multimodal Emotion Recognition with Reinforcement Learning},
  author={Zhao, Jiaxing and Wei, Xihan and Bo, Liefeng},
  journal={arXiv preprint arXiv:2503.05379}, year={2025}
}"""

    def grade(self, rollout: Rollout) -> Grade:
        """Grade one completion."""
        gold = gold_labels(rollout.record)
        if gold is None:
            return Grade(None, "no gold labels")
        same = rollout.readable and _plain(gold) == _plain(rollout.answer.labels)
        return Grade(float(same), "labels as in gold" if same else "other labels than gold")


def _plain(labels: tuple[str, ...]) -> set[str]:
    return {label.strip().casefold() for label in labels}
