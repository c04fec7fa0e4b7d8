"""Gold and answers joined by id, after everything that could go wrong was looked for: one error lists it all, or every clip is scored.

A clip is never left out to make a score possible. An answer that is an error or cannot be read stays, without labels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from emollm.emotions.maps import Maps
from emollm.errors import EmoError, collect
from emollm.evaluation.choose import Chosen
from emollm.evaluation.extraction import Outputs
from emollm.evaluation.reading import WHEELS_FLAG, Problems, read_gold
from emollm.records import Prediction, Record

_SHOWN = 20


@dataclass(frozen=True)
class Joined:
    """Gold clips, and for each file of answers the prediction of each clip, in their order; `left_out`: clips with empty gold."""

    gold: Path
    records: Sequence[Record]
    outputs: Sequence[Outputs]
    predictions: Sequence[Sequence[Prediction]]
    left_out: int = 0


def join(
    gold: Path,
    outputs: Sequence[Outputs],
    chosen: Sequence[Chosen],
    *,
    allow_extra: bool = False,
    allow_empty_gold: bool = False,
) -> Joined:
    """Join predictions with gold by id, and check that every metric can score every clip.

    Args:
        gold: File of gold records.
        outputs: Files of answers, read.
        chosen: Metrics.
        allow_extra: Leave out predictions of clips that gold does not have (they are counted), as for a challenge's larger submission.
        allow_empty_gold: Leave out clips whose gold label list is empty (they are counted).

    Raises:
        EmoError: Anything is wrong; all of it is listed.
    """
    problems: Problems = []
    every = read_gold(gold, problems)
    known = [record.id for record in every]
    records = [record for record in every if not (allow_empty_gold and record.targets.labels_ov == ())]
    ids = [record.id for record in records]
    problems += _ids("twice in gold", _double(known), str(gold), "keep one row a clip")
    if not records and not problems:
        problems.append(EmoError("no gold clips", str(gold), "give at least one"))
    for one in outputs:
        problems += one.problems
        problems += _misfits(one, ids, None if allow_extra else known)
    by_id = [{prediction.id: prediction for prediction in one.predictions} for one in outputs]
    for each in chosen:
        problems += _unfit(each, records, gold, list(zip(outputs, by_id, strict=True)))
        problems += _other_wheels(each.maps, records, gold) if each.maps else []
    if error := collect(problems, "{n} problem(s); nothing was scored"):
        raise error
    predictions = [[found[id_] for id_ in ids] for found in by_id]
    return Joined(gold, records, outputs, predictions, len(every) - len(records))


def _misfits(one: Outputs, ids: Sequence[str], known: Sequence[str] | None) -> Problems:
    """Return what is wrong with a file of answers: ids that lack, repeat or are not `known` (None: any may be there)."""
    where, named = str(one.path), [prediction.id for prediction in one.predictions]
    found = _ids("twice", _double(named), where, "keep one answer a clip")
    if known is not None:
        found += _ids("not in gold", _but(named, known), where, "take them out, or allow them: --allow-extra")
    found += _ids(
        "without a prediction", _but(ids, named), where, "a missing answer is not left out: answer these clips, too"
    )
    if one.predictions and all(p.parse == "failed" or p.status == "error" for p in one.predictions):
        fix = "make label lists of prose first (name, openset), and score those"
        found.append(EmoError("no answer can be read as labels", where, fix))
    return found


def _unfit(
    each: Chosen, records: Sequence[Record], gold: Path, answered: Sequence[tuple[Outputs, Mapping[str, Prediction]]]
) -> Problems:
    """Return why a metric cannot score some clips: truth or answers that it cannot do without are missing."""
    metric = each.metric
    problems: Problems = []
    judged: list[Record] = []
    lacking: list[Record] = []
    for record in records:
        try:
            (lacking if metric.gold(record) is None else judged).append(record)
        except EmoError as error:
            problems.append(EmoError(error.what, f"{gold} ({record.id})", error.fix))
    fix = "complete them, or leave the clips out; those with empty label lists: --allow-empty-gold"
    problems += _ids(f"without {metric.truth}", [record.id for record in lacking], f"{gold} ({each.name})", fix)
    for one, by_id in answered:
        mute = [r.id for r in judged if r.id in by_id and metric.answer(by_id[r.id], r) is None]
        fix = "this metric has no score for a missing one"
        problems += _ids(f"without {metric.asks}", mute, f"{one.path} ({each.name})", fix)
    return problems


def _other_wheels(maps: Maps, records: Sequence[Record], gold: Path) -> Problems:
    """Return the wheels for which gold says that it was made, as far as they are others than these."""
    flags = Counter(flag for record in records if record.quality for flag in record.quality.flags)
    problems = []
    for flag, count in flags.items():
        try:
            if flag.startswith(WHEELS_FLAG):
                maps.check(flag.removeprefix(WHEELS_FLAG), f"{gold} ({count} clips)")
        except EmoError as error:
            problems.append(error)
    return problems


def _but(ids: Sequence[str], others: Sequence[str]) -> list[str]:
    """Return the ids that are not among the others, each once."""
    known = set(others)
    return [id_ for id_ in dict.fromkeys(ids) if id_ not in known]


def _double(ids: Sequence[str]) -> list[str]:
    return [id_ for id_, count in Counter(ids).items() if count > 1]


def _ids(what: str, ids: Sequence[str], where: str, fix: str) -> Problems:
    """Return the problem that some ids have, or none."""
    if not ids:
        return []
    listed = ", ".join(ids[:_SHOWN]) + (f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else "")
    return [EmoError(f"{len(ids)} id(s) {what}: {listed}", where, fix)]
