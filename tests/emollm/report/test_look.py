"""`emollm data show`: records in a terminal and as an HTML file, with what cannot be decoded told in its place."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from emollm.cli.main import app
from emollm.records import Media, MediaRef, OpenLabel, Record, Targets, TextLine, write_records
from emollm.report.look import look_at, look_text

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\x1b[2J"


@pytest.fixture
def records(tmp_path: Path, make_clip: Callable[..., Path]) -> Path:
    make_clip("a.mp4")
    rows = [
        Record(
            id="seen",
            media=Media(video=MediaRef(path="a.mp4")),
            text=(TextLine(text=EVIL),),
            targets=Targets(labels_ov=(OpenLabel(text="worn out"),)),
        ),
        Record(id="gone", media=Media(video=MediaRef(path="none.mp4"))),
    ]
    write_records(tmp_path / "records.jsonl", rows)
    return tmp_path / "records.jsonl"


def show(*arguments: Any) -> Any:
    return CliRunner().invoke(app, ["data", "show", *map(str, arguments)])


def test_in_a_terminal(records: Path) -> None:
    result = show(records, "--model", "tiny")
    assert result.exit_code == 0, result.output
    first, second = result.stdout.split("\n\n")[:2]
    assert "worn out" in first and re.search(r"frames +0\.\d(, 0\.\d){7} s", first)
    assert re.search(r"sound +[▁▂▃▄▅▆▇█]{72}\n", first) and re.search(r"tokens +\d+: ", first)
    assert "problem     video: no such file (missing_file)" in second
    assert "\x1b" not in result.stdout


def test_frames_in_colour(records: Path, tmp_path: Path) -> None:
    record = Record(id="x", media=Media(video=MediaRef(path=str(tmp_path / "a.mp4"))))
    strip = [line for line in look_text(look_at(record), colour=True).splitlines() if "▀" in line]
    assert len(strip) == 4 and all(line.count("▀") == 72 for line in strip), "9 columns a frame, 8 pixels high"


def test_as_a_page(records: Path, tmp_path: Path) -> None:
    page = tmp_path / "look.html"
    assert show(records, "--html", page, "--model", "tiny").exit_code == 0
    text = page.read_text()
    assert text.count("data:image/jpeg;base64,") == 8 and "<svg" in text and 'class="token"' in text
    assert "default-src 'none'" in text and "missing_file" in text
    assert "<script" not in text and "<img src=x" not in text and "&lt;script&gt;" in text
    assert not re.search(r"(src|href)=\"(?!data:)", text), "nothing is fetched"


def test_no_half_page(records: Path, tmp_path: Path) -> None:
    records.write_text(records.read_text() + "{broken\n")
    page = tmp_path / "look.html"
    assert show(records, "--html", page).exit_code == 2
    assert not page.exists()
