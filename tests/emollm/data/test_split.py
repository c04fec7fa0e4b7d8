"""`emollm data split`: nothing is shared between splits, shares come near, the order of records does not matter."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from emollm.cli.main import app
from emollm.records import Media, MediaRef, Record, RecordProvenance, Speaker, Turn, read_records, write_records


def made(i: int, speaker: str, context: tuple[int, ...] = (), parents: tuple[str, ...] = ()) -> Record:
    return Record(
        id=f"x:train:{i}",
        dataset="x",
        native_id=str(i),
        media=Media(video=MediaRef(path=f"clips/{i}.mp4")),
        speaker=Speaker(id=speaker),
        context=tuple(Turn(id=f"x:train:{j}", text="hm") for j in context),
        provenance=RecordProvenance(parents=parents) if parents else None,
    )


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def split(*arguments: str, code: int = 0) -> Any:
    result = CliRunner().invoke(app, ["data", "split", "records.jsonl", "-o", "out/splits", *arguments])
    assert result.exit_code == code, result.output
    return result


def places() -> dict[str, str]:
    """Id -> split, as the files have it."""
    return {
        record.id: path.stem for path in sorted(Path("out/splits").glob("*.jsonl")) for record in read_records(path)
    }


def test_no_speaker_is_in_two_splits_and_shares_come_near() -> None:
    records = [made(i, f"s{i % 20}") for i in range(200)]
    write_records("records.jsonl", records)
    split()
    found = places()
    assert len(found) == 200
    assert len({(record.speaker.id, found[record.id]) for record in records}) == 20
    sizes = [list(found.values()).count(name) for name in ("train", "dev", "test")]
    assert sizes == [160, 20, 20]
    write_records("records.jsonl", records[::-1])
    CliRunner().invoke(app, ["data", "split", "records.jsonl", "-o", "again"], catch_exceptions=False)
    for name in ("train", "dev", "test"):
        same = {record.id for record in read_records(f"again/{name}.jsonl")}
        assert same == {record_id for record_id, place in found.items() if place == name}


def test_records_know_their_split_and_find_their_media() -> None:
    write_records("records.jsonl", [made(i, f"s{i}") for i in range(4)])
    split("--shares", "train=0.5,dev=0.5")
    row = json.loads(Path("out/splits/dev.jsonl").read_text().splitlines()[0])
    assert row["split"] == "dev" and row["media"]["video"]["path"].startswith("../../clips/")


def test_dialogues_and_parents_stay_together() -> None:
    dialogue = [made(i, f"s{i}", context=tuple(range(i))) for i in range(5)]
    relatives = [made(i, f"s{i}", parents=("mer2023:sample_1",)) for i in (5, 6)]
    child = made(7, "s7", parents=("x:5",))  # by data set and native key
    others = [made(i, f"s{i}") for i in range(8, 30)]
    write_records("records.jsonl", [*dialogue, *relatives, child, *others])
    split("--shares", "train=0.5,dev=0.5", "--by", "dialogue,parent")
    found = places()
    assert len({found[record.id] for record in dialogue}) == 1
    assert len({found[record.id] for record in (*relatives, child)}) == 1


def test_speakers_of_other_data_sets_are_other_people() -> None:
    records = [made(0, "Ann"), made(1, "Ann").model_copy(update={"dataset": "y"})]
    write_records("records.jsonl", records)
    split("--shares", "train=0.5,dev=0.5")
    assert set(places().values()) == {"train", "dev"}


def test_every_split_gets_something() -> None:
    write_records("records.jsonl", [made(i, "big" if i < 90 else f"s{i}") for i in range(92)])
    split()
    assert set(places().values()) == {"train", "dev", "test"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--shares", "train=0.5,dev=0.2"], "add up to 1"),
        (["--shares", "train=all"], "no share"),
        (["--by", "speaker,mood"], "mood"),
    ],
)
def test_wrong_calls(arguments: list[str], message: str) -> None:
    write_records("records.jsonl", [made(i, f"s{i}") for i in range(5)])
    assert message in split(*arguments, code=2).stderr


def test_too_few_groups_unknown_speakers_and_a_taken_folder_are_refused() -> None:
    write_records("records.jsonl", [made(i, "one") for i in range(5)])
    assert "1 groups cannot fill 3 splits" in split(code=2).stderr
    write_records("records.jsonl", [Record(id="a"), made(1, "s"), made(2, "t")])
    assert "do not tell their speaker: a" in split(code=2).stderr
    assert not Path("out/splits").exists(), "nothing is written before all is known to be right"
    Path("out/splits").mkdir(parents=True)
    Path("out/splits/mine.txt").write_text("")
    write_records("records.jsonl", [made(i, f"s{i}") for i in range(5)])
    assert "exists already" in split(code=2).stderr
