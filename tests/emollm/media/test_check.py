"""`emollm data check`: every file is a row of the list, or a clip in the cache."""

import json
import os
from collections import Counter
from pathlib import Path

import pytest
from typer.testing import CliRunner

from emollm.cli.main import app
from emollm.media.cache import ClipCache
from tests.emollm.media import hostile


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("clips").mkdir()


def check(*arguments, code):
    result = CliRunner().invoke(app, ["data", "check", *arguments, "--workers", "1"])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result


def listed(path="bad.jsonl"):
    return {Path(row["path"]).name: row for row in map(json.loads, Path(path).read_text().splitlines())}


def test_bad_files_are_listed_and_good_ones_are_in_the_cache():
    hostile.video(Path("clips/good.mp4"), 12)
    hostile.video(Path("clips/flagged.mp4"), 3)
    hostile.cut(hostile.talking(Path("clips/cut.mp4")), 0.8)
    Path("clips/page.mp4").write_bytes(hostile.HTML)
    Path("clips/empty.wav").touch()
    result = check("clips", code=1)
    rows = listed()
    assert {name: row["error"]["code"] for name, row in rows.items() if row["error"]} == {
        "cut.mp4": "truncated",
        "page.mp4": "not_media",
        "empty.wav": "empty_file",
    }
    assert all(row["error"]["fix"] for row in rows.values() if row["error"])
    assert (rows["flagged.mp4"]["status"], rows["flagged.mp4"]["flags"]) == ("flagged", ["few_frames"])
    assert "good.mp4" not in rows
    assert "5 files: 1 fine, 1 flagged, 3 bad" in result.output
    assert len(list(ClipCache().folder.rglob("*.clip"))) == 2


def test_cache_holds_what_decode_asks_for(monkeypatch):
    hostile.video(Path("clips/good.mp4"), 12)
    assert "0 flagged, 0 bad" in check("clips/good.mp4", "--frames", "4", "-o", "list.jsonl", code=0).output
    assert Path("list.jsonl").read_text() == ""
    monkeypatch.setattr("emollm.media.cache.decode", None)  # calling it would fail
    assert len(ClipCache().decode("clips/good.mp4", frames=4, max_side_px=512, start_s=None, end_s=None).frames) == 4


def test_records_name_parts_and_both_files():
    hostile.talking(Path("clips/a.mp4"))
    rows = [
        {"id": "a", "media": {"video": {"path": "clips/a.mp4", "start_s": 0.5, "end_s": 1.5}}},
        {"id": "b", "media": {"video": {"path": "clips/a.mp4", "start_s": 9.0}, "audio": {"path": "clips/no.wav"}}},
    ]
    Path("records.jsonl").write_text("".join(json.dumps({"schema": "emollm.record/1", **row}) + "\n" for row in rows))
    output = check("records.jsonl", code=1).output
    assert "3 files: 1 fine, 0 flagged, 2 bad" in output
    rows = listed()
    assert Counter(row["error"]["code"] for row in rows.values()) == {"empty_span": 1, "missing_file": 1}
    assert rows["a.mp4"]["start_s"] == 9.0


def test_nothing_to_check_is_a_wrong_call():
    assert "no media" in check("clips", code=2).output
    assert not os.path.exists("bad.jsonl")
