"""Tables and CSV show what models and file names say, and run none of it."""

import csv
import io

import pytest

from emollm.records import Cue, Failure, PredictedLabel, Prediction, Provenance
from emollm.report.tables import COLUMNS, csv_cells, csv_line, print_table

FROM = Provenance(model="m", engine="fake", emollm="0", valid_for="synthetic")


def prediction(id_: str = "a.mp4", **fields) -> Prediction:
    return Prediction(id=id_, task="full", **{"status": "ok", "provenance": FROM, **fields})


@pytest.mark.parametrize("evil", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "|calc", "%x", "＝1"])  # noqa: RUF001
def test_no_cell_is_a_formula(evil: str) -> None:
    row = prediction(evil, labels=(PredictedLabel(text=evil),), explanation=evil)
    (cells,) = csv.reader(io.StringIO(csv_line(csv_cells(row))))
    for column in ("id", "labels", "explanation"):
        assert cells[COLUMNS.index(column)].startswith("'")


def test_csv_keeps_commas_quotes_and_one_line_a_row() -> None:
    row = prediction(explanation='a, "b"\nc', cues=(Cue(modality="audio", text="loud", start_s=0, end_s=1.25),), confidence=0.5,
                     confidence_source="token", labels=(PredictedLabel(text="sad"), PredictedLabel(text="calm")))  # fmt: skip
    line = csv_line(csv_cells(row))
    (cells,) = csv.reader(io.StringIO(line))
    assert line.count("\n") == 1
    assert dict(zip(COLUMNS, cells, strict=True)) == {
        "id": "a.mp4", "status": "ok", "labels": "sad; calm", "confidence": "0.500", "explanation": 'a, "b" c',
        "cues": "audio: loud (0.0-1.2 s)", "error": "", "valid_for": "synthetic",
    }  # fmt: skip


def shown(*rows: Prediction) -> str:
    out = io.StringIO()
    print_table(rows, out)
    return out.getvalue()


def test_the_table_tells_answers_from_abstention_and_errors() -> None:
    failure = Failure(code="not_media", what="no format")
    text = shown(
        prediction(labels=(PredictedLabel(text="calm"),)),
        prediction("b.mp4", status="insufficient_evidence"),
        prediction("c.mp4", status="error", error=failure),
    )
    header, answer, abstention, error = text.splitlines()
    assert "appears to express" in header
    assert "calm" in answer
    assert "(insufficient evidence)" in abstention
    assert "error: not_media" in error
    assert "no format" in error


def test_the_table_does_not_steer_the_terminal_or_read_markup() -> None:
    text = shown(prediction("[red]x[/red]", labels=(PredictedLabel(text="\x1b[2Jgone\u202e"),)))
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "[red]x[/red]" in text
