"""What a training step costs with and without the cache of tower states, and how many tokens of a batch are padding.

    python benchmarks/sft_step.py [--clips 64] [--steps 24] [--width 384]

Trains adapters and decoder behind frozen random towers three times: without the cache, with an empty one, and with the one that is full.
The figures are medians of steps in milliseconds: of the first epoch, which decodes the clips, and of those that follow.

Useful tokens: of 4000 lengths drawn from a log-normal law (40 to 400, mean about 125), the share that is not padding, in random order and
grouped by length, at three batch sizes. The project keeps at least 0.95 when grouped.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from transformers import TrainerCallback

from emollm.config import Recipe, Stage, load_recipe
from emollm.records import Record
from emollm.synth.generate import make_synth
from emollm.train import sft
from emollm.train.examples import Example, plan_stage

BATCH = 8
LENGTHS, SHORTEST, LONGEST = 4000, 40, 400


def main() -> None:
    """Run both and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--clips", type=int, default=64)
    parser.add_argument("--steps", type=int, default=24)
    parser.add_argument("--width", type=int, default=384, help="width of both towers, of six layers each")
    args = parser.parse_args()
    print(json.dumps({"step": steps(args.clips, args.steps, args.width), "useful_tokens": useful_tokens()}, indent=1))


def steps(clips: int, n: int, width: int) -> dict[str, Any]:
    """Return milliseconds of a step without cache, while it fills and when it is full, and the ratio of first to last."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["EMOLLM_CACHE"] = str(Path(folder, "cache"))
        make_synth(Path(folder, "clips"), clips, workers=1)
        found = {
            name: step_ms(recipe(Path(folder), name, gb, n, width), clips // BATCH)
            for name, gb in (("without", 0.0), ("filling", 4.0), ("full", 4.0))
        }
    return {**found, "ratio": round(found["without"]["later"] / found["full"]["later"], 2)}


def recipe(folder: Path, name: str, cache_gb: float, n: int, width: int) -> Recipe:
    """Return a recipe of n steps; the first epoch fills the cache."""
    heads, ffn = max(1, width // 64), 4 * width
    audio = f"{{d_model: {width}, encoder_layers: 6, encoder_attention_heads: {heads}, encoder_ffn_dim: {ffn}, num_mel_bins: 80}}"
    video = (
        f"{{hidden_size: {width}, intermediate_size: {ffn}, num_hidden_layers: 6, num_attention_heads: {heads}, "
        "image_size: 224, patch_size: 16}"
    )
    blocks = "{audio_tower: frozen, video_tower: frozen, audio_adapter: full, video_adapter: full, fusion: full, decoder: full}"
    stage = f"{{name: step, blocks: {blocks}, tasks: {{labels: 1.0}}, learning_rate: 1e-4, batch_size: {BATCH}, max_steps: {n}}}"
    return load_recipe(
        "ablation/sft",
        [
            f"model.audio.config={audio}",
            f"model.video.config={video}",
            "model.adapter.standardise=false",
            f"data={folder / 'clips' / 'records.jsonl'}",
            f"data.tower_cache_gb={cache_gb}",
            "data.soft_prompt_memory_gb=0",
            "data.workers=0",
            "modality_dropout={}",
            f"stages=[{stage}]",
            "save={every_steps: null}",
            "resume=never",
            f"output={folder}",
            f"name={name}",
        ],
    )


def step_ms(recipe: Recipe, first: int) -> dict[str, float]:
    """Return the median of the first steps of a run, and of the others."""
    clock = Clock()
    make, sft.make_trainer = sft.make_trainer, clock.watched(sft.make_trainer)
    try:
        sft.train(recipe)
    finally:
        sft.make_trainer = make
    parts = {"first_epoch": clock.seconds[:first], "later": clock.seconds[first:]}
    return {name: round(1000 * statistics.median(seconds), 1) for name, seconds in parts.items()}


class Clock(TrainerCallback):
    """Times from step to step: batch, forward and backward pass, update."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._last = 0.0

    def watched(self, make: Any) -> Any:
        """Return a maker of trainers that this clock watches."""

        def made(*args: Any) -> Any:
            trainer = make(*args)
            trainer.add_callback(self)
            return trainer

        return made

    def on_train_begin(self, *args: Any, **kwargs: Any) -> None:
        """Start."""
        self._last = time.perf_counter()

    def on_step_end(self, *args: Any, **kwargs: Any) -> None:
        """Note the time since the step before."""
        now = time.perf_counter()
        self.seconds.append(now - self._last)
        self._last = now


def useful_tokens() -> dict[str, dict[str, float]]:
    """Return, for each batch size, the share of tokens that are not padding."""
    rng = np.random.default_rng(0)
    lengths = np.clip(rng.lognormal(np.log(105), 0.6, LENGTHS), SHORTEST, LONGEST).astype(int).tolist()
    targets = {"labels_ov": [{"text": "glad"}]}
    records = [
        Record.model_validate({"id": str(i), "text": [{"text": "yes"}], "targets": targets}) for i in range(LENGTHS)
    ]
    base = load_recipe("ablation/sft")
    shares: dict[str, dict[str, float]] = {}
    for batch in (4, 8, 16):
        for name, grouped in (("random", False), ("grouped", True)):
            stage = base.stages[1].model_copy(
                update={"batch_size": batch, "group_by_length": grouped, "epochs": 1.0, "tasks": {"labels": 1.0}}
            )
            shares.setdefault(f"batch {batch}", {})[name] = round(useful(records, stage, lengths), 3)
    return shares


def useful(records: list[Record], stage: Stage, lengths: list[int]) -> float:
    """Return the share of a plan's tokens that are not padding."""

    def length_of(example: Example) -> int:
        return lengths[example.record]

    planned = plan_stage(records, stage, load_recipe("ablation/sft").modality_dropout, [0], length_of).lengths
    batches = [planned[at : at + stage.batch_size] for at in range(0, len(planned), stage.batch_size)]
    return sum(planned) / sum(max(batch) * len(batch) for batch in batches)


if __name__ == "__main__":
    main()
