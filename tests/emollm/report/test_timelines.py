"""Timelines: windows of one recording become one chart, by numbers of their own or by where their labels lie on the circumplex."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from emollm.jsonl import write_rows
from emollm.records import Prediction, Record
from emollm.report.clips import Answered
from emollm.report.figures import Chart
from emollm.report.timelines import MOST, timeline_sections


def window(id_: str, *labels: str, truth: dict[str, Any] | None = None, **fields: Any) -> Answered:
    row = {
        "id": id_,
        "task": "labels",
        "status": "ok" if labels else "insufficient_evidence",
        "labels": [{"text": one} for one in labels],
        "provenance": {"model": "m", "engine": "fake", "emollm": "0"},
    }
    record = None if truth is None else Record.model_validate({"id": id_, "targets": truth})
    return Answered(Prediction.model_validate(row | fields), record)


def chart(*clips: Answered) -> Chart:
    (section,) = timeline_sections(clips)
    (found,) = section.figures
    assert isinstance(found, Chart)
    return found


def test_labels_lie_on_the_circumplex_and_silence_breaks_the_line() -> None:
    clips = [
        window("talk.mp4#10-20"),
        window("talk.mp4#0-10", "furious"),
        window("talk.mp4#20-25", "calm", "sad"),
        window("talk.mp4#25-30", "xyzzy"),
    ]
    found = chart(*clips)
    valence, arousal = found.lines
    assert (valence.name, arousal.name) == ("valence, answer", "arousal, answer")
    assert [at for at, _ in valence.points] == [5, 15, 22.5, 27.5]
    assert (valence.points[0][1], arousal.points[0][1]) == (-1, 1), "anger is unpleasant and excited"
    assert (valence.points[2][1], arousal.points[2][1]) == (0, -1), "calm is pleasant, sad is not; both are low"
    assert math.isnan(valence.points[1][1]) and math.isnan(valence.points[3][1])
    assert "answer by its labels" in found.about and "no strength" in found.about
    assert found.svg().count("<polyline") == 4 and "nan" not in found.svg(), "two lines in two pieces each"


def test_numbers_of_its_own_come_first_and_truth_stands_beside() -> None:
    truth = {"vad": {"valence": 2.0, "arousal": 5.0, "scale": [1, 5]}}
    vad = {"valence": 0.5, "arousal": -0.5, "scale": [-1, 1]}
    found = chart(*(window(f"talk.mp4#{at}-{at + 1}", "furious", truth=truth, vad=vad) for at in range(2)))
    assert {line.name: line.points[1] for line in found.lines} == {
        "valence, answer": (1.5, 0.5),
        "arousal, answer": (1.5, -0.5),
        "valence, truth": (1.5, -0.5),
        "arousal, truth": (1.5, 1.0),
    }
    assert "labels" not in found.about


def test_what_is_no_recording_has_no_timeline() -> None:
    assert not list(timeline_sections([window("a.mp4", "sad"), window("b.mp4#0-10", "sad"), window("c#2", "sad")]))
    many = [window(f"{name}.mp4#{at}-{at + 1}", "sad") for name in range(MOST + 2) for at in range(2)]
    (section,) = timeline_sections(many)
    assert len(section.figures) == MOST and f"{MOST + 2}, of which the {MOST}" in section.about


@pytest.mark.parametrize("name", ["talk.mp4", "<script>alert(1)</script>"])
def test_the_page_shows_them(call: Callable[..., Result], tmp_path: Path, name: str) -> None:
    clips = [window(f"{name}#0-10", "joy"), window(f"{name}#10-20", "sad")]
    write_rows(tmp_path / "answers.jsonl", [clip.prediction for clip in clips])
    assert call("report", tmp_path / "answers.jsonl").exit_code == 0
    page = (tmp_path / "answers.html").read_text()
    assert "Timelines</h2>" in page and "10 to 20 s: sad" in page and "<script" not in page
