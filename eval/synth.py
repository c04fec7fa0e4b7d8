"""The synthetic benchmark: clips whose truth is known, beside an ideal observer (docs/synthetic.md).

    emollm eval run synth --model tiny
    emollm eval run synth --model runs/tiny-sft --data data/synth-dev

The number is F over 12 families of words. Beside it stand the ideal observer, the best constant list, a linear probe on the true
parameters, the score between constant list and observer, the swap test, and named cues against true ones. Training clips, which the
constant list, the probe and the usual cues come from, are drawn anew without media. Nothing here is evidence about real people.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from emollm.engines import Request
from emollm.errors import EmoError
from emollm.evaluation.families import Metric, Prepared
from emollm.evaluation.runner import Measured
from emollm.metrics.open_vocabulary import groups
from emollm.records import Prediction, Record
from emollm.synth import make_synth, read_truth
from emollm.synth.generate import n_speakers
from emollm.synth.measure import (
    cue_f,
    cue_keys,
    family_interval,
    family_scores,
    gold_words,
    normalised,
    swap_partners,
    usual_cue_answer,
    usual_cues,
    with_media_of,
)
from emollm.synth.oracle import constant_list, features, oracle_scores, probe, probe_families
from emollm.synth.record import build_clip
from emollm.synth.vocabulary import families_by_word

CLIPS, TRAIN_CLIPS, DEV_CLIPS = 120, 2000, 500
SEED = 0
Words = list[tuple[str, ...]]


def make(folder: Path) -> list[Path]:
    """Make the dev clips, if they are not there; return their records file."""
    return [_made(folder, "dev")]


def make_sealed(folder: Path) -> list[Path]:
    """Make the test and the sealed clips, if they are not there; return their records files."""
    return [_made(folder, "test"), _made(folder, "sealed")]


def _family_f(gold: Sequence[tuple[str, ...]], answers: Sequence[tuple[str, ...]]) -> Prepared:
    families = families_by_word()
    pairs = [(groups(g, families), groups(p, families)) for g, p in zip(gold, answers, strict=True)]
    # per clip: precision, recall
    shares = np.array([(len(g & p) / len(p) if p else 0.0, len(g & p) / len(g)) for g, p in pairs])

    def on(rows: np.ndarray) -> dict[str, float]:
        p, r = shares[rows].mean(axis=0)
        return {"f": float(2 * p * r / (p + r)) if p + r else 0.0, "p": float(p), "r": float(r)}

    found = family_scores(gold, answers)
    return Prepared(on, {"label_count": found.label_count, "unmapped": found.unmapped})


FAMILY_F = Metric(
    "F over 12 families of words (synthetic clips)",
    "f",
    "targets.labels_ov with at least one label",
    lambda record: gold_words(record) or None,
    lambda prediction, _: tuple(label.text for label in prediction.labels),
    _family_f,
)


def families(measured: Measured) -> dict[str, Any]:
    """Return reference rows, normalised scores and the swap test of answers with labels."""
    records, gold = measured.records, [gold_words(record) for record in measured.records]
    truths, (train, dev) = _truths(measured), _drawn()
    speakers = [truth["speaker"] for truth in truths]
    train_gold = [gold_words(record) for record, _ in train]
    constant = constant_list(train_gold, [words for record, _ in dev if (words := gold_words(record))])
    base = family_scores(gold, [constant] * len(gold))
    oracle = oracle_scores(truths, gold, tuple(measured.answers))
    rows = {}
    for given, answers in measured.answers.items():
        words = _words(answers)
        found, bound = family_scores(gold, words).f, family_interval(gold, words, speakers)
        best = oracle[given].f
        rows[given] = {
            "oracle": best,
            "probe": family_scores(gold, _probed([truth for _, truth in train], train_gold, truths, given)).f,
            "normalised": normalised(found, base.f, best),
            "normalised_low": normalised(bound.low, base.f, best),
            "normalised_high": normalised(bound.high, base.f, best),
        }
    split = {"clips": len(records), "speakers": len(set(speakers)), "split": truths[0]["split"]}
    return {**split, "constant": list(constant), "constant_score": asdict(base), "given": rows} | {
        "swap": _swap(measured, records, truths, constant)
    }


def cues(measured: Measured) -> dict[str, Any]:
    """Compare named cues with the true ones, with the usual cues of the predicted labels, and with swapped media."""
    records, answers = measured.records, measured.answers[_fullest(measured)]
    truths, (train, _) = _truths(measured), _drawn()
    true = [cue_keys(record.targets.cues or ()) for record in records]
    named = [cue_keys(answer.cues) for answer in answers]
    usual = usual_cues([record for record, _ in train])
    guessed = [usual_cue_answer(words, usual, len(keys)) for words, keys in zip(_words(answers), named, strict=True)]
    partners = swap_partners(records, truths)
    wrong = [cue_keys(answer.cues) for answer in _asked_swapped(measured, partners)]
    seen = [("audio", "video"), ("audio",), ("video",), ("text",)]
    heard_and_seen, *single = (_only(modalities) for modalities in seen)
    own = heard_and_seen([true[row] for row in partners])
    return {
        "f": cue_f(true, named),
        "usual_cues_f": cue_f(true, guessed),
        **{f"{names[0]}_f": cue_f(only(true), only(named)) for names, only in zip(seen[1:], single, strict=True)},
        "heard_and_seen_f": cue_f(own, heard_and_seen([named[row] for row in partners])),
        "heard_and_seen_f_swapped": cue_f(own, heard_and_seen(wrong)),
    }


def _swap(
    measured: Measured, records: Sequence[Record], truths: Sequence[dict[str, Any]], constant: tuple[str, ...]
) -> dict[str, Any]:
    """Exchange sound and picture between clips of other families; the words stay."""
    partners = swap_partners(records, truths)
    words = _words(_asked_swapped(measured, partners))
    own = [gold_words(records[recipient]) for recipient in partners]
    others = [gold_words(records[donor]) for donor in partners.values()]
    recipient, donor = family_scores(own, words).f, family_scores(others, words).f
    base = family_scores(others, [constant] * len(others)).f
    found = {"n": len(partners), "recipient_f": recipient, "donor_f": donor, "constant_f": base}
    if "t" not in measured.answers:
        return {**found, "passed": "not measured: no answers given the text alone"}
    text = family_scores(own, [_words(measured.answers["t"])[row] for row in partners]).f
    return {**found, "text_only_f": text, "passed": recipient < text and donor > base}


def _asked_swapped(measured: Measured, partners: dict[int, int]) -> list[Prediction]:
    """Return the answers about clips with their donors' media, given all that the part gives."""
    given, task, records = _fullest(measured), measured.part.asked(), measured.records
    swapped = [with_media_of(records[recipient], records[donor]) for recipient, donor in partners.items()]
    requests = [Request(r.id, r, task, 0, "a" in given, "v" in given, "t" in given) for r in swapped]
    return measured.ask(f"{measured.name}.{given}.other-family", requests)


def _fullest(measured: Measured) -> str:
    return max(measured.answers, key=len)


def _probed(
    train: Sequence[dict[str, Any]], train_gold: Words, truths: Sequence[dict[str, Any]], given: str
) -> list[tuple[str, ...]]:
    """Return the families that a linear probe on the true parameters answers; its threshold is chosen on train."""
    x = features(train, given)
    weights = probe(x, train_gold)
    cuts = np.arange(0.1, 0.6, 0.05)
    on_train = [family_scores(train_gold, probe_families(weights, x, cut)).f for cut in cuts]
    return probe_families(weights, features(truths, given), float(cuts[int(np.argmax(on_train))]))


def _truths(measured: Measured) -> list[dict[str, Any]]:
    """Return the truth of each record, out of truth.jsonl beside its records file.

    Raises:
        EmoError: Some record has none.
    """
    beside = [file.with_name("truth.jsonl") for file in measured.files]
    by_id = {truth["id"]: truth for file in beside if file.is_file() for truth in read_truth(file)}
    if missing := [record.id for record in measured.records if record.id not in by_id]:
        what = f"no truth of {len(missing)} clip(s), such as {missing[0]}"
        raise EmoError(what, ", ".join(map(str, beside)), "emollm data make-synth writes it beside the records")
    return [by_id[record.id] for record in measured.records]


@cache
def _drawn() -> tuple[list[tuple[Record, dict[str, Any]]], ...]:
    """Return records and truths of training and dev clips, drawn without media."""
    return tuple(
        [
            (clip.record, clip.truth.to_dict())
            for index in range(n)
            for clip in [build_clip(split, index, n_speakers(split, n), SEED)]
        ]
        for split, n in (("train", TRAIN_CLIPS), ("dev", DEV_CLIPS))
    )


def _made(folder: Path, split: str) -> Path:
    records = folder / split / "records.jsonl"
    if not records.is_file():
        make_synth(folder / split, CLIPS, SEED, split=split)
    return records


def _words(answers: Sequence[Prediction]) -> Words:
    """Return predicted words; an error or no answer is an empty prediction, which scores 0."""
    return [tuple(label.text for label in answer.labels) for answer in answers]


def _only(modalities: tuple[str, ...]) -> Callable[[Sequence[frozenset[Any]]], list[frozenset[Any]]]:
    """Return what keeps the cues of some modalities."""
    return lambda sides: [frozenset(key for key in keys if key[0] in modalities) for keys in sides]
