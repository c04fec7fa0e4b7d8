"""`emollm data purge --subject`: afterwards no file holds the person, and what was others' is untouched."""

import hashlib
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from emollm.cli.main import app
from emollm.data import purge as purging
from emollm.data.export import read_back
from emollm.jsonl import write_rows
from emollm.media.cache import ClipCache
from emollm.records import (
    Media,
    MediaRef,
    OpenLabel,
    PredictedLabel,
    Prediction,
    Provenance,
    Record,
    RecordProvenance,
    Speaker,
    Targets,
    Turn,
    read_records,
    write_records,
)
from emollm.synth.mp4 import write_clip

WORDS = "my secret is a turnip"


def made(i: int, subject: str, parents: tuple[str, ...] = (), context: tuple[Turn, ...] = ()) -> Record:
    return Record(
        id=f"x:train:clip_{i}",
        dataset="x",
        native_id=f"clip_{i}",
        subject_id=subject,
        speaker=Speaker(id=f"role of {subject}"),
        media=Media(video=MediaRef(path=f"clips/{i}.mp4")),
        targets=Targets(labels_ov=(OpenLabel(text="sad"),)),
        context=context,
        provenance=RecordProvenance(parents=parents),
    )


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Records of s1 and s2, a record made from one of s1's, and all that was made of them."""
    monkeypatch.chdir(tmp_path)
    turn = Turn(id="x:train:clip_1", text=WORDS), Turn(id="x:train:clip_2", text="mine")
    records = [made(1, "s1"), made(2, "s2"), made(3, "s2", context=turn), made(11, "s10")]
    derived = made(4, "anonymous", parents=("x:clip_1",)).model_copy(update={"dataset": "y"})
    write_records("data/records.jsonl", [*records, derived])
    for i in (1, 2, 3, 4, 11):
        Path(f"data/clips/{i}.mp4").parent.mkdir(exist_ok=True)
        Path(f"data/clips/{i}.mp4").write_bytes(f"film {i}".encode())
    everyone = [record.id for record in (*records, derived)]
    predictions = [
        Prediction(
            id=name,
            task="labels",
            status="ok",
            labels=(PredictedLabel(text="sad"),),
            provenance=Provenance(model="tiny", engine="hf", emollm="0"),
        )
        for name in everyone
    ]
    write_rows("runs/a/out.jsonl", predictions)
    Path("runs/a/report.html").write_text("<td>x:train:clip_1</td>")
    Path("runs/a/other.html").write_text("<td>x:train:clip_11 and x:train:clip_2</td>")
    Path("runs/a/results.json").write_text(json.dumps({"rows": {"x:train:clip_1": 0.5}}))
    Path("runs/a/config.yaml").write_text("data: {train: [data/records.jsonl]}")
    Path("runs/a/scores.csv").write_text("id,f\nx:train:clip_1,0.5\nx:train:clip_2,0.1\n")
    for to in ("hf", "verl", "llava"):
        assert run("export", "data/records.jsonl", "--to", to, "-o", f"exports/{to}").exit_code == 0
    cache = tmp_path / "cache"
    cache.mkdir()
    with closing(sqlite3.connect(cache / "media_sha256.sqlite", isolation_level=None)) as base:
        base.execute("CREATE TABLE media (path TEXT PRIMARY KEY, sha256 TEXT)")
        base.executemany(
            "INSERT INTO media VALUES (?, 'x')", [(str(tmp_path / f"data/clips/{i}.mp4"),) for i in (1, 2)]
        )
    return tmp_path


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["data", *arguments])


def purge(*arguments: str, subject: str = "s1") -> Any:
    return run("purge", "data", "runs", "exports", "--subject", subject, *arguments)


def files(tree: Path) -> dict[str, bytes]:
    return {str(path.relative_to(tree)): path.read_bytes() for path in sorted(tree.rglob("*")) if path.is_file()}


def test_nothing_of_the_person_is_left_anywhere(tree: Path) -> None:
    result = purge("--media", "--yes")
    assert result.exit_code == 0, result.output
    gone = (b'clip_1"', b"clip_1<", b"clip_1,", b'clip_4"', b'"s1"', b'role of s1"', b"clips/1.mp4", WORDS.encode())
    for name, content in files(tree).items():
        assert not [word for word in gone if word in content], name
        assert content not in (b"film 1", b"film 4")
    assert "runs/a may have been trained on these records" in result.output


def test_what_is_others_stays(tree: Path) -> None:
    before = files(tree)
    assert purge("--media", "--yes").exit_code == 0
    left = ["x:train:clip_2", "x:train:clip_3", "x:train:clip_11"]
    records = {record.id: record for record in read_records("data/records.jsonl")}
    assert list(records) == left
    assert [turn.text for turn in records["x:train:clip_3"].context] == ["mine"]
    assert [json.loads(line)["id"] for line in Path("runs/a/out.jsonl").read_text().splitlines()] == left
    assert [record.id for record in read_back(Path("exports/hf"), "hf")] == left
    for to in ("verl", "llava"):
        rows = [row.id for row in read_back(Path("exports", to), to)]
        assert rows == [left[0], left[2]], "the row that quotes the person in its prompt goes, too"
    assert Path("runs/a/scores.csv").read_text() == "id,f\nx:train:clip_2,0.1\n"
    after = files(tree)
    same = {"runs/a/other.html", "runs/a/config.yaml", *(f"data/clips/{i}.mp4" for i in (2, 3, 11))}
    assert {name for name in same if after.get(name) == before[name]} == same
    assert set(before) - set(after) == {
        "runs/a/report.html",
        "runs/a/results.json",
        "data/clips/1.mp4",
        "data/clips/4.mp4",
    }
    with closing(sqlite3.connect(tree / "cache" / "media_sha256.sqlite")) as base:
        assert [Path(path).name for (path,) in base.execute("SELECT path FROM media")] == ["2.mp4"]


def test_decoded_clips_of_the_person_leave_the_cache(tree: Path) -> None:
    (tree / "cache" / "media_sha256.sqlite").unlink()
    clips = [Path(f"data/clips/{i}.mp4") for i in (1, 2, 4)]
    for number, clip in enumerate(clips):
        write_clip(clip, np.full((2, 16, 16, 3), 60 * number, np.uint8), None, fps=2, sample_rate_hz=16000)
        for side in (8, 16):
            ClipCache().decode(clip, frames=1, max_side_px=side)
    kept = {clip: ClipCache().of_file(hashlib.sha256(clip.read_bytes()).hexdigest()) for clip in clips}
    assert [len(entries) for entries in kept.values()] == [2, 2, 2]
    clips[2].unlink()  # gone from its place, and remembered by its hash
    assert run("purge", "data", "--subject", "s1", "--yes").exit_code == 0
    assert [[entry.exists() for entry in entries] for entries in kept.values()] == [
        [False] * 2,
        [True] * 2,
        [False] * 2,
    ]


def test_without_yes_nothing_changes(tree: Path) -> None:
    before = files(tree)
    result = purge("--media")
    assert result.exit_code == 0 and "nothing was changed" in result.output
    assert "out.jsonl: rewrite (2 rows)" in result.output and "report.html: delete" in result.output
    assert files(tree) == before


def test_media_that_another_person_shows_stay(tree: Path) -> None:
    shared = made(5, "s2").model_copy(update={"media": Media(video=MediaRef(path="clips/1.mp4"))})
    write_records("data/more.jsonl", [shared])
    assert purge("--media", "--yes").exit_code == 0
    assert Path("data/clips/1.mp4").exists() and not Path("data/clips/4.mp4").exists()
    assert [record.id for record in read_records("data/more.jsonl")] == [shared.id]


def test_what_people_wrote_is_listed_and_not_touched(tree: Path) -> None:
    Path("data/notes.md").write_text("x:train:clip_1 is odd")
    result = purge("--yes")
    assert result.exit_code == 1 and "still names the person" in result.stderr and "notes.md" in result.stderr
    assert Path("data/notes.md").exists()


def test_an_interrupted_purge_is_finished_by_the_next(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace, replaced = purging._replace, []

    def stop_at_the_third(path: Path, save: Any) -> None:
        if len(replaced) == 2:
            raise KeyboardInterrupt
        replaced.append(path)
        replace(path, save)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(purging, "_replace", stop_at_the_third)
        purging.plan_purge([Path("data"), Path("runs"), Path("exports")], "s1").run()
    assert purge("--yes").exit_code == 0
    assert b'clip_1"' not in b"".join(files(tree).values())


def test_a_subject_without_records_and_a_broken_line_change_nothing(tree: Path) -> None:
    before = files(tree)
    assert "no record is of 'nobody'" in purge("--yes", subject="nobody").stderr
    Path("data/records.jsonl").write_text(Path("data/records.jsonl").read_text() + '{"id": \n')
    result = purge("--yes")
    assert result.exit_code == 2 and "records.jsonl:6" in result.stderr
    assert {**files(tree), "data/records.jsonl": b""} == {**before, "data/records.jsonl": b""}
