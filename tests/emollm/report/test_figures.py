"""What the figures of a report compute: places on the wheel, confusion, reliability, axes; all against numbers by hand."""

import math

import pytest

from emollm.records import Prediction, Record
from emollm.report.answered import answer_figures, answer_tables, class_confusion, family_confusion
from emollm.report.clips import Answered, pick
from emollm.report.figures import Bound, Chart, Line, Spread, thin, ticks
from emollm.report.wheel import Wheel, cell_of, cells, count, families, sectors


def clip(truth: str | None, said: str, confidence: float | None = None, closed: bool = False) -> Answered:
    """Return an answer; labels have commas between, `truth` None: no record."""
    row = {
        "id": f"{truth}:{said}",
        "task": "labels",
        "status": "ok" if said else "insufficient_evidence",
        "labels": [{"text": one} for one in said.split(",") if one],
        "confidence": confidence,
        "confidence_source": None if confidence is None else "token",
        "provenance": {"model": "m", "engine": "fake", "emollm": "0"},
    }
    gold = {"labels_ov": [{"text": one} for one in (truth or "").split(",") if one]}
    gold |= {"label": {"space": "s", "name": truth}} if closed else {}
    record = None if truth is None else Record.model_validate({"id": "r", "targets": gold})
    return Answered(Prediction.model_validate(row), record, closed)


def test_the_wheel_has_every_group_once_and_blends_between_their_sectors() -> None:
    assert len(sectors()) == 8 and len(cells()) == 32
    rage, anger = cell_of("enraged"), cell_of("Very angry!")
    assert rage and anger and (rage.group, anger.group) == ("rage", "anger")
    assert rage.outer == anger.inner, "what is strong is inside"
    love = cells()["love"]
    joy, trust = cells()["joy"], cells()["trust"]
    assert love.sectors == ("joy", "trust") and joy.start < love.start < joy.end < love.end < trust.end
    whole = sum(one.end - one.start for one in cells().values() if one.outer == joy.outer)
    assert whole == pytest.approx(1)
    x, y = cells()["sadness"].middle
    assert y > abs(x), "sadness is below, across from joy"


def test_families_of_words() -> None:
    assert families(["furious", "loving"]) == {"anger", "joy", "trust"}
    assert families(["neutral"]) == {"neutral"}
    assert count([["angry", "mad"], ["angry", "neutral"]]) == ({"anger": 2}, {"neutral": 1})
    assert "anger 2" in Wheel("x", [["angry"], ["angry"]], 1.0).about


@pytest.mark.parametrize(
    ("truth", "said", "verdict"),
    [
        ("furious", "angry", "right"),
        ("furious,sad", "angry", "partly right"),
        ("furious", "happy", "wrong"),
        ("neutral", "neutral", "right"),
        ("", "", "right"),
        ("sad", "", "no label"),
        (None, "sad", "no truth"),
    ],
)
def test_verdicts(truth: str | None, said: str, verdict: str) -> None:
    assert clip(truth, said).verdict == verdict


def test_in_a_closed_set_only_the_class_is_right() -> None:
    assert clip("anger", "furious", closed=True).verdict == "wrong"
    assert clip("anger", "Anger", closed=True).verdict == "right"


def test_confusion_is_the_share_of_clips_of_a_family() -> None:
    matrix = family_confusion([clip("furious", "angry,sad"), clip("angry", "happy"), clip("sad", ""), clip("x", "joy")])
    table = {
        name: dict(zip(matrix.columns, row, strict=True)) for name, row in zip(matrix.rows, matrix.values, strict=True)
    }
    assert set(table) == {"sadness", "anger", "not on the wheel"} and matrix.remarks[matrix.rows.index("anger")] == "2"
    assert (table["anger"]["anger"], table["anger"]["sadness"], table["anger"]["joy"]) == (0.5, 0.5, 0.5)
    assert table["sadness"]["no label"] == 1.0 and table["not on the wheel"]["joy"] == 1.0
    classes = class_confusion(
        [clip("a", "a", closed=True), clip("a", "other", closed=True), clip("b", "", closed=True)]
    )
    assert (classes.columns, classes.values) == (["a", "b", "others", "no label"], [[0.5, 0, 0.5, 0], [0, 0, 0, 1.0]])


def test_reliability_and_risk_by_hand() -> None:
    clips = [clip("sad", "sad", 0.95)] * 8 + [clip("sad", "happy", 0.15)] * 3 + [clip("sad", "sad", 0.15)]
    charts = {one.title: one for one in answer_figures(clips) if isinstance(one, Chart)}
    (line,) = charts["Reliability"].lines
    assert line.points == [(pytest.approx(0.15), 0.25), (pytest.approx(0.95), 1.0)]
    assert charts["Risk and coverage"].lines[0].points[7] == (8 / 12, 0) and charts["Risk and coverage"].lines[
        0
    ].points[-1] == (1, 0.25)
    assert not [one for one in answer_figures(clips[:9]) if isinstance(one, Chart)], "nine answers show no curve"
    fared = {row[0]: row[2] for row in answer_tables(clips)[0].rows}
    assert fared == {"wrong": "3", "right": "9"}


def test_the_gallery_takes_half_or_what_the_others_leave() -> None:
    good, bad = [clip("sad", "sad")] * 10, [clip("sad", "happy", 0.1), clip("sad", "joy", 0.9), clip("sad", "")]
    failed, others = pick(good + bad, 4)
    assert [one.said for one in failed] == [("joy",), ("happy",)] and len(others) == 2
    assert [len(side) for side in pick(good[:1] + bad * 3, 8)] == [7, 1]
    assert [len(side) for side in pick(good + bad, 0)] == [0, 0]


def test_axes_have_round_numbers_and_long_lines_are_thinned() -> None:
    assert ticks(0, 1) == [0, 0.2, 0.4, 0.6, 0.8, 1.0] and ticks(0, 3.2, 6) == [0, 0.5, 1, 1.5, 2, 2.5, 3]
    assert ticks(-0.01, 0.02) == [-0.01, 0, 0.01, 0.02]
    long = [(float(x), float(x)) for x in range(1000)]
    assert len(thin(long)) == 250 and thin(long)[0] == (1.5, 1.5)
    drawn = Chart("t", "a", "x", "y", [Line("l", [(0, 0), (1, math.nan), (2, 1)])]).svg()
    assert drawn.count("<circle") == 2 and "nan" not in drawn
    assert "<script" not in Spread("t", "a", [Bound("<script>", 0.5, 0.4, 0.6)]).svg()
