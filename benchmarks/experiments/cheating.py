"""A test-bench of cheating: what do answers earn that do not look at the clip, and do honest ones always earn more?

    emollm data make-synth -o DIR
    python benchmarks/experiments/cheating.py DIR/records.jsonl
    python benchmarks/experiments/cheating.py check-openset.csv --wheels mer2026    # label lists alone: columns name, openset

The clips are halved. On the first half, rewards learn what they need, and a greedy search finds the best constant answer for each list of
rewards: labels first, then cues. On the second half, every policy is graded by the default rewards and by plain wheel F ("ew"). An honest
policy answers with the truth, 0, 25 or 50 % of its labels replaced by labels of other clips.

The default list passes if each honest policy whose F (the published corpus score) beats that of the best constant list earns more than
every cheat; the exit code tells.
"""

from __future__ import annotations

import argparse
import csv
import random
import string
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path

from emollm.emotions.labels import reference_labels
from emollm.emotions.maps import OWN, load_maps
from emollm.gold import gold_cues, gold_labels
from emollm.metrics.wheel import score
from emollm.prompts import TASKS, Answer, Task, answer_string
from emollm.prompts.answers import MAX_CUES, MAX_LABELS
from emollm.records import Cue, OpenLabel, Record, Targets, read_records
from emollm.rewards import DEFAULT, RewardItem, Rollout
from emollm.rewards.loading import Rewards, load_rewards
from emollm.synth.wording import explanation

REPLACED = (0.0, 0.25, 0.5)
TIMES = 20  # how often the repetitive say it
Policy = Callable[[Record, random.Random], str]


@dataclass(frozen=True)
class Row:
    """What a policy earned: `ew` and `parts` are means, `default` the mean total of the default rewards."""

    policy: str
    honest: bool
    f: float
    labels: float
    ew: float
    default: float
    parts: dict[str, float]


@dataclass(frozen=True)
class Bench:
    """Clips, halved, and the rewards that learned from the first half."""

    first: Sequence[Record]
    second: Sequence[Record]
    wheels: str = OWN
    candidates: int = 60

    @cached_property
    def task(self) -> Task:
        """All keys where clips have cues, else labels alone."""
        return TASKS["full" if any(gold_cues(record) for record in self.first) else "labels"]

    @cached_property
    def default(self) -> Rewards:
        """The default rewards."""
        items = [
            item.model_copy(update={"options": {**item.options, "wheels": self.wheels}})
            if item.name == "contrastive_wheel"
            else item
            for item in DEFAULT
        ]
        return load_rewards(items, self.first)

    @cached_property
    def ew(self) -> Rewards:
        """Plain wheel F."""
        return load_rewards([RewardItem(name="wheel", options={"wheels": self.wheels})], self.first)

    @cached_property
    def words(self) -> list[str]:
        """Labels of the first half, one for each time they stand there."""
        return [label for record in self.first for label in gold_labels(record) or ()]

    @cached_property
    def phrases(self) -> list[Cue]:
        """Cues of the first half, the commonest first, without times."""
        found = Counter((cue.modality, cue.text) for record in self.first for cue in gold_cues(record) or ())
        return [Cue(modality=modality, text=text) for (modality, text), _ in found.most_common()]

    def write(self, labels: Sequence[str], cues: Sequence[Cue] = (), said: str | None = None) -> str:
        """Return an answer of the task."""
        text = explanation(labels, cues) if said is None else said
        return answer_string(Answer(tuple(labels), tuple(cues), text, 0.5), self.task)

    def constant(self, rewards: Rewards) -> tuple[list[str], list[Cue]]:
        """Return the labels and cues of the constant answer that earns most on the first half, found greedily."""
        labels: list[str] = []
        cues: list[Cue] = []
        common = [word for word, _ in Counter(self.words).most_common(self.candidates)]
        phrases = self.phrases[: self.candidates] if "cues" in self.task.answer_keys else []
        best = self._earns(rewards, labels, cues)
        for chosen, candidates, most in ((labels, common, MAX_LABELS), (cues, phrases, MAX_CUES)):
            while len(chosen) < most:
                tried = {}
                for place, one in enumerate(candidates):
                    chosen.append(one)
                    tried[place] = self._earns(rewards, labels, cues)
                    chosen.pop()
                place = max(tried, key=tried.__getitem__, default=None)
                if place is None or tried[place] <= best + 1e-9:
                    break
                best = tried[place]
                chosen.append(candidates[place])
        return labels, cues

    def _earns(self, rewards: Rewards, labels: Sequence[str], cues: Sequence[Cue]) -> float:
        text = self.write(labels, cues)
        return float(rewards.grade([Rollout(text, record, self.task) for record in self.first]).total.mean())

    def row(self, name: str, policy: Policy, honest: bool) -> Row:
        """Grade a policy on the second half."""
        rollouts = [Rollout(policy(r, random.Random(f"{name}:{r.id}")), r, self.task) for r in self.second]
        default, ew = self.default.grade(rollouts), self.ew.grade(rollouts)
        named = [list(rollout.answer.labels) for rollout in rollouts]
        gold = [list(gold_labels(record) or ()) for record in self.second]
        found = score("fs", load_maps(self.wheels), gold, named, constant=("happy",))
        means = default.means()
        parts = {item: means.get(f"rewards/{item}", float("nan")) for item in default.names}
        return Row(name, honest, found.value, means["labels"], ew.means()["reward"], means["reward"], parts)


def honest_policy(bench: Bench, replaced: float) -> Policy:
    """Return the policy that tells the truth, but for a share of labels that come from other clips."""

    def write(record: Record, rng: random.Random) -> str:
        labels = [rng.choice(bench.words) if rng.random() < replaced else label for label in gold_labels(record) or ()]
        return bench.write(list(dict.fromkeys(labels))[:MAX_LABELS], (gold_cues(record) or ())[:MAX_CUES])

    return write


def cheats(bench: Bench) -> dict[str, Policy]:
    """Return the policies that do not look at the clip, then those that know its labels and misuse them."""
    for_ew, for_default = bench.constant(bench.ew)[0], bench.constant(bench.default)
    usual = bench.constant(load_rewards([RewardItem(name="cue_grounding")], bench.first))[1]
    every = sorted(set(bench.words))

    def constant(labels: Sequence[str], cues: Sequence[Cue] = (), said: str | None = None) -> Policy:
        text = bench.write(labels, cues, said)
        return lambda record, rng: text

    def right(cues: Sequence[Cue] = ()) -> Policy:
        return lambda record, rng: bench.write(_gold(record), cues)

    def transcript(record: Record, rng: random.Random) -> str:
        said = record.transcript.text if record.transcript else ""
        return bench.write(
            list(dict.fromkeys(said.split()))[:MAX_LABELS], [Cue(modality="text", text=said or "-")], said
        )

    def wrong_explanation(record: Record, rng: random.Random) -> str:
        others = [r for r in rng.choices(bench.first, k=50) if gold_cues(r) and not set(_gold(r)) & set(_gold(record))]
        return bench.write(_gold(record), (gold_cues(others[0]) or ())[:MAX_CUES])

    policies = {
        f"constant, best for ew: {', '.join(for_ew)}": constant(for_ew),
        f"constant, best for default: {', '.join(for_default[0])}": constant(*for_default),
        "every word": constant(every),
        "non-words": lambda record, rng: bench.write(_non_words(rng, MAX_LABELS)),
        "nothing written": lambda record, rng: "",
        "empty list": constant(()),
        "always neutral": constant(("neutral",)),
        "constant, repeated": lambda record, rng: bench.write(for_ew * TIMES, (), explanation(for_ew, ()) * TIMES),
        "right labels among non-words": lambda record, rng: bench.write([*_gold(record), *_non_words(rng, MAX_LABELS)]),
    }
    if any(record.transcript for record in bench.second):
        policies["transcript copied"] = transcript
    if bench.phrases:
        policies |= {
            "right labels, wrong explanation": wrong_explanation,
            "right labels, no explanation": right(),
            "right labels, usual cues": right(usual),
            "right labels, every cue": right(bench.phrases),
        }
    return policies


def grade(bench: Bench) -> list[Row]:
    """Grade honest policies and cheats."""
    honest = {f"honest, {share:.0%} of labels replaced": honest_policy(bench, share) for share in REPLACED}
    rows = [bench.row(name, policy, True) for name, policy in honest.items()]
    return rows + [bench.row(name, policy, False) for name, policy in cheats(bench).items()]


def failures(rows: Sequence[Row], by: str) -> list[str]:
    """Return the pairs that a reward (`default` or `ew`) ranks wrongly: an honest policy at or below a cheat.

    Honest policies whose F is not above that of the best constant list are left out.
    """
    bar = max(row.f for row in rows if row.policy.startswith("constant"))
    return [
        f"{one.policy} <= {cheat.policy}"
        for one in rows
        for cheat in rows
        if one.honest and one.f > bar and not cheat.honest and getattr(one, by) <= getattr(cheat, by)
    ]


def read_lists(path: Path) -> list[Record]:
    """Return records with labels alone from a CSV file with columns name and openset."""
    with path.open(encoding="utf-8-sig", newline="") as lines:
        return [
            Record(id=row["name"], targets=Targets(labels_ov=tuple(OpenLabel(text=text) for text in labels)))
            for row in csv.DictReader(lines)
            if (labels := list(dict.fromkeys(reference_labels(row["openset"]))))
        ]


def show(rows: Sequence[Row]) -> str:
    """Return the table in Markdown."""
    names = ["policy", "F", "labels", "ew", "default", *rows[0].parts]
    lines = [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
    for row in rows:
        numbers = [row.f, row.labels, row.ew, row.default, *row.parts.values()]
        lines.append(f"| {row.policy} | {' | '.join(f'{number:.3f}' for number in numbers)} |")
    return "\n".join(lines)


def main() -> None:
    """Print the table, and what each reward ranks wrongly."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("clips", type=Path)
    options.add_argument("--limit", type=int, default=1000)
    options.add_argument("--wheels", default=OWN)
    given = options.parse_args()
    records = read_lists(given.clips) if given.clips.suffix == ".csv" else read_records(given.clips)
    clips = list(islice(records, given.limit))
    bench = Bench(clips[::2], clips[1::2], given.wheels)
    rows = grade(bench)
    print(show(rows))
    for by in ("ew", "default"):
        wrong = failures(rows, by)
        print(f"\n{by}: {len(wrong)} honest policies at or below a cheat", *wrong, sep="\n  ")
    if failures(rows, "default"):
        raise SystemExit(1)


def _gold(record: Record) -> tuple[str, ...]:
    return (gold_labels(record) or ())[:MAX_LABELS]


def _non_words(rng: random.Random, count: int) -> list[str]:
    return ["".join(rng.choices(string.ascii_lowercase, k=9)) for _ in range(count)]


if __name__ == "__main__":
    main()
