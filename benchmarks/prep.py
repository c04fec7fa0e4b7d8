"""Records per second and peak memory of `emollm data prep` over a CSV layout, media looked up but not opened.

    python benchmarks/prep.py [--small 100000] [--large 1000000]

Limits that the project keeps: 20,000 records per CPU second; peak memory at the large size at most 1.2 times that at the small one.
Each size runs in a fresh process. `floor_per_s` is what csv.DictReader and json.dumps alone do with the same rows.
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CLIPS = 1000
LABELS = ("neutral", "angry", "happy", "sad", "worried", "surprise")
MAPPING = f"""
name: bench
file: labels.csv
id: "{{name}}"
split: train
video: "clips/{{clip}}.mp4"
text: "{{sentence}}"
lang: en
label: "{{emotion}}"
labels: {list(LABELS)}
"""


def main() -> None:
    """Run both sizes and print one JSON object."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--small", type=int, default=100_000)
    parser.add_argument("--large", type=int, default=1_000_000)
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    sizes = parser.parse_args()
    if sizes.one:
        print(json.dumps(measure(sizes.one)))
        return
    found = {}
    for size in (sizes.small, sizes.large):
        call = [sys.executable, __file__, "--one", str(size)]
        found[str(size)] = json.loads(subprocess.run(call, check=True, capture_output=True, text=True).stdout)
    small, large = found.values()
    print(json.dumps({**found, "rss_ratio": round(large["rss_mb"] / small["rss_mb"], 3)}, indent=1))


def measure(size: int) -> dict[str, float]:
    """Return records per CPU second and peak RSS (MB) for one size, and the floor's rate."""
    from emollm.data.prep import prep

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "root")
        write_copy(root, size)
        start = time.process_time()
        with (root / "labels.csv").open(encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                json.dumps(row)
        floor_s = time.process_time() - start
        Path(folder, "map.yaml").write_text(MAPPING, encoding="utf-8")
        start = time.process_time()
        prep("generic", root, Path(folder, "r.jsonl"), options={"mapping": str(Path(folder, "map.yaml"))})
        prep_s = time.process_time() - start
    rss_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"per_s": round(size / prep_s), "floor_per_s": round(size / floor_s), "rss_mb": round(rss_mb, 1)}


def write_copy(root: Path, size: int) -> None:
    """Write a table of `size` rows over a thousand clips."""
    (root / "clips").mkdir(parents=True)
    for clip in range(CLIPS):
        (root / "clips" / f"{clip}.mp4").write_text("x")
    with (root / "labels.csv").open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(("name", "clip", "sentence", "emotion"))
        for row in range(size):
            writer.writerow((f"sample_{row:08d}", row % CLIPS, f"Sentence number {row}, said calmly.", LABELS[row % 6]))


if __name__ == "__main__":
    main()
