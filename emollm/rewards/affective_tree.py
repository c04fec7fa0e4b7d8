"""Affective tree: exp(-decay x edit distance) between the answer's tree and the clip's, as in VidEmo (https://arxiv.org/abs/2511.02712).

The tree has the clip as its root, below it the emotions and each modality, below a modality its cues. The distance counts nodes to insert,
delete or rename (Zhang & Shasha 1989, https://doi.org/10.1137/0218082), over ordered trees; branches are sorted, so that the order of an
answer does not matter.

Departures: the paper's tree goes from attributes over expressions to emotions of its own data; its decay is not known to us, 0.1 is ours.
"""

from __future__ import annotations

import math
from functools import cache
from typing import ClassVar, NamedTuple

from emollm.config_model import Positive
from emollm.emotions.lexicon import read_word
from emollm.gold import gold_cues, gold_labels
from emollm.records import Cue
from emollm.rewards.rollout import Grade, Reward, Rollout

_FAR = 100


class Node(NamedTuple):
    """A node with its branches."""

    name: str
    branches: tuple[Node, ...] = ()


class AffectiveTree(Reward):
    """Nearness of the trees, above 0 and at most 1; cues take part only where gold has them and the task asks for them."""

    citation: ClassVar[str] = """@article{zhang2025videmo,
  title={VidEmo: Affective-Tree Reasoning for Emotion-Centric Video Foundation Models},
  author={Zhang, Zhicheng and Wang, Weicheng and Zhu, Yongjie and Qin, Wenyu and Wan, Pengfei and Zhang, Di and Yang, Jufeng},
  journal={arXiv preprint arXiv:2511.02712}, year={2025}
}"""

    decay: Positive = 0.1
    """How much of the reward one edit takes."""

    def grade(self, rollout: Rollout) -> Grade:
        """Grade one completion."""
        labels, cues = gold_labels(rollout.record), gold_cues(rollout.record)
        if labels is None:
            return Grade(None, "no gold labels")
        with_cues = cues is not None and "cues" in rollout.task.answer_keys
        named = tree(rollout.answer.labels, rollout.answer.cues if with_cues else ())
        edits = edit_distance(tree(labels, (cues or ()) if with_cues else ()), named)
        return Grade(math.exp(-self.decay * edits), f"{edits} edits from gold")


def tree(labels: tuple[str, ...], cues: tuple[Cue, ...]) -> Node:
    """Return the tree of labels (by their concept in the lexicon, where they have one) and cues."""
    named = {read_word(label).concept or label.strip().casefold() for label in labels}
    told: dict[str, set[str]] = {}
    for cue in cues:
        told.setdefault(cue.modality, set()).add(" ".join(cue.text.casefold().split()))
    modalities = [Node(modality, tuple(map(Node, sorted(texts)))) for modality, texts in sorted(told.items())]
    return Node("clip", (Node("emotion", tuple(map(Node, sorted(named)))), *modalities))


def edit_distance(one: Node, other: Node) -> int:
    """Return the least number of nodes to insert, delete or rename that turns one ordered tree into the other.

    Of trees whose sizes are far apart, the difference of the sizes, which is a lower bound, stands for it.
    """
    if (apart := abs(_size(one) - _size(other))) > _FAR:
        return apart

    @cache
    def between(left: tuple[Node, ...], right: tuple[Node, ...]) -> int:
        if not left or not right:
            return sum(map(_size, left or right))
        a, b = left[-1], right[-1]
        return min(
            between((*left[:-1], *a.branches), right) + 1,
            between(left, (*right[:-1], *b.branches)) + 1,
            between(left[:-1], right[:-1]) + between(a.branches, b.branches) + (a.name != b.name),
        )

    return between((one,), (other,))


def _size(node: Node) -> int:
    return 1 + sum(map(_size, node.branches))
