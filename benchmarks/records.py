"""Memory and speed of `emollm data` over long records files: each command in a fresh process, at one size and at ten times that size.

    python benchmarks/records.py --records 100000

Peak memory at ten times the size may be at most 1.2 times as large. Prints records a second (of wall time and of CPU time) and peak memory,
side by side. Media are named and never opened.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

GROWTH = 10
LIMIT = 1.2
LABELS = ("angry", "sad", "joyful", "worried", "surprised", "calm", "tense", "hurt")
COMMANDS = {
    "prep": ["prep", "generic", ".", "-o", "records.jsonl", "--set", "mapping=mapping.yaml", "--allow-missing"],
    "mix": ["mix", "mix.yaml", "-o", "mixed.jsonl"],
    "stats": ["stats", "mixed.jsonl"],
    "export ms-swift": ["export", "mixed.jsonl", "--to", "ms-swift", "-o", "swift"],
    "export hf": ["export", "mixed.jsonl", "--to", "hf", "-o", "hf"],
}
MAPPING = """\
name: bench
license: CC BY 4.0
file: labels.csv
id: "{clip}"
split: train
text: "{sentence}"
lang: en
labels_ov: "{openset}"
"""
MIX = """\
sources:
  - {records: records.jsonl, tasks: {labels: 1}}
templates:
  labels: ["Which emotions does the person appear to express?", "Name the emotions that you perceive."]
"""


def main() -> None:
    """Measure both sizes and print one JSON object; exit with 1 when memory grows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=100_000, help="The smaller size.")
    smaller = parser.parse_args().records
    runs = {size: measure(size) for size in (smaller, smaller * GROWTH)}
    growth = {
        name: round(runs[smaller * GROWTH][name]["peak_mb"] / runs[smaller][name]["peak_mb"], 3) for name in COMMANDS
    }
    print(json.dumps({"runs": runs, "peak_growth": growth, "limit": LIMIT}, indent=1))
    sys.exit(int(max(growth.values()) > LIMIT))


def measure(size: int) -> dict[str, dict[str, float]]:
    """Run every command over so many records; return speed and peak memory of each."""
    with tempfile.TemporaryDirectory() as folder:
        write_table(Path(folder), size)
        found = {}
        for name, words in COMMANDS.items():
            start = time.perf_counter()
            process = subprocess.Popen(
                [sys.executable, "-m", "emollm", "data", *words], cwd=folder, stdout=subprocess.DEVNULL
            )
            _, status, usage = os.wait4(process.pid, 0)
            if status:
                raise SystemExit(f"{name} failed")
            wall_s, cpu_s = time.perf_counter() - start, usage.ru_utime + usage.ru_stime
            found[name] = {
                "records_per_s": round(size / wall_s),
                "records_per_cpu_s": round(size / cpu_s),
                "peak_mb": round(usage.ru_maxrss / 1024, 1),
            }
    return found


def write_table(folder: Path, size: int) -> None:
    """Write a table of records as data sets have it, and what the commands are told."""
    (folder / "mapping.yaml").write_text(MAPPING)
    (folder / "mix.yaml").write_text(MIX)
    with (folder / "labels.csv").open("w") as out:
        out.write("clip,sentence,openset\n")
        for i in range(size):
            labels = sorted({LABELS[i % 8], LABELS[i // 8 % 8]})
            out.write(f'clip_{i:08d},"I told you so, {i % 977} times.","{labels}"\n')


if __name__ == "__main__":
    main()
