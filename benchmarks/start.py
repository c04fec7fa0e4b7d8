"""CPU seconds of a command from cold: `emollm --help`, a command's help, and labelling one new clip with the bundled checkpoint.

    python benchmarks/start.py

Limits that the project keeps: 0.15 s for the root's help, 0.30 s for a command's, 20 s for one clip. Each command runs in a fresh process;
CPU seconds (user and system, children included) are the median of the rounds.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from emollm.synth import make_synth

ROUNDS = 3


def main() -> None:
    """Time the commands and print one JSON object."""
    with tempfile.TemporaryDirectory() as folder:
        make_synth(folder, 1, 99, split="dev", workers=1)
        clip = next(str(path) for path in Path(folder, "media").iterdir())
        commands = {
            "help_s": ["--help"],
            "label_help_s": ["label", "--help"],
            "label_one_clip_s": ["label", clip],
            "explain_one_clip_s": ["explain", clip],
        }
        print(json.dumps({name: median_cpu_s(words) for name, words in commands.items()}, indent=1))


def median_cpu_s(words: list[str]) -> float:
    """Return the median CPU seconds of `emollm WORDS` in a fresh process."""
    times = []
    for _ in range(ROUNDS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "emollm", *words], check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return round(statistics.median(times), 3)


if __name__ == "__main__":
    main()
