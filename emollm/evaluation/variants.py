"""Other ways to put the same questions: other words, missing modalities, another clip's media.

| variant | what changes |
|---|---|
| `plain` | nothing |
| `prompt-1`, `prompt-2`, ... | the question in the leaf's other words |
| `permuted-1`, `permuted-2`, ... | the order in which the labels or choices are listed |
| `missing-RATE` | each modality of each clip is missing by chance, RATE of the time; one always stays |
| `missing-audio-RATE`, `-video-`, `-text-` | one modality is missing in that share of the clips |
| `swapped` | sound and picture of another clip, whose truth differs; the words stay |

Which clips lose what follows from their ids, so that all models meet the same. After CIDer's protocols of missing modalities (RMM and SMM;
a modality that is missing in every clip is a subset of modalities: `--ablate`); those that hide stretches of features have no
counterpart here, as our models read media.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace

from emollm.engines import Request
from emollm.errors import ConfigError
from emollm.records import Record

PLAIN = "plain"
KNOWN = "plain, prompt-N, permuted-N, missing-RATE, missing-audio|video|text-RATE, swapped"
_MISSING = re.compile(r"missing-(?:(audio|video|text)-)?(0(?:\.\d+)?|1(?:\.0+)?)")
_WORDED = re.compile(r"(?:prompt|permuted)-[1-9]\d*")
_FIELDS = {"audio": "audio", "video": "video", "text": "transcript"}


def check_variant(name: str) -> None:
    """Refuse a name that is none.

    Raises:
        ConfigError: There is no such variant.
    """
    if name not in (PLAIN, "swapped") and not _MISSING.fullmatch(name) and not _WORDED.fullmatch(name):
        raise ConfigError(f"no variant {name!r}", "--variants", f"known are {KNOWN}")


def variant(name: str, requests: Sequence[Request]) -> list[Request]:
    """Return the requests in another way; `prompt-N` and `permuted-N` change the question (questions.py)."""
    if found := _MISSING.fullmatch(name):
        return [_without(request, found[1], float(found[2]), name) for request in requests]
    if name == "swapped":
        return _swapped(requests)
    return list(requests)


def _without(request: Request, modality: str | None, rate: float, name: str) -> Request:
    """Return the request with modalities taken away by chance."""
    given = [one for one, key in _FIELDS.items() if getattr(request, key)]
    chances = {one: _chance(f"{name}|{request.id}|{one}") for one in given}
    gone = [one for one in given if chances[one] < rate and modality in (None, one)]
    if len(gone) == len(given):  # the one that was nearest to staying stays
        gone.remove(max(gone, key=chances.__getitem__))
    kept = {key: getattr(request, key) and one not in gone for one, key in _FIELDS.items()}
    return replace(request, audio=kept["audio"], video=kept["video"], transcript=kept["transcript"])


def _swapped(requests: Sequence[Request]) -> list[Request]:
    """Give each request the media of another clip of another truth, each donor once; one for which no donor is left keeps its own."""
    order = sorted(range(len(requests)), key=lambda i: _chance(requests[i].id))
    free, donors = list(order), {}
    for mine in order:
        truth = _truth(requests[mine].record)
        donor = next((other for other in free if not truth & _truth(requests[other].record)), None)
        if donor is not None:
            free.remove(donor)
            donors[mine] = donor
    return [
        replace(one, record=one.record.model_copy(update={"media": requests[donors[i]].record.media}))
        if i in donors
        else one
        for i, one in enumerate(requests)
    ]


def _truth(record: Record) -> frozenset[str]:
    targets = record.targets
    names = [label.text for label in targets.labels_ov or ()] + ([targets.label.name] if targets.label else [])
    return frozenset(name.lower() for name in names)


def _chance(text: str) -> float:
    """Return a number in [0, 1) that follows from a text."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64
