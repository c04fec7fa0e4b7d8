"""Predictions as a table for a terminal, and as CSV for a spreadsheet.

What a model wrote and how a file is called is text from outside: control characters are shown as spaces, and in CSV a text that a
spreadsheet would run as a formula gets an apostrophe before it (https://owasp.org/www-community/attacks/CSV_Injection).
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import IO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from emollm.records import Cue, Prediction

COLUMNS = ("id", "status", "labels", "confidence", "explanation", "cues", "error", "valid_for")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]+")
_FORMULA = re.compile(r"\s*[=+\-@|%\uff1d\uff0b\uff0d\uff20]")  # the last four: full width


def csv_line(cells: Iterable[str]) -> str:
    """Return one CSV line (with its newline) in which no cell is a formula."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow([_harmless(cell) for cell in cells])
    return line.getvalue()


def csv_cells(prediction: Prediction) -> list[str]:
    """Return a prediction's cells in the order of `COLUMNS`."""
    error = f"{prediction.error.code}: {prediction.error.what}" if prediction.error else ""
    return [
        prediction.id,
        prediction.status,
        "; ".join(label.text for label in prediction.labels),
        "" if prediction.confidence is None else f"{prediction.confidence:.3f}",
        prediction.explanation or "",
        "; ".join(_cue(cue) for cue in prediction.cues),
        error,
        prediction.provenance.valid_for or "",
    ]


def print_table(predictions: Sequence[Prediction], file: IO[str]) -> None:
    """Print what each clip's person appears to express; error rows say what went wrong."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("clip", "appears to express", "confidence", "why"):
        table.add_column(name, overflow="fold", justify="right" if name == "confidence" else "left")
    for prediction in predictions:
        table.add_row(*(Text(plain(cell)) for cell in _row(prediction)))
    Console(file=file, highlight=False).print(table)


def plain(text: str) -> str:
    """Return text that cannot steer a terminal: on one line, without control characters."""
    return _CONTROL.sub(" ", text)


def _row(prediction: Prediction) -> tuple[str, str, str, str]:
    """Return the cells of the terminal's table."""
    if prediction.error is not None:
        return prediction.id, f"error: {prediction.error.code}", "", prediction.error.what
    labels = ", ".join(label.text for label in prediction.labels)
    if prediction.status == "insufficient_evidence":
        labels = "(insufficient evidence)"
    confidence = "" if prediction.confidence is None else f"{prediction.confidence:.2f}"
    return prediction.id, labels, confidence, prediction.explanation or "; ".join(_cue(cue) for cue in prediction.cues)


def _cue(cue: Cue) -> str:
    """Return a cue as `modality: text (from-to s)`."""
    times = "" if cue.start_s is None or cue.end_s is None else f" ({cue.start_s:.1f}-{cue.end_s:.1f} s)"
    return f"{cue.modality}: {cue.text}{times}"


def _harmless(cell: str) -> str:
    """Return a cell that a spreadsheet shows as text."""
    cell = plain(cell)
    return f"'{cell}" if _FORMULA.match(cell) else cell
