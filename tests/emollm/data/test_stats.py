"""`emollm data stats`: what is counted is what is there; lengths are never guessed."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from emollm.cli.main import app
from emollm.records import (
    ClassLabel,
    License,
    Media,
    MediaRef,
    OpenLabel,
    Quality,
    Record,
    Speaker,
    Targets,
    TextLine,
    Time,
    write_records,
)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def made(i: int, *labels: str, seconds: float | None = None) -> Record:
    return Record(
        id=f"x:train:{i}",
        dataset="x",
        split="train" if i else "dev",
        media=Media(video=MediaRef(path="a.mp4", start_s=1, end_s=1 + seconds) if seconds else None),
        text=(TextLine(text="hi", lang="en"),),
        speaker=Speaker(id=f"s{i % 2}"),
        targets=Targets(labels_ov=tuple(OpenLabel(text=label) for label in labels)),
        license=License(name="CC BY 4.0"),
        quality=Quality(label_origin="human", flags=("missing_media",) if i == 1 else ()),
    )


def stats(*arguments: str, code: int = 0) -> tuple[dict[str, Any], str]:
    result = CliRunner().invoke(app, ["data", "stats", "records.jsonl", "-o", "out/stats", *arguments])
    assert result.exit_code == code, result.output
    return (json.loads(Path("out/stats/stats.json").read_text()) if code == 0 else {}), result.output


def test_counts() -> None:
    records = [made(0, "angry", seconds=2.0), made(1, "Angry ", "grumblish", seconds=4.0), made(2, seconds=3.0)]
    lone = Record(
        id="y", targets=Targets(label=ClassLabel(space="meld7", name="joy")), time=Time(start_s=5, end_s=15.5)
    )
    write_records("records.jsonl", [*records, lone])
    found, text = stats()
    assert found["records"] == 4 and found["speakers"] == 2
    assert found["dataset"] == {"x": 3, "unknown": 1} and found["split"] == {"train": 2, "dev": 1, "unknown": 1}
    assert found["modalities"] == {"video+text": 3, "none": 1} and found["language"] == {"en": 3}
    assert found["targets"] == {"labels_ov": 2, "none": 1, "label": 1} and found["label space"] == {"meld7": 1}
    assert found["licence"] == {"CC BY 4.0": 3, "unknown": 1} and found["flags"] == {"missing_media": 1}
    assert found["labels"] == {"angry": 2, "grumblish": 1, "joy": 1}
    assert found["durations"] == {"known": 4, "p5_s": 2.1, "p50_s": 3.1, "p95_s": 10.6, "p100_s": 10.6}
    assert "4 records, 2 speakers" in text


def test_coverage_is_of_occurrences_and_names_what_no_wheel_knows() -> None:
    write_records("records.jsonl", [made(0, "angry"), made(1, "angry", "grumblish"), made(2, "joy")])
    found, text = stats()
    assert found["wheels"].startswith("emollm") and "grumblish" in text
    assert found["labels_in_no_wheel"] == ["grumblish"]
    assert max(found["coverage"].values()) == pytest.approx(3 / 4)


def test_unknown_lengths_stay_unknown() -> None:
    write_records("records.jsonl", [made(0, "sad"), made(1, "sad")])
    found, text = stats()
    assert found["durations"] == {"known": 0, "p5_s": None, "p50_s": None, "p95_s": None, "p100_s": None}
    assert "unknown for 2" in text


def test_plots_show_labels_of_any_script_and_lengths() -> None:
    from xml.etree import ElementTree

    write_records("records.jsonl", [made(0, "生气", "<b>", seconds=2), made(1, "生气", seconds=31)])
    stats()
    labels, durations = (
        [node.text for node in ElementTree.parse(f"out/stats/{name}.svg").iter("{http://www.w3.org/2000/svg}text")]
        for name in ("labels", "durations")
    )
    assert labels == ["Most frequent labels", "生气", "2", "<b>", "1"]
    assert durations[1:5] == ["0-2 s", "0", "2-4 s", "1"] and durations[-2:] == ["30-32 s", "1"]


def test_a_doubled_id_and_a_broken_line_leave_nothing_behind() -> None:
    Path("records.jsonl").write_text('{"id":"a"}\n{"id":"b"}\n{"id":"a"}\n')
    assert "'a' occurs twice" in stats(code=2)[1]
    Path("records.jsonl").write_text('{"id":"a"}\n{"idd":"b"}\n')
    assert "records.jsonl:2" in stats(code=2)[1]
    assert not Path("out").exists()
