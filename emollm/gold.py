"""What training, rewards and statistics take from a record as truth; None: the record does not tell."""

from __future__ import annotations

from emollm.errors import EmoError
from emollm.metrics.action_units import action_unit
from emollm.records import Cue, Record


def gold_labels(record: Record) -> tuple[str, ...] | None:
    """Return the labels: open vocabulary first, else the classes; none at all means that the clip shows too little."""
    targets = record.targets
    if targets.labels_ov is not None:
        return tuple(label.text for label in targets.labels_ov)
    if targets.labels_multi is not None:
        return targets.labels_multi.names
    return None if targets.label is None else (targets.label.name,)


def gold_cues(record: Record) -> tuple[Cue, ...] | None:
    """Return the cues that support a label, else all."""
    cues = record.targets.cues
    return None if cues is None else tuple(cue for cue in cues if cue.supports is not None) or cues


def gold_units(record: Record) -> frozenset[int] | None:
    """Return the numbers of the action units among the true cues; None when there is none.

    Raises:
        EmoError: A cue's action unit is none.
    """
    try:
        units = frozenset(action_unit(cue.au) for cue in record.targets.cues or () if cue.au is not None)
    except EmoError as error:
        raise EmoError(error.what, record.id, error.fix) from None
    return units or None


def gold_point(record: Record) -> tuple[float, float] | None:
    """Return valence and arousal on a scale of -1..1."""
    vad = record.targets.vad
    if vad is None or vad.valence is None or vad.arousal is None:
        return None
    low, high = vad.scale
    valence, arousal = (2 * (value - low) / (high - low) - 1 for value in (vad.valence, vad.arousal))
    return valence, arousal
