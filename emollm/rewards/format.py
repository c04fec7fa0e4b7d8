"""Format: 1 if the completion is exactly what was asked for, else 0 (R1-Omni, Zhao et al. 2025, https://arxiv.org/abs/2503.05379).

Exactly means: the task's keys in their order as JSON, within the limits that constrained decoding keeps, after a thought in the style
`think` and nothing else around it.
"""

from __future__ import annotations

from typing import ClassVar

from emollm.prompts.answers import (
    MAX_CUE_CHARS,
    MAX_CUES,
    MAX_EXPLANATION_CHARS,
    MAX_LABEL_CHARS,
    MAX_LABELS,
)
from emollm.rewards.exact import Exact
from emollm.rewards.rollout import Grade, Reward, Rollout


class Format(Reward):
    """Format, 0 or 1."""

    citation: ClassVar[str] = Exact.citation

    def grade(self, rollout: Rollout) -> Grade:
        """Grade one completion."""
        answer = rollout.answer
        faults = {
            f"answer is {rollout.parsed.status}": rollout.parsed.status != "ok",
            "no thought": rollout.task.style == "think" and not rollout.thought,
            "a thought not asked for": rollout.task.style != "think" and rollout.thought is not None,
            f"more than {MAX_LABELS} labels": len(answer.labels) > MAX_LABELS,
            f"more than {MAX_CUES} cues": len(answer.cues) > MAX_CUES,
            "a label too long": any(len(label) > MAX_LABEL_CHARS for label in answer.labels),
            "a cue too long": any(len(cue.text) > MAX_CUE_CHARS for cue in answer.cues),
            "the explanation too long": len(answer.explanation or "") > MAX_EXPLANATION_CHARS,
        }
        wrong = [fault for fault, there in faults.items() if there]
        return Grade(float(not wrong), ", ".join(wrong) or "as asked")
