"""Set F1 of the facial action units that the answer tells, as in Facial-R1 (https://arxiv.org/abs/2511.10254v1, since withdrawn).

Units (FACS, Ekman & Friesen 1978) are read from the reasoning and the cues, written as AU12. Departure: the paper looks into the thought
only, and its code gives 2 F1 - 1.
"""

from __future__ import annotations

from typing import ClassVar

from emollm.gold import gold_units
from emollm.metrics.action_units import told_units
from emollm.rewards.rollout import Grade, Reward, Rollout


class ActionUnits(Reward):
    """Set F1 of action units, 0..1."""

    citation: ClassVar[str] = """@article{wu2025facialr1,
  title={Facial-R1: Aligning Reasoning and Recognition for Facial Emotion Analysis},
  author={Wu, Jiulong and Shen, Yucheng and Yan, Lingyong and Sun, Haixin and Xia, Deguo and Huang, Jizhou and Cao, Min},
  journal={arXiv preprint arXiv:2511.10254}, year={2025}
}"""

    def grade(self, rollout: Rollout) -> Grade:
        """Grade one completion."""
        gold = gold_units(rollout.record)
        if gold is None:
            return Grade(None, "no gold action units")
        told = told_units("\n".join([rollout.reasoning, *(cue.text for cue in rollout.answer.cues)]))
        value = 2 * len(gold & told) / (len(gold) + len(told))
        return Grade(value, f"{len(gold & told)} of {len(told)} told units are there, of {len(gold)}")
