"""Other ways to put the same questions: other words, missing modalities, lost stretches, another clip's media, no sound, no movement.

| variant | what changes | CIDer's name |
|---|---|---|
| `plain` | nothing | |
| `prompt-1`, `prompt-2`, ... | the question in the leaf's other words | |
| `permuted-1`, `permuted-2`, ... | the order in which the labels or choices are listed | |
| `missing-RATE` | each modality of each clip is missing by chance, RATE of the time; one always stays | RMM |
| `missing-audio-RATE`, `-video-`, `-text-` | one modality is missing in that share of the clips; with 1 in all | SMM |
| `hidden-RATE` | that share of each clip's stretches is lost, in each modality on its own | RMFM |
| `hidden-same-RATE` | the same, the same stretches in all modalities | RMFM_same |
| `gap-RATE` | that share is lost in one piece, in each modality on its own | TMFM |
| `gap-same-RATE` | the same, at the same time in all modalities | STMFM |
| `swapped` | sound and picture of another clip, whose truth differs; the words stay | |
| `muted` | silence for the sound | |
| `frozen` | the middle picture for all pictures | |

RATE lies in 0..1 (0..0.9 for stretches, a stretch being a twentieth of the clip: altered.py). `hidden-all` and the like stand for the
rates 0.1, 0.2, ... 0.9. What is lost follows from the clips' ids, so that all models meet the same.

The names of CIDer (https://arxiv.org/abs/2506.10452) are of protocols on aligned feature vectors; here they are read for what a model is
given of raw media, so that numbers are not those of its tables. A modality that is missing in every clip is also a subset: `--ablate`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial

from emollm.engines import Request
from emollm.errors import ConfigError
from emollm.evaluation.altered import Altered, Change, chance, frozen, lost, muted, without_stretches, without_words
from emollm.records import Record

PLAIN = "plain"
KNOWN = (
    "plain, prompt-N, permuted-N, missing-RATE, missing-audio|video|text-RATE, hidden[-same]-RATE, gap[-same]-RATE, "
    "swapped, muted, frozen"
)
_MISSING = re.compile(r"missing-(?:(audio|video|text)-)?(0(?:\.\d+)?|1(?:\.0+)?)")
_LOST = re.compile(r"(hidden|gap)-(?:(same)-)?(0(?:\.\d+)?)")
_WORDED = re.compile(r"(?:prompt|permuted)-[1-9]\d*")
_FIELDS = {"audio": "audio", "video": "video", "text": "transcript"}
_CHANGES: dict[str, Change] = {"muted": muted, "frozen": frozen}
MOST_LOST = 0.9


def expand(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names of variants, `...-all` as its nine rates.

    Raises:
        ConfigError: There is no such variant.
    """
    found: list[str] = []
    for name in names:
        stem = name.removesuffix("-all")
        found += [name] if stem == name else [f"{stem}-0.{tenth}" for tenth in range(1, 10)]
    for name in found:
        rate = _LOST.fullmatch(name)
        known = name in (PLAIN, "swapped", *_CHANGES) or _MISSING.fullmatch(name) or _WORDED.fullmatch(name) or rate
        if not known or (rate and float(rate[3]) > MOST_LOST):
            raise ConfigError(f"no variant {name!r}", "--variants", f"known are {KNOWN}")
    return tuple(dict.fromkeys(found))


def variant(name: str, requests: Sequence[Request]) -> list[Request]:
    """Return the requests in another way; `prompt-N` and `permuted-N` change the question (questions.py)."""
    if found := _MISSING.fullmatch(name):
        return [_without(request, found[1], float(found[2]), name) for request in requests]
    if found := _LOST.fullmatch(name):
        return [_with_losses(request, name, float(found[3]), found[1] == "gap", bool(found[2])) for request in requests]
    if name in _CHANGES:
        return [_altered(request, name, _CHANGES[name]) for request in requests]
    if name == "swapped":
        return _swapped(requests)
    return list(requests)


def _altered(request: Request, way: str, change: Change) -> Altered:
    return Altered(**vars(request), way=way, change=change)


def _with_losses(request: Request, way: str, rate: float, whole: bool, same: bool) -> Request:
    """Return the request with stretches of its clip lost."""
    gone = {one: lost(way, request.id, "" if same else one, rate, whole) for one in _FIELDS}
    fewer = replace(request, record=without_words(request.record, gone["text"]))
    return _altered(fewer, way, partial(without_stretches, seen=gone["video"], heard=gone["audio"]))


def _without(request: Request, modality: str | None, rate: float, name: str) -> Request:
    """Return the request with modalities taken away by chance."""
    given = [one for one, key in _FIELDS.items() if getattr(request, key)]
    chances = {one: chance(f"{name}|{request.id}|{one}") for one in given}
    gone = [one for one in given if chances[one] < rate and modality in (None, one)]
    if len(gone) == len(given):  # the one that was nearest to staying stays
        gone.remove(max(gone, key=chances.__getitem__))
    kept = {key: getattr(request, key) and one not in gone for one, key in _FIELDS.items()}
    return replace(request, audio=kept["audio"], video=kept["video"], transcript=kept["transcript"])


def _swapped(requests: Sequence[Request]) -> list[Request]:
    """Give each request the media of another clip of another truth, each donor once; one for which no donor is left keeps its own."""
    order = sorted(range(len(requests)), key=lambda i: chance(requests[i].id))
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
