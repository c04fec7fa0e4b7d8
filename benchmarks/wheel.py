"""Speed of the open-vocabulary score: ours beside a baseline written in the published manner, on the same label lists, in one run.

    python benchmarks/wheel.py                      # maps of the published sizes, drawn at random
    python benchmarks/wheel.py --folder DIR         # your copy of the field's emotion_wheel folder

The baseline does what the published code does: for each of the 12 groupings it parses both answers of every pair again, gathers and
sorts the synonyms of every label again, and compares sets in Python. It holds its files in memory and looks words up in dictionaries, so
that it is no straw man: its limit is 8 CPU seconds for 50,000 pairs. Both must agree to 1e-12.

Limits that the project keeps: ours at least 20 times faster from label lists, 8 times from raw strings; the wheel reward of a raw
completion at most 60 microseconds; loading compiled wheels at most 50 ms. CPU seconds are the least of the rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any, TypeVar

from emollm.emotions.importing import WHEELS, Sources, read_folder
from emollm.emotions.maps import Maps, load_maps, save_maps
from emollm.metrics.wheel import pair_counts, sample_f

SIZES = {"W1": (6, 36, 72), "W2": (7, 41, 79), "W3": (6, 36, 36), "W4": (6, 48, 48), "W5": (6, 36, 36)}
_SEPARATOR = re.compile("['\",]")
Result = TypeVar("Result")


def main() -> None:
    """Time both and print one JSON object."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--pairs", type=int, default=50_000)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--folder", type=Path)
    given = options.parse_args()
    sources = read_folder(given.folder) if given.folder else random_sources(random.Random(0))
    maps = sources.compile()
    gold, predicted = (label_lists(maps, given.pairs, random.Random(seed)) for seed in (1, 2))
    report: dict[str, Any] = {"pairs": given.pairs, "wheels": maps.version, "groupings": len(maps.groupings)}
    for kind, sides in {"lists": (gold, predicted), "raw": (as_text(gold), as_text(predicted))}.items():
        expected, baseline_s = least_cpu_s(partial(baseline, sources, *sides), 1)
        found, ours_s = least_cpu_s(lambda sides=sides: pair_counts(maps, *sides).means()[0], given.rounds)
        if max(abs(a - b) for a, b in zip(expected, found, strict=True)) > 1e-12:
            raise SystemExit("the two disagree")
        report[kind] = {"baseline_cpu_s": baseline_s, "ours_cpu_s": ours_s, "times_faster": baseline_s / ours_s}
    report["reward_us"] = reward_us(maps, gold[:10_000], as_text(predicted[:10_000]), given.rounds)
    report["load_ms"] = load_ms(sources, given.rounds)
    print(json.dumps(report, indent=1))


def baseline(sources: Sources, gold: Sequence[Any], predicted: Sequence[Any]) -> list[float]:
    """Return F of each grouping: answers parsed and synonyms sorted anew for every grouping and label."""
    bases, synonyms = ({word: set(found) for word, found in m.items()} for m in (sources.bases, sources.synonyms))
    groupings: list[Callable[[str], str | None]] = [
        lambda label: sorted(bases[label])[0] if label in bases else None,
        lambda label: sorted(synonyms[sorted(bases[label])[0]])[0] if label in bases else None,
    ]

    def on_wheel(label: str, sectors: Mapping[str, Sequence[str]], level: int) -> str | None:
        meant: set[str] = set()
        for base in bases.get(label, ()):
            meant |= synonyms[base]
        for word in sorted(meant):
            if word in sectors:
                return sectors[word][level]
        return None

    groupings += [
        partial(on_wheel, sectors=sectors, level=level) for sectors in sources.wheels.values() for level in (0, 1)
    ]
    scores = []
    for group in groupings:
        precision, recall = [], []
        for truth, guess in zip(gold, predicted, strict=True):
            wanted = {found for label in parse(truth) if (found := group(label.lower().strip())) is not None}
            named = {found for label in parse(guess) if (found := group(label.lower().strip())) is not None}
            if wanted:
                precision.append(len(wanted & named) / len(named) if named else 0.0)
                recall.append(len(wanted & named) / len(wanted))
        p, r = sum(precision) / len(precision), sum(recall) / len(recall)
        scores.append(2 * p * r / (p + r) if p + r else 0.0)
    return scores


def parse(answer: Any) -> list[str]:
    """Return the labels of an answer as the published code splits it; a list stays as it is."""
    if isinstance(answer, list):
        return answer
    return [label for piece in _SEPARATOR.split(answer.removeprefix("[").removesuffix("]")) if (label := piece.strip())]


def random_sources(rng: random.Random) -> Sources:
    """Return wheels, synonyms and forms of the published sizes: 253 wheel words, 1,255 bases, 7,386 forms."""
    words = [f"wheel{number}" for number in range(253)]
    wheels = {}
    for wheel in WHEELS:
        one, two, three = SIZES[wheel]
        inner, middle, outer = (
            rng.sample(words, one + two + three)[a:b] for a, b in ((0, one), (one, one + two), (one + two, None))
        )
        sectors = {word: (inner[i % one], word) for i, word in enumerate(middle)}
        sectors |= {word: sectors[middle[i % two]] for i, word in enumerate(outer)}
        wheels[wheel] = sectors | {word: (word, middle[i]) for i, word in enumerate(inner)}
    bases = words + [f"base{number}" for number in range(1255 - len(words))]
    synonyms = {base: sorted(set(rng.choices(words, k=rng.choice([1, 1, 2, 4])))) for base in bases}
    forms = {base: [base] for base in bases}
    forms |= {f"form{i}": sorted(set(rng.choices(bases, k=1 + (i % 8 == 0)))) for i in range(7386 - len(bases))}
    return Sources(wheels, synonyms, forms)


def label_lists(maps: Maps, pairs: int, rng: random.Random) -> list[list[str]]:
    """Return lists of 1 to 6 labels, common ones often, one in ten unknown to the maps."""
    words = [*maps.words]
    rng.shuffle(words)
    words[9::10] = [f"no {word}" for word in words[9::10]]
    weights = list(accumulate(1 / (10 + rank) for rank in range(len(words))))
    return [rng.choices(words, cum_weights=weights, k=rng.randint(1, 6)) for _ in range(pairs)]


def as_text(answers: Sequence[Sequence[str]]) -> list[str]:
    """Return answers as a model writes them."""
    return ["[" + ", ".join(labels) + "]" for labels in answers]


def reward_us(maps: Maps, gold: Sequence[Sequence[str]], predicted: Sequence[str], rounds: int) -> float:
    """Return microseconds of the wheel reward of one raw completion with its thinking: find the answer, parse it, score it."""
    completions = [
        f"<think>The voice trembles and the brows are raised.</think><answer>{text}</answer>" for text in predicted
    ]
    answer = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)

    def rewards() -> list[float | None]:
        return [
            sample_f(maps, truth, found[1] if (found := answer.search(text)) else "")
            for truth, text in zip(gold, completions, strict=True)
        ]

    rewards()
    return least_cpu_s(rewards, rounds)[1] / len(gold) * 1e6


def load_ms(sources: Sources, rounds: int) -> float:
    """Return milliseconds from the file in the cache to maps that are ready to score."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["EMOLLM_CACHE"] = folder
        maps = sources.compile()
        save_maps(maps, asdict(sources))

        def load() -> Any:
            load_maps.cache_clear()
            return load_maps(maps.version).bits

        return least_cpu_s(load, rounds)[1] * 1e3


def least_cpu_s(work: Callable[[], Result], rounds: int) -> tuple[Result, float]:
    """Return what the work returned, and its CPU seconds in the best round."""
    times = []
    for _ in range(rounds):
        begin = time.process_time()
        result = work()
        times.append(time.process_time() - begin)
    return result, min(times)


if __name__ == "__main__":
    main()
