"""Penalty for repetition: minus the share of labels, cues and runs of four words that came before in the same completion.

After the n-gram penalty of Yeo et al. 2025 (https://arxiv.org/abs/2502.03373). Labels and cues are compared as written, as wholes; runs of
words within the thought and the explanation, each by itself, since an explanation is meant to repeat the cues. An unreadable answer is one
text. Chinese characters count as words. Departure: the paper punishes each repeated token, here the completion as a whole is graded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import ClassVar

from emollm.config_model import Count
from emollm.rewards.rollout import Grade, Reward, Rollout

_WORD = re.compile(r"[\u3400-\u9fff]|[^\W\d_]+")


class Repetition(Reward):
    """Penalty for repetition, -1..0."""

    citation: ClassVar[str] = """@article{yeo2025demystifying,
  title={Demystifying Long Chain-of-Thought Reasoning in LLMs},
  author={Yeo, Edward and Tong, Yuxuan and Niu, Morry and Neubig, Graham and Yue, Xiang},
  journal={arXiv preprint arXiv:2502.03373}, year={2025}
}"""

    words: Count = 4
    """Length of a run."""

    def grade(self, rollout: Rollout) -> Grade:
        """Grade one completion."""
        said = list(self._said(rollout))
        again = len(said) - len(set(said))
        return Grade(-again / max(len(said), 1), f"{again} of {len(said)} labels, cues and runs of words repeat")

    def _said(self, rollout: Rollout) -> Iterator[tuple[str, ...]]:
        """Yield all that may repeat, each with where it stands."""
        yield from self._runs("thought", rollout.thought or "")
        if rollout.parsed.status != "ok":
            yield from self._runs("text", rollout.body)
            return
        answer = json.loads(rollout.body)  # parsing drops doubled labels
        yield from (("label", label) for label in answer["labels"])
        yield from (("cue", cue["modality"], cue["text"]) for cue in answer.get("cues") or ())
        yield from self._runs("explanation", answer.get("explanation") or "")

    def _runs(self, where: str, text: str) -> Iterator[tuple[str, ...]]:
        words = _WORD.findall(text.casefold())
        return ((where, *words[i : i + self.words]) for i in range(len(words) - self.words + 1))
