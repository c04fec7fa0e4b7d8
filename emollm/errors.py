"""Errors that tell what is wrong, where, and what to do; several problems are collected and shown at once."""

from __future__ import annotations

from collections.abc import Iterable


class EmoError(Exception):
    """Something the caller can understand and mend.

    Args:
        what: What is wrong, in one sentence.
        where: File, line, record or key that it is about.
        fix: What to do next.
    """

    code = "error"

    def __init__(self, what: str, where: str | None = None, fix: str | None = None) -> None:
        self.what, self.where, self.fix = what, where, fix
        super().__init__(what)

    def __str__(self) -> str:
        """Return `where: what` with the fix on a line of its own."""
        head = f"{self.where}: {self.what}" if self.where else self.what
        return f"{head}\n  fix: {self.fix}" if self.fix else head

    def __reduce__(self) -> tuple[type[EmoError], tuple[str | None, ...]]:
        """Keep all three parts when the error crosses a process boundary."""
        return type(self), (self.what, self.where, self.fix)


class MediaError(EmoError):
    """A clip that cannot be used; `code` is a stable word that programs can match (`not_media`, `truncated`, ...)."""

    def __init__(self, code: str, what: str, where: str | None = None, fix: str | None = None) -> None:
        super().__init__(what, where, fix)
        self.code = code

    def __reduce__(self) -> tuple[type[EmoError], tuple[str | None, ...]]:
        """Keep the code, too, when the error crosses a process boundary."""
        return type(self), (self.code, self.what, self.where, self.fix)


class ConfigError(EmoError):
    """A recipe or a call that is wrong; the command line exits with code 2."""

    code = "config"


def collect(problems: Iterable[EmoError], summary: str, kind: type[EmoError] = EmoError) -> EmoError | None:
    """Join several problems into one error, or return None when there are none.

    Args:
        problems: The single errors, in the order in which they should be read.
        summary: First line; `{n}` is replaced by the number of problems.
        kind: Class of the joined error; its constructor takes `what` first.
    """
    problems = list(problems)
    if not problems:
        return None
    lines = [summary.format(n=len(problems)), *("  " + str(p).replace("\n", "\n  ") for p in problems)]
    return kind("\n".join(lines))
