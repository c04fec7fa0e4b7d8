"""What a run will cost, from a sample that is labelled first: its answers are kept, so nothing is labelled twice."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass

from emollm.batch.output import Output
from emollm.batch.progress import duration
from emollm.errors import EmoError
from emollm.records import Prediction

SAMPLE_BATCHES = 4


@dataclass(frozen=True)
class Estimate:
    """The cost of the rest of a run.

    Attributes:
        sampled: Rows that were made.
        rest: Rows still to be made.
        row_s: Seconds a row.
        row_bytes: Bytes a row.
        gpus: GPUs in use.
    """

    sampled: int
    rest: int
    row_s: float
    row_bytes: float
    gpus: int

    def line(self) -> str:
        """Return time, GPU hours and disk for the rest."""
        seconds, megabytes = self.rest * self.row_s, self.rest * self.row_bytes / 1e6
        gpu = f", {seconds * self.gpus / 3600:.2g} GPU-hours" if self.gpus else ""
        return (
            f"{self.sampled} labelled at {1 / self.row_s:.2f} a second; the other {self.rest}: "
            f"{duration(seconds)}{gpu}, {megabytes:.3g} MB on disk"
        )


def estimate(answers: Iterable[Prediction], output: Output, total: int, warm_up: int, gpus: int = 0) -> Estimate:
    """Make the sample and tell what the rest costs; the first batch, in which things warm up, is not timed.

    Args:
        answers: Of the sample, made as they are taken.
        output: Where they are written.
        total: Rows that there will be at the end.
        warm_up: Size of a batch.
        gpus: GPUs in use.

    Raises:
        EmoError: There are too few clips to time, or none is left.
    """
    before = output.path.stat().st_size
    times_s = [time.monotonic() for _ in answers]
    if len(times_s) <= warm_up:
        what = f"{len(times_s)} clips were labelled, too few to tell what the rest costs"
        raise EmoError(what, "--estimate", f"more than {warm_up} are needed: leave it out, or lower --batch-size")
    timed = len(times_s) - warm_up
    row_s = max((times_s[-1] - times_s[warm_up - 1]) / timed, 1e-9)
    row_bytes = (os.path.getsize(output.path) - before) / len(times_s)
    return Estimate(len(times_s), max(0, total - len(output.done)), row_s, row_bytes, gpus)
