"""What a step of `emollm grpo` costs when answers to a clip share their prompt, and when each answer brings its own.

    python benchmarks/grpo_step.py [--clips 32] [--steps 5] [--rounds 2]

Trains the bundled model by `tiny/grpo` on synthetic clips, both ways by turns. The figures are medians of CPU seconds: of a step, sampling
and the rest (policy with gradients, reference). Both ways must earn the same rewards, or the benchmark fails.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest.mock import patch

from emollm.config import load_recipe
from emollm.config_grpo import GrpoRecipe
from emollm.synth.generate import make_synth
from emollm.train import grpo
from emollm.train.multimodal_rl import MultimodalGRPOTrainer

ANSWERS = 8


def main() -> None:
    """Run both ways and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--clips", type=int, default=32, help="clips of a step, eight answers each")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=2)
    args = parser.parse_args()
    runs: dict[str, list[dict[str, float]]] = {"whole": [], "shared": []}
    rewards = {}
    with tempfile.TemporaryDirectory() as folder:
        make_synth(Path(folder, "clips"), args.clips * args.steps, split="train", workers=1)
        for turn in range(args.rounds):
            for name, found in runs.items():
                recipe = recipe_of(Path(folder), f"{name}{turn}", args.clips, args.steps)
                with nullcontext() if name == "shared" else patch.object(MultimodalGRPOTrainer, "sharing", whole):
                    times, rewards[name] = measured(recipe)
                found += times
    if rewards["whole"] != rewards["shared"]:
        raise SystemExit(f"the rewards differ: {rewards}")
    table = {
        name: {key: round(statistics.median(row[key] for row in rows), 3) for key in rows[0]}
        for name, rows in runs.items()
    }
    ratio = {key: round(table["whole"][key] / table["shared"][key], 2) for key in table["whole"]}
    print(json.dumps({**table, "ratio": ratio}, indent=1))


def recipe_of(folder: Path, name: str, clips: int, steps: int) -> GrpoRecipe:
    """Return `tiny/grpo` on the benchmark's clips."""
    options = [f"name={name}", f"output={folder}", f"data.train={folder}/clips/records.jsonl", "save.every_steps=null"]
    return load_recipe("tiny/grpo", [*options, f"batch_size={clips * ANSWERS}", f"max_steps={steps}"], GrpoRecipe)


def whole(self: MultimodalGRPOTrainer, *_: Any) -> AbstractContextManager[object]:
    """Share nothing."""
    return nullcontext()


def measured(recipe: GrpoRecipe) -> tuple[list[dict[str, float]], list[float]]:
    """Return CPU seconds of each step but the first, and the rewards of all."""
    sampling, steps = [], [time.process_time()]
    sample, log = MultimodalGRPOTrainer._generate_single_turn, MultimodalGRPOTrainer.log

    def timed(inner: Callable[..., Any], note: Callable[[float, float], None]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            started = time.process_time()
            out = inner(*args, **options)
            note(started, time.process_time())
            return out

        return call

    with (
        patch.object(
            MultimodalGRPOTrainer, "_generate_single_turn", timed(sample, lambda a, b: sampling.append(b - a))
        ),
        patch.object(MultimodalGRPOTrainer, "log", timed(log, lambda a, b: steps.append(a))),
    ):
        run = grpo.train(recipe)
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    spans = [after - before for before, after in pairwise(steps)][: len(rows)]
    told = [
        {"step": step, "sampling": sampled, "rest": step - sampled}
        for step, sampled in zip(spans[1:], sampling[1:], strict=False)
    ]
    return told, [round(row["reward"], 6) for row in rows]


if __name__ == "__main__":
    main()
