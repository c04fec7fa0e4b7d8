"""Score a checkpoint on one split of synthetic clips, as docs/synthetic.md says; prints Markdown and writes JSON.

    python benchmarks/experiments/score_synth.py --model runs/tiny-sft --data data/synth-dev --train data/synth-train -o dev.json

Reports, on families of words: F, P, R and label count for each subset of modalities beside oracle, constant list and probe, the normalised
score with its interval over speakers, the swap test, and cue F. Nothing here is evidence about real people.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from emollm.api import open_engine
from emollm.engines import Engine, Request, Sampling
from emollm.prompts import TASKS
from emollm.records import Prediction, Record, read_records
from emollm.synth.generate import read_truth
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
from emollm.synth.oracle import SUBSETS, constant_list, features, oracle_scores, probe, probe_families

Labels = list[tuple[str, ...]]


def main() -> None:
    """Read the arguments, score, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", type=Path, required=True, help="folder of the split to score (make-synth)")
    parser.add_argument("--train", type=Path, required=True, help="folder of the training clips")
    parser.add_argument(
        "--dev", type=Path, help="folder on which the constant list's length is chosen; default: --data"
    )
    parser.add_argument("--limit", type=int, help="score the first N clips only")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("-o", "--output", type=Path, required=True)
    args = parser.parse_args()
    report = score(args.model, args.data, args.train, args.dev or args.data, args.limit, args.batch_size)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(markdown(report))


def score(model: str, data: Path, train: Path, dev: Path, limit: int | None, batch_size: int) -> dict[str, Any]:
    """Return every measure as one JSON object."""
    records, truths = list(read_records(data / "records.jsonl"))[:limit], read_truth(data / "truth.jsonl")[:limit]
    kept = [row for row, record in enumerate(records) if gold_words(record)]
    records, truths = [records[row] for row in kept], [truths[row] for row in kept]
    train_records = list(read_records(train / "records.jsonl"))
    train_gold = [gold_words(record) for record in train_records]
    dev_gold = [gold_words(record) for record in read_records(dev / "records.jsonl")]
    gold = [gold_words(record) for record in records]
    speakers = [truth["speaker"] for truth in truths]

    constant = constant_list(train_gold, dev_gold)
    constant_scores = family_scores(gold, [constant] * len(gold))
    oracle = oracle_scores(truths, gold)
    linear = probe_labels(train, train_gold, truths)
    engine = open_engine(model, batch_size)
    rows = {}
    for subset in SUBSETS:
        answers = label(engine, records, subset, "labels")
        labels = words_of(answers, records)
        found = family_scores(gold, labels)
        low, high = (getattr(family_interval(gold, labels, speakers), end) for end in ("low", "high"))
        base, best = constant_scores.f, oracle[subset].f
        rows[subset] = {
            **asdict(found),
            "interval": [low, high],
            "oracle": best,
            "probe": family_scores(gold, linear[subset]).f,
            "normalised": normalised(found.f, base, best),
            "normalised_interval": [normalised(low, base, best), normalised(high, base, best)],
            "errors": sum(answer.status == "error" for answer in answers),
        }
    return {
        "model": model,
        "weights_sha256": engine.weights_sha256,
        "split": truths[0]["split"],
        "n": len(records),
        "speakers": len(set(speakers)),
        "constant": {"words": constant, **asdict(constant_scores)},
        "subsets": rows,
        "swap": swap_test(engine, records, truths, rows["t"]["f"], constant),
        "cues": cue_test(engine, records, truths, usual_cues(train_records)),
    }


def label(engine: Engine, records: Sequence[Record], subset: str, task: str) -> list[Prediction]:
    """Return the engine's greedy answers given some modalities, in the order of the records."""
    requests = [
        Request(r.id, r, TASKS[task], audio="a" in subset, video="v" in subset, transcript="t" in subset)
        for r in records
    ]
    by_id = {answer.id: answer for answer in engine.generate(requests, Sampling())}
    return [by_id[record.id] for record in records]


def words_of(answers: Sequence[Prediction], records: Sequence[Record]) -> Labels:
    """Return predicted words; an error or no answer is an empty prediction, which scores 0."""
    assert [answer.id for answer in answers] == [record.id for record in records]
    return [tuple(one.text for one in answer.labels) for answer in answers]


def probe_labels(train: Path, train_gold: Labels, truths: Sequence[dict[str, Any]]) -> dict[str, Labels]:
    """Return the families that a linear probe on the true parameters answers, for each subset."""
    train_truths = read_truth(train / "truth.jsonl")
    answers = {}
    for subset in SUBSETS:
        x = features(train_truths, subset)
        weights = probe(x, train_gold)
        cuts = np.arange(0.1, 0.6, 0.05)
        on_train = [family_scores(train_gold, probe_families(weights, x, cut)).f for cut in cuts]
        answers[subset] = probe_families(weights, features(truths, subset), float(cuts[int(np.argmax(on_train))]))
    return answers


def swap_test(
    engine: Engine,
    records: Sequence[Record],
    truths: Sequence[dict[str, Any]],
    text_f: float,
    constant: tuple[str, ...],
) -> dict[str, Any]:
    """Exchange sound and picture between clips of other families; the words stay."""
    partners = swap_partners(records, truths)
    swapped = [with_media_of(records[recipient], records[donor]) for recipient, donor in partners.items()]
    labels = words_of(label(engine, swapped, "avt", "labels"), swapped)
    own = [gold_words(records[recipient]) for recipient in partners]
    others = [gold_words(records[donor]) for donor in partners.values()]
    text_only = words_of(label(engine, [records[r] for r in partners], "t", "labels"), [records[r] for r in partners])
    recipient, donor = family_scores(own, labels).f, family_scores(others, labels).f
    text = family_scores(own, text_only).f
    base = family_scores(others, [constant] * len(others)).f
    return {
        "n": len(partners),
        "recipient_f": recipient,
        "donor_f": donor,
        "text_only_f": text,
        "constant_f": base,
        "passed": recipient < text and donor > base,
    }


def cue_test(
    engine: Engine, records: Sequence[Record], truths: Sequence[dict[str, Any]], usual: dict[str, Any]
) -> dict[str, Any]:
    """Compare named cues with the true ones, with the usual cues of the predicted labels, and with swapped media."""
    true = [cue_keys(record.targets.cues or ()) for record in records]
    answers = label(engine, records, "avt", "explain")
    named = [cue_keys(answer.cues) for answer in answers]
    guessed = [
        usual_cue_answer([one.text for one in answer.labels], usual, len(keys))
        for answer, keys in zip(answers, named, strict=True)
    ]
    partners = swap_partners(records, truths)
    swapped = [with_media_of(records[recipient], records[donor]) for recipient, donor in partners.items()]
    seen = {"audio", "video"}
    wrong = [frozenset(k for k in cue_keys(a.cues) if k[0] in seen) for a in label(engine, swapped, "avt", "explain")]
    right = [frozenset(k for k in named[row] if k[0] in seen) for row in partners]
    own = [frozenset(k for k in true[row] if k[0] in seen) for row in partners]
    by_modality = {
        m: cue_f(
            [frozenset(k for k in t if k[0] == m) for t in true], [frozenset(k for k in n if k[0] == m) for n in named]
        )
        for m in ("audio", "video", "text")
    }
    return {
        "f": cue_f(true, named),
        "usual_cues_f": cue_f(true, guessed),
        "by_modality": by_modality,
        "heard_and_seen_f": cue_f(own, right),
        "heard_and_seen_f_swapped": cue_f(own, wrong),
    }


def markdown(report: dict[str, Any]) -> str:
    """Return the report as Markdown tables."""
    head = f"{report['split']}: {report['n']} clips of {report['speakers']} speakers, constant list F {report['constant']['f']:.3f}"
    lines = [
        head,
        "",
        "| given | F | 95 % | P | R | labels | oracle F | probe F | normalised | 95 % |",
        "|" + "---|" * 10,
    ]
    for subset, row in report["subsets"].items():
        low, high = row["interval"]
        nlow, nhigh = row["normalised_interval"]
        lines.append(
            f"| {subset.upper()} | {row['f']:.3f} | {low:.3f}-{high:.3f} | {row['precision']:.3f} | {row['recall']:.3f} | "
            f"{row['label_count']:.2f} | {row['oracle']:.3f} | {row['probe']:.3f} | {row['normalised']:.3f} | {nlow:.3f}-{nhigh:.3f} |"
        )
    swap, cues = report["swap"], report["cues"]
    lines += [
        "",
        f"Swap test (n {swap['n']}): recipient F {swap['recipient_f']:.3f} (text only {swap['text_only_f']:.3f}), donor F "
        f"{swap['donor_f']:.3f} (constant list {swap['constant_f']:.3f}): {'passed' if swap['passed'] else 'failed'}",
        f"Cue F {cues['f']:.3f} (usual cues {cues['usual_cues_f']:.3f}; "
        + ", ".join(f"{name} {value:.3f}" for name, value in cues["by_modality"].items())
        + f"); heard and seen {cues['heard_and_seen_f']:.3f}, with swapped media {cues['heard_and_seen_f_swapped']:.3f}",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
