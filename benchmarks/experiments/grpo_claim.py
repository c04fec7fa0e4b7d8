"""Does reinforcement learning make a model look and listen, or only guess better? docs/synthetic.md names the comparison beforehand.

    python benchmarks/experiments/grpo_claim.py --start tiny --train data/synth-rl --data data/synth-dev -o runs/grpo-claim

Trains `tiny/grpo` from one supervised checkpoint with several seeds under the default rewards and under plain wheel F, and goes on with
supervised training on as many examples as GRPO sampled answers. Each model answers the clips twice: with their own sound and picture, and
with those of a clip of another emotion family (the words stay). The claim is (gain with true media) - (gain with swapped media), where gain
is family F against the clip's own gold, less that of the start. Intervals draw seeds and speakers anew.

Finished runs and answers are kept in the output folder: the same command goes on where it stopped. Nothing here is evidence about people.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import yaml

from emollm.api import open_engine
from emollm.config import load_recipe
from emollm.config_grpo import GrpoRecipe
from emollm.engines import Request, Sampling
from emollm.metrics.open_vocabulary import groups
from emollm.paths import whole_file
from emollm.prompts import TASKS
from emollm.records import Record, read_records
from emollm.synth import read_truth
from emollm.synth.measure import family_scores, gold_words, swap_partners, with_media_of
from emollm.synth.vocabulary import families_by_word

REWARDS = {"default": [], "wheel": ["rewards=[{name: wheel}]"]}
SUPERVISED, START = "supervised", "start"
GIVEN = ("true", "swapped")
DRAWS = 1000
Words = list[tuple[str, ...]]


def main() -> None:
    """Train what is missing, ask what was not asked, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--start", default="tiny", help="checkpoint that all runs start from")
    parser.add_argument("--train", type=Path, required=True, help="folder of the training clips (make-synth)")
    parser.add_argument("--data", type=Path, required=True, help="folder of the clips to score")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--conditions", nargs="+", choices=[*REWARDS, SUPERVISED], default=[*REWARDS, SUPERVISED])
    parser.add_argument("--override", nargs="*", default=[], help="keys of tiny/grpo, for all runs: max_steps=100")
    parser.add_argument("-o", "--output", type=Path, required=True)
    args = parser.parse_args()

    records, truths = list(read_records(args.data / "records.jsonl")), read_truth(args.data / "truth.jsonl")
    pairs = swap_partners(records, truths)
    clips = {
        "true": [records[recipient] for recipient in pairs],
        "swapped": [with_media_of(records[recipient], records[donor]) for recipient, donor in pairs.items()],
    }
    start = str(Path(args.start).resolve()) if Path(args.start).is_dir() else args.start
    answers = {START: [ask(start, clips, args.output / f"start-{args.data.name}.json")]}
    for condition in args.conditions:
        answers[condition] = []
        for seed in range(args.seeds):
            folder = args.output / "runs" / f"{condition}-{seed}"
            if not (folder / "checkpoints" / "final").is_dir():
                train(condition, seed, start, args.train / "records.jsonl", args.override, args.output)
            answers[condition].append(ask(str(folder), clips, folder / f"{args.data.name}.json"))
    print(table(answers, clips["true"], [truths[recipient]["speaker"] for recipient in pairs]))


def train(condition: str, seed: int, start: str, records: Path, overrides: Sequence[str], output: Path) -> None:
    """Run one training command to its end; its run folder is `output/runs/<condition>-<seed>`."""
    common = [f"name={condition}-{seed}", f"seed={seed}", "resume=auto"]
    policy = ["tiny/grpo", f"data.train={records.resolve()}", f"model.path={start}", *overrides]
    command = ["grpo", *policy, *REWARDS.get(condition, [])]
    if condition == SUPERVISED:
        recipe = (output / f"{SUPERVISED}.yaml").resolve()
        with whole_file(recipe) as file:
            yaml.safe_dump(supervised(load_recipe(policy[0], policy[1:], GrpoRecipe), records), file)
        command = ["sft", str(recipe)]
    subprocess.run([sys.executable, "-m", "emollm.cli.main", *command, *common], check=True, cwd=output)


def supervised(policy: GrpoRecipe, records: Path) -> dict[str, object]:
    """Return a supervised recipe over the same blocks that sees as many examples as `policy` samples answers."""
    told = policy.model_dump(mode="json")
    clips = sum(1 for _ in read_records(records))
    shared = ("blocks", "lora", "learning_rate", "warmup_ratio", "weight_decay", "lr_scheduler", "batch_size")
    stage = {
        "name": "more",
        "tasks": {policy.task: 1.0},
        "epochs": (policy.max_steps or 0) * policy.batch_size / clips,
        **{key: told[key] for key in shared},
    }
    kept = ("data", "modality_dropout", "precision")
    return {
        "name": SUPERVISED,
        "model": {"path": policy.model.path},
        **{key: told[key] for key in kept},
        "stages": [stage],
    }


def ask(model: str, clips: dict[str, list[Record]], kept: Path) -> dict[str, Words]:
    """Return a model's greedy labels for each clip, from `kept` if they are there."""
    if not kept.is_file():
        engine = open_engine(model, 32)
        found = {}
        for given, records in clips.items():
            requests = [Request(r.id, r, TASKS["labels"]) for r in records]
            by_id = {answer.id: answer for answer in engine.generate(requests, Sampling())}
            found[given] = [[label.text for label in by_id[r.id].labels] for r in records]
        with whole_file(kept) as file:
            json.dump(found, file)
    return {given: [tuple(row) for row in rows] for given, rows in json.loads(kept.read_text()).items()}


def table(answers: dict[str, list[dict[str, Words]]], records: Sequence[Record], speakers: Sequence[str]) -> str:
    """Return gains over the start with intervals, labels an answer, and the share of the commonest answer."""
    gold = [gold_words(record) for record in records]
    start = answers[START][0]
    scores = {given: family_scores(gold, start[given]).f for given in GIVEN}
    lines = [
        f"{len(records)} clips of {len(set(speakers))} speakers; start: F {scores['true']:.3f}, swapped {scores['swapped']:.3f}, "
        f"{_habits(start['true'])}",
        "",
        "| rewards | seeds | gain, true media | gain, swapped | true - swapped | 95 % | labels, share of the commonest answer |",
        "|---|---|---|---|---|---|---|",
    ]
    for condition, runs in answers.items():
        if condition == START:
            continue
        measure = gains(gold, start, runs)
        rng, rows = np.random.default_rng(0), np.arange(len(gold))
        by_speaker = [np.flatnonzero(np.array(speakers) == one) for one in sorted(set(speakers))]
        true, swapped = measure(np.arange(len(runs)), rows)
        drawn = [
            measure(
                rng.integers(len(runs), size=len(runs)),
                np.concatenate([by_speaker[one] for one in rng.integers(len(by_speaker), size=len(by_speaker))]),
            )
            for _ in range(DRAWS)
        ]
        low, high = np.percentile([one - other for one, other in drawn], [2.5, 97.5])
        habits = "; ".join(_habits(run["true"]) for run in runs)
        lines.append(
            f"| {condition} | {len(runs)} | {true:+.3f} | {swapped:+.3f} | {true - swapped:+.3f} | {low:+.3f} to {high:+.3f} | {habits} |"
        )
    return "\n".join(lines)


def gains(
    gold: Sequence[tuple[str, ...]], start: dict[str, Words], runs: Sequence[dict[str, Words]]
) -> Callable[[np.ndarray, np.ndarray], tuple[float, float]]:
    """Return a function of runs and clips that gives the mean gain in family F with true and with swapped media."""
    shares = {given: [_shares(gold, answers[given]) for answers in (start, *runs)] for given in GIVEN}

    def measure(seeds: np.ndarray, rows: np.ndarray) -> tuple[float, float]:
        true, swapped = (
            float(np.mean([_f(of[1 + seed][rows]) for seed in seeds])) - _f(of[0][rows])
            for of in (shares[given] for given in GIVEN)
        )
        return true, swapped

    return measure


def _shares(gold: Sequence[tuple[str, ...]], answers: Words) -> np.ndarray:
    """Return precision and recall of each clip `(clips, 2)`."""
    families = families_by_word()
    pairs = [(groups(g, families), groups(a, families)) for g, a in zip(gold, answers, strict=True)]
    return np.array([(len(g & a) / len(a) if a else 0.0, len(g & a) / len(g)) for g, a in pairs])


def _f(shares: np.ndarray) -> float:
    precision, recall = shares.mean(axis=0)
    return float(2 * precision * recall / (precision + recall)) if precision + recall else 0.0


def _habits(answers: Words) -> str:
    counts = {answer: answers.count(answer) for answer in set(answers)}
    return f"{np.mean([len(answer) for answer in answers]):.2f}, {max(counts.values()) / len(answers):.2f}"


if __name__ == "__main__":
    main()
