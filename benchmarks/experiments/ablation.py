"""Train every tower, adapter, fusion and decoder in the place of the base's, at equal parameters, and compare them over seeds.

    python benchmarks/experiments/ablation.py --train data/ablation-train --dev data/ablation-dev -o runs/ablation

One part differs from `recipes/ablation/sft.yaml` at a time. What it has in parameters more or less, the decoder's `intermediate_size`
gives or takes, so all models are equally large; the table tells that size. One row of `results.jsonl` is written for each run; started
again, it goes on with the run that was cut. Nothing here is evidence about real people, or about pretrained towers.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from emollm.api import open_engine
from emollm.config import Recipe, load_recipe
from emollm.config_model import Parts
from emollm.engines import Request, Sampling
from emollm.models.build import build
from emollm.prompts import TASKS
from emollm.records import Record, read_records
from emollm.run import read_metrics
from emollm.synth.measure import family_scores, gold_words
from emollm.train.collate import texts_to_learn
from emollm.train.native import spec_of
from emollm.train.sft import train

BASE = "base"
FRAMES = "hidden_size: 96, num_hidden_layers: 2, num_attention_heads: 4, image_size: 96, patch_size: 16"
WAVES = """hidden_size: 96, intermediate_size: 384, num_hidden_layers: 2, num_attention_heads: 4, conv_dim: [64, 64, 64, 64, 64, 64, 64],
  num_conv_pos_embeddings: 16, num_conv_pos_embedding_groups: 4"""
VARIANTS: dict[str, list[str]] = {
    BASE: [],
    **{
        f"audio {name}": [f"model.audio={{name: {name}, config: {{{WAVES}}}}}"]
        for name in ("hubert", "wavlm", "wav2vec2")
    },
    "video siglip": [f"model.video={{name: siglip, tokens: patches, config: {{{FRAMES}, intermediate_size: 384}}}}"],
    "video dinov2": [f"model.video={{name: dinov2, tokens: patches, config: {{{FRAMES}}}}}"],
    "video videomae": [
        f"model.video={{name: videomae, tokens: patches, config: {{{FRAMES}, intermediate_size: 384, num_frames: 8}}}}"
    ],
    **{f"adapter {name}": [f"model.adapter.name={name}"] for name in ("qformer", "linear")},
    "fusion qformer": ["model.fusion={name: qformer, queries: 2, layers: 2, heads: 4}"],
    "fusion conv_attention": ["model.fusion={name: conv_attention, queries: 2, layers: 2}"],
    "fusion none": ["model.fusion={name: none, queries: 0}"],
    "decoder qwen3": ["model.text.name=qwen3", "model.text.config.model_type=qwen3", "model.text.config.head_dim=32"],
    "decoder llama": ["model.text.name=llama", "model.text.config.model_type=llama"],
}
STEP = 8  # the decoder's size is a multiple of it


def main() -> None:
    """Read the arguments, train and score what is missing, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--train", type=Path, required=True, help="folder of the training clips (make-synth)")
    parser.add_argument("--dev", type=Path, required=True, help="folder of the dev clips")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=list(VARIANTS), metavar="NAME")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("overrides", nargs="*", help="settings of all runs, such as stages.0.epochs=1")
    args = parser.parse_args()
    files = [f"data.train={args.train / 'records.jsonl'}", f"data.dev={args.dev / 'records.jsonl'}"]
    print(markdown(compare([*files, *args.overrides], args.output, args.variants, args.seeds)))


def compare(
    overrides: Sequence[str], output: Path, variants: Sequence[str], seeds: Sequence[int]
) -> list[dict[str, Any]]:
    """Return one row for each variant and seed; those of `results.jsonl` are not made again."""
    results = output / "results.jsonl"
    output.mkdir(parents=True, exist_ok=True)
    rows = [json.loads(line) for line in results.read_text().splitlines()] if results.is_file() else []
    base = load_recipe("ablation/sft", list(overrides))
    records = list(read_records(base.data.train[0]))
    target = parameters(base, records)
    for seed in seeds:
        for variant in variants:
            if any(row["variant"] == variant and row["seed"] == seed for row in rows):
                continue
            call = [*overrides, *VARIANTS[variant]]
            size = equal_size(call, records, target)
            name = f"name={variant.replace(' ', '-')}-{seed}"
            settings = [*call, f"model.text.config.intermediate_size={size}", f"seed={seed}", name, f"output={output}"]
            recipe = load_recipe("ablation/sft", settings)
            row = {"variant": variant, "seed": seed, "parameters": parameters(recipe, records), "decoder": size}
            rows.append(row | score(train(recipe), recipe))
            with results.open("a", encoding="utf-8") as out:
                out.write(json.dumps(rows[-1]) + "\n")
    return rows


def equal_size(overrides: Sequence[str], records: Sequence[Record], target: int) -> int:
    """Return the decoder's `intermediate_size` that brings a model nearest to `target` parameters: their number is linear in it."""
    counts = [
        parameters(load_recipe("ablation/sft", [*overrides, f"model.text.config.intermediate_size={size}"]), records)
        for size in (STEP, 2 * STEP)
    ]
    steps = 1 + round((target - counts[0]) / (counts[1] - counts[0]))
    if steps < 1:
        raise SystemExit(f"{' '.join(overrides)}: larger than the base without its decoder")
    return STEP * steps


def parameters(recipe: Recipe, records: Sequence[Record]) -> int:
    """Return how many parameters a recipe's model has; it is built without weights."""
    if not isinstance(recipe.model, Parts):
        raise SystemExit("an ablation composes its models from parts")
    tasks = list(dict.fromkeys(name for stage in recipe.stages for name in stage.tasks))
    with torch.device("meta"):
        model, _ = build(spec_of(recipe.model, lambda: texts_to_learn(records, tasks)))
    return sum(parameter.numel() for parameter in model.parameters())


def score(run: Path, recipe: Recipe) -> dict[str, float]:
    """Return the last dev loss, and F on families of words, with sound and picture and no transcript."""
    records = [record for record in read_records((recipe.data.dev or ())[0]) if gold_words(record)]
    engine = open_engine(run, batch_size=32)
    requests = [Request(one.id, one, TASKS["labels"], transcript=False) for one in records]
    by_id = {
        answer.id: tuple(label.text for label in answer.labels) for answer in engine.generate(requests, Sampling())
    }
    engine.close()
    found = family_scores([gold_words(one) for one in records], [by_id[one.id] for one in records])
    losses = [row["dev_loss"] for row in read_metrics(run) if "dev_loss" in row]
    return {"dev_loss": losses[-1], "f": found.f}


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """Return the table: means over seeds, and the difference to the base, seed by seed."""
    lines = [
        "| variant | parameters | decoder's size | seeds | dev loss | F | F - base |",
        "|---|---|---|---|---|---|---|",
    ]
    base = {row["seed"]: row["f"] for row in rows if row["variant"] == BASE}
    for variant in dict.fromkeys(row["variant"] for row in rows):
        mine = [row for row in rows if row["variant"] == variant]
        apart = [row["f"] - base[row["seed"]] for row in mine if row["seed"] in base]
        cells = [
            f"{mine[0]['parameters']:,}",
            str(mine[0]["decoder"]),
            str(len(mine)),
            spread([row["dev_loss"] for row in mine]),
            spread([row["f"] for row in mine]),
            spread(apart) if apart and variant != BASE else "",
        ]
        lines.append(f"| {variant} | {' | '.join(cells)} |")
    return "\n".join(lines)


def spread(values: Sequence[float]) -> str:
    """Return mean and standard deviation."""
    return f"{statistics.mean(values):.3f}" + (f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else "")


if __name__ == "__main__":
    main()
