"""The text of a score report: the ranking value is marked, what is undefined is a dash, nothing steers the terminal."""

from typing import Any

from emollm.report.scores import score_text


def report(**row: Any) -> dict[str, Any]:
    return {
        "clips": 3,
        "intervals": {"by": "speaker", "clusters": 2, "level": 0.95, "draws": 10, "seed": 0},
        "gold": {"path": "gold\x1b[31m.jsonl", "left_out": 4},
        "predictions": [
            {
                "path": "a.npz",
                "format": "affectgpt",
                "errors": 0,
                "insufficient_evidence": 1,
                "unreadable": 2,
                "left_out": 0,
            }
        ],
        "scores": [{"metric": "presence", "ranks": "acc", "details": {}, **row}],
    }


def test_values_intervals_and_what_is_undefined() -> None:
    values = {"acc": {"value": 0.5, "low": 0.25, "high": 0.75, "undefined_draws": 3}, "salience": {"value": None}}
    lines = score_text(report(values=values)).splitlines()
    assert lines[1] == "a.npz (affectgpt): 1 without labels, 2 unreadable"
    assert lines[2] == "intervals: 95% over 2 speakers, 10 draws, seed 0"
    assert lines[-2] == "presence  acc *     0.500000  0.2500 to 0.7500  undefined on 3 draws"
    assert lines[-1].split() == ["salience", "-"]
    assert "\x1b" not in lines[0] and lines[0].endswith("; 4 with empty gold left out")


def test_details_are_tables_and_facts() -> None:
    details = {
        "classes": {"sad": {"f1": 0.5, "n": 2}},
        "groupings": [{"name": "W1", "f": 0.25}],
        "constant": ["a", "b"],
        "no_class": 1,
        "constant_score": {"f": 0.5, "label_count": 2},
    }
    text = score_text(report(values={"acc": {"value": 1.0}}, details=details))
    assert "  classes  f1        n\n  sad      0.500000  2" in text
    assert "  groupings  f\n  W1         0.250000" in text
    assert "  constant: a, b\n  no class: 1\n  constant score: f 0.500000, label count 2" in text


def test_a_comparison_stands_below_the_values() -> None:
    compared = {
        "first": 0.5,
        "second": 0.6,
        "difference": 0.1,
        "low": 0.05,
        "high": 0.2,
        "p": 0.002,
        "p_holm": 0.004,
        "gain": 0.2,
    }
    text = score_text(report(values={"acc": {"value": 0.5}}, compare={"acc": compared}))
    assert text.splitlines()[-1].split() == [
        "acc",
        "*",
        "0.500000",
        "0.600000",
        "+0.100000",
        "0.0500",
        "to",
        "0.2000",
        "+20.0%",
        "0.0020",
        "0.0040",
    ]
