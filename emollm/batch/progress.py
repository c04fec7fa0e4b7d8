"""How a run is going: rate, time left, what failed and why; and when so much fails that going on is a waste."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from emollm.errors import EmoError
from emollm.records import Prediction

TELL_EVERY_S = 10.0
ENOUGH = 50  # answers before a share of failures means anything


class TooManyFailures(EmoError):  # noqa: N818 (what it is)
    """So many clips fail that something is wrong with all of them."""

    code = "too_many_failures"


@dataclass
class Progress:
    """Counts of one run.

    Attributes:
        total: Rows that there will be when all is done.
        before: Rows that were there at the start.
        new: Rows of this run.
        failures: Error code -> rows.
        parses: How answers were read (`ok`, `repaired`, `truncated`, `failed`) -> rows.
    """

    total: int
    before: int = 0
    new: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    parses: Counter[str] = field(default_factory=Counter)
    _start_s: float = field(default_factory=time.monotonic)

    def count(self, answer: Prediction) -> None:
        """Count one row."""
        self.new += 1
        if answer.error is not None:
            self.failures[answer.error.code] += 1
        if answer.parse is not None:
            self.parses[answer.parse] += 1

    @property
    def failed(self) -> int:
        """Rows of this run that are errors."""
        return sum(self.failures.values())

    def line(self) -> str:
        """Return how far the run is, its rate, and when it will be done."""
        elapsed_s = time.monotonic() - self._start_s
        done, rate = self.before + self.new, self.new / elapsed_s if elapsed_s else 0.0
        left = f", {duration((self.total - done) / rate)} left" if rate and self.total > done else ""
        failed = f", {self.failed} failed" if self.failed else ""
        return f"{done} of {self.total} ({done / max(self.total, 1):.0%}), {rate:.2f} clips/s{left}{failed}"

    def summary(self) -> list[str]:
        """Return what failed, and how answers were read where that was not plain."""
        lines = []
        if self.failures:
            lines.append("failures: " + _counts(self.failures))
        if self.parses.keys() - {"ok"}:
            lines.append("answers read: " + _counts(self.parses))
        return lines


def watched(answers: Iterable[Prediction], progress: Progress, tell: Callable[[str], None]) -> Iterator[Prediction]:
    """Pass answers on, and tell every ten seconds how the run is going."""
    told_s = time.monotonic()
    for answer in answers:
        progress.count(answer)
        if time.monotonic() - told_s >= TELL_EVERY_S:
            tell(progress.line())
            told_s = time.monotonic()
        yield answer


def stopping(answers: Iterable[Prediction], progress: Progress, max_failed_percent: float) -> Iterator[Prediction]:
    """Pass answers on until too many of them are errors.

    Raises:
        TooManyFailures: More than `max_failed_percent` of this run's rows, once there are `ENOUGH` of them.
    """
    for answer in answers:
        yield answer
        if progress.new >= ENOUGH and progress.failed * 100 > max_failed_percent * progress.new:
            what = f"{progress.failed} of {progress.new} clips failed ({_counts(progress.failures)}), so the run was stopped"
            fix = "mend the cause; the same command goes on, with --retry-failed it asks about the failed ones again"
            raise TooManyFailures(what, fix=fix)


def duration(seconds: float) -> str:
    """Return a time as people say it: 45 s, 12 min, 3.4 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _counts(found: Counter[str]) -> str:
    return ", ".join(f"{number} {name}" for name, number in found.most_common())
