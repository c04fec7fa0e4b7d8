r"""What preference optimisation did to a model, on held-out synthetic clips; prints Markdown and writes JSON.

    emollm data make-preferences data/synth-dev/records.jsonl -o data/synth-dev/pairs.jsonl
    python benchmarks/experiments/score_preferences.py data/synth-dev/records.jsonl data/synth-dev/pairs.jsonl \
        --models tiny runs/tiny-dpo -o preferences.json

Of each model, the first being the one to compare with:

    prefers <kind>     share of held-out pairs whose better side is the more likely one (log-probability of the whole answer)
    made-up cues       of the heard and seen cues that its explanations name, the share that the clip does not show
    loose cues         the share that the clip shows, and that speak for none of its labels
    cues a clip        so many it names: fewer made-up cues must not come from naming fewer
    cue F              of heard and seen cues against all that the clip shows
    F                  of families of labels, and labels a clip: what must be kept

Differences with 95 % intervals over speakers, on the same clips. Nothing here is evidence about real people.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from emollm.api import open_engine
from emollm.config import load_recipe
from emollm.config_dpo import DpoRecipe
from emollm.engines import Engine, Request, Sampling
from emollm.metrics.bootstrap import intervals, paired
from emollm.metrics.open_vocabulary import groups
from emollm.models.modeling import MEDIA_KEYS
from emollm.pairs import KINDS, Pair, read_pairs
from emollm.prompts import TASKS
from emollm.records import Prediction, Record, read_records
from emollm.synth.measure import cue_keys, gold_words
from emollm.synth.vocabulary import families_by_word
from emollm.train.dpo import prepare
from emollm.train.multimodal_rl import TowerMemory
from emollm.train.rollouts import row_of

HEARD_OR_SEEN = {"audio", "video"}


def main() -> None:
    """Read the arguments, score, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("records", type=Path, help="held-out clips")
    parser.add_argument("pairs", type=Path, help="their pairs (emollm data make-preferences)")
    parser.add_argument("--models", nargs="+", required=True, help="the model to compare with, then others")
    parser.add_argument("--limit", type=int, help="score the first N clips only")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("-o", "--output", type=Path, required=True)
    args = parser.parse_args()
    report = score(args.models, args.records, args.pairs, args.limit, args.batch_size)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(markdown(report))


def score(models: Sequence[str], clips: Path, of: Path, limit: int | None, batch_size: int) -> dict[str, Any]:
    """Return every measure of every model as one JSON object.

    Args:
        models: The model to compare with, then others.
        clips: Records file.
        of: File of the clips' pairs.
        limit: Score the first so many clips only.
        batch_size: Clips, or pairs, of one forward pass.
    """
    records = [record for record in read_records(clips) if gold_words(record)][:limit]
    wanted = {record.id for record in records}
    pairs = [pair for pair in read_pairs(of) if pair.record.id in wanted]
    speakers = [record.speaker.id if record.speaker else None for record in records]
    rows = {name: measures(name, records, pairs, batch_size) for name in models}
    first = statistics(rows[models[0]])
    report = {}
    for name in models:
        own = statistics(rows[name])
        report[name] = {"measures": {key: asdict(one) for key, one in intervals(own, speakers).items()}}
        if name != models[0]:
            compared = paired(first, own, speakers)
            report[name]["differences"] = {key: {**asdict(one.difference), "p": one.p} for key, one in compared.items()}
    return {"clips": len(records), "pairs": len(pairs), "speakers": len(set(speakers)), "models": report}


def measures(model: str, records: Sequence[Record], pairs: Sequence[Pair], batch_size: int) -> dict[str, np.ndarray]:
    """Return what is counted of each clip, `(clips, 2)` each: a numerator and a denominator."""
    place = {record.id: row for row, record in enumerate(records)}
    counts = {f"prefers {kind}": np.zeros((len(records), 2)) for kind in KINDS}
    for pair, chosen, rejected in logps(model, pairs, batch_size):
        counts[f"prefers {pair.kind}"][place[pair.record.id]] += (chosen > rejected, 1)
    engine = open_engine(model, batch_size)
    return (
        counts
        | cue_counts(ask(engine, records, "explain"), records)
        | label_counts(ask(engine, records, "labels"), records)
    )


@torch.no_grad()
def logps(model: str, pairs: Sequence[Pair], batch_size: int) -> list[tuple[Pair, float, float]]:
    """Return the log-probabilities of both sides of the pairs whose files allow it."""
    overrides = [f"model.path={model}", "text_prior=0", "data.workers=0"]
    _, network, collator = prepare(load_recipe("tiny/dpo", overrides, DpoRecipe), pairs)
    network.eval()
    found = []
    with TowerMemory(network.model.av_encoder) as memory:
        for start in range(0, len(pairs), batch_size):
            numbers = [number for number in range(start, min(start + batch_size, len(pairs))) if collator.both(number)]
            if not numbers:
                continue
            batch = collator([{"pair": number} for number in numbers])
            clips = batch["clips"].tolist()
            media = {name: batch[name] for name in MEDIA_KEYS if name in batch}
            memory.hold([row_of(media, clip) for clip in range(1 + max(clips))])
            ids = batch["input_ids"]
            logits = network(input_ids=ids, attention_mask=batch["attention_mask"], **memory.rows(clips)).logits
            nats = cross_entropy(
                logits[:, :-1].transpose(1, 2), ids[:, 1:], reduction="none"
            )  # (2 * pairs, length - 1)
            sums = -(nats * batch["completion_mask"][:, 1:]).sum(dim=1)
            for number, chosen, rejected in zip(numbers, *(side.tolist() for side in sums.chunk(2)), strict=True):
                found.append((pairs[number], chosen, rejected))
    return found


def ask(engine: Engine, records: Sequence[Record], task: str) -> list[Prediction]:
    """Return the engine's greedy answers in the order of the records; an error is an answer without labels and cues."""
    requests = [Request(record.id, record, TASKS[task]) for record in records]
    by_id = {answer.id: answer for answer in engine.generate(requests, Sampling())}
    return [by_id[record.id] for record in records]


def cue_counts(answers: Sequence[Prediction], records: Sequence[Record]) -> dict[str, np.ndarray]:
    """Count the heard and seen cues of explanations: those that are not there, those that speak for nothing, and matches."""
    rows = []
    for answer, record in zip(answers, records, strict=True):
        cues = record.targets.cues or ()
        named = {key for key in cue_keys(answer.cues) if key[0] in HEARD_OR_SEEN}
        shown = {key for key in cue_keys(cues) if key[0] in HEARD_OR_SEEN}
        linked = cue_keys([cue for cue in cues if cue.supports is not None])
        rows.append((len(named - shown), len((named & shown) - linked), len(named & shown), len(named), len(shown)))
    made_up, loose, matched, named_n, shown_n = np.array(rows, float).T
    return {
        "made-up cues": np.stack([made_up, named_n], 1),
        "loose cues": np.stack([loose, named_n], 1),
        "cues a clip": np.stack([named_n, np.ones(len(rows))], 1),
        "cue F": np.stack([2 * matched, named_n + shown_n], 1),
    }


def label_counts(answers: Sequence[Prediction], records: Sequence[Record]) -> dict[str, np.ndarray]:
    """Count families: precision and recall of each clip that has gold families, and labels."""
    families = families_by_word()
    rows = []
    for answer, record in zip(answers, records, strict=True):
        gold, named = (groups(words, families) for words in (gold_words(record), [one.text for one in answer.labels]))
        both = len(gold & named)
        rows.append(
            (both / len(named) if named else 0.0, both / len(gold) if gold else 0.0, bool(gold), len(answer.labels))
        )
    precision, recall, counted, labels = np.array(rows, float).T
    return {
        "precision": np.stack([precision * counted, counted], 1),
        "recall": np.stack([recall * counted, counted], 1),
        "labels a clip": np.stack([labels, np.ones(len(rows))], 1),
    }


def statistics(counts: Mapping[str, np.ndarray]) -> Callable[[np.ndarray], dict[str, float]]:
    """Return what turns row numbers into every measure, pooled over these rows."""

    def of(rows: np.ndarray) -> dict[str, float]:
        found = {}
        for name, values in counts.items():
            above, below = values[rows].sum(axis=0)
            found[name] = float(above / below) if below else float("nan")
        total = found["precision"] + found["recall"]
        return found | {"F": 2 * found["precision"] * found["recall"] / total if total else 0.0}

    return of


def markdown(report: dict[str, Any]) -> str:
    """Return the report as a Markdown table: a line a measure, a column a model, then its difference to the first."""
    (first, base), *others = report["models"].items()
    columns = [first, *(column for name, _ in others for column in (name, "difference, 95 %", "p"))]
    lines = [
        f"{report['clips']} clips of {report['speakers']} speakers, {report['pairs']} pairs",
        "",
        f"| measure | {' | '.join(columns)} |",
        "|---" * (1 + len(columns)) + "|",
    ]
    for key, one in base["measures"].items():
        cells = [f"{one['value']:.3f} ({one['low']:.3f}-{one['high']:.3f})"]
        for _, other in others:
            gain = other["differences"][key]
            cells += [
                f"{other['measures'][key]['value']:.3f}",
                f"{gain['value']:+.3f} ({gain['low']:+.3f} to {gain['high']:+.3f})",
                f"{gain['p']:.3f}",
            ]
        lines.append(f"| {key} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
