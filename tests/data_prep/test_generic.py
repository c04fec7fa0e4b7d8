"""The generic reader: a mapping file says what the columns of a table mean; without one a folder of clips is taken as it is."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Make = Callable[..., Any]
MAPPING = """
name: mine
license: CC BY 4.0
file: labels.csv
id: "{clip}"
split: "{fold}"
video: "clips/{clip}.mp4"
text: "{sentence}"
lang: fi
subject: "{who}"
label: "{emotion}"
labels: {0: iloinen, 1: surullinen}
votes: {iloinen: "{n0}", surullinen: "{n1}"}
valence: "{v}"
scale: [1, 5]
start_s: "{from}"
end_s: "{to}"
clock: source
"""
COLUMNS = ("clip", "fold", "sentence", "who", "emotion", "n0", "n1", "v", "from", "to")
ROWS = [
    ("a", "train", "Hyvää päivää", "s1", 0, 3, 1, 4.5, "0:01.5", "0:02.5"),
    ("b", "test", "None", "s2", 1, 0, 0, "", "3", "4"),
]


@pytest.fixture
def copy(make_copy: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "map.yaml").write_text(MAPPING, encoding="utf-8")
    copy = make_copy("generic")
    copy.csv("labels.csv", COLUMNS, ROWS, "utf-8-sig")
    copy.media("clips/a.mp4", "clips/b.mp4")
    return copy


def test_a_mapped_table(copy: Any) -> None:
    made = copy.prep("--set", "mapping=map.yaml")
    assert made.code == 0, made.err
    a, b = made.records["mine:train:a"], made.records["mine:test:b"]
    assert (a.dataset, a.license.name, a.subject_id, a.text[0].lang) == ("mine", "CC BY 4.0", "s1", "fi")
    assert a.targets.label.name == "iloinen" and a.targets.vad.valence == 4.5
    assert a.targets.distribution[0].probs == {"iloinen": 0.75, "surullinen": 0.25} and a.targets.distribution[0].n == 4
    assert (a.time.start_s, a.time.end_s, a.time.clock) == (1.5, 2.5, "source")
    assert b.text[0].text == "None" and b.targets.vad is None and b.targets.distribution == ()
    assert a.provenance.reader == "data_prep.generic/1" and a.provenance.row == 2
    assert made.report["hours"] == pytest.approx(2 / 3600) and made.report["languages"] == {"fi": 2}


@pytest.mark.parametrize("suffix", ["jsonl", "json", "tsv"])
def test_other_kinds_of_tables_say_the_same(copy: Any, tmp_path: Path, suffix: str) -> None:
    expected = {key: record.targets for key, record in copy.prep("--set", "mapping=map.yaml").records.items()}
    objects = [dict(zip(COLUMNS, row, strict=True)) for row in ROWS]
    if suffix == "tsv":
        copy.csv("labels.tsv", COLUMNS, ROWS, delimiter="\t")
    else:
        (copy.jsonl if suffix == "jsonl" else copy.json)(f"labels.{suffix}", objects)
    (tmp_path / "map.yaml").write_text(MAPPING.replace("labels.csv", f"labels.{suffix}"), encoding="utf-8")
    assert {key: record.targets for key, record in copy.prep("--set", "mapping=map.yaml").records.items()} == expected


def test_a_folder_of_clips(make_copy: Make) -> None:
    copy = make_copy("generic")
    copy.media("ilo/a.mp4", "suru/b.wav", "c.mp4", "notes.txt", ".hidden/d.mp4")
    records = copy.prep().records
    assert set(records) == {"generic:all:c", "generic:all:ilo/a", "generic:all:suru/b"}
    sound = records["generic:all:suru/b"].media
    assert sound.video is None and sound.audio.path.endswith("suru/b.wav")


def test_folders_can_be_labels(copy: Any, tmp_path: Path) -> None:
    for name in ("clips/a.mp4", "clips/b.mp4", "labels.csv"):
        copy.remove(name)
    copy.media("ilo/a.mp4", "suru/b.mp4")
    (tmp_path / "map.yaml").write_text('name: mine\nvideo: "{path}"\nlabel: "{folder}"\nlabels: [ilo, suru]\n')
    made = copy.prep("--set", "mapping=map.yaml")
    assert made.report["labels"] == {"all": {"ilo": 1, "suru": 1}}


def test_dialogues_give_the_turns_before(copy: Any, tmp_path: Path) -> None:
    copy.csv(
        "d.csv", ("d", "u", "say", "who"), [("1", "1", "Hi", "A"), ("2", "1", "No", "C"), ("1", "2", "Well?", "B")]
    )
    (tmp_path / "map.yaml").write_text('file: d.csv\nid: "{d}_{u}"\ntext: "{say}"\nspeaker: "{who}"\ndialogue: "{d}"\n')
    records = copy.prep("--set", "mapping=map.yaml").records
    assert [(turn.speaker, turn.text) for turn in records["generic:all:1_2"].context] == [("A", "Hi")]
    assert records["generic:all:2_1"].context == ()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('label: "{emotion}"', 'lable: "{emotion}"'), "did you mean `label`?"),
        (("scale: [1, 5]", ""), "lacks scale"),
        (("{emotion}", "{emo}"), "labels.csv:1: no column emo"),
        (("{0: iloinen, 1: surullinen}", "[iloinen]"), "labels.csv:2: label is '0'"),
        (("[1, 5]", "[1, 4]"), "labels.csv:2: valence is '4.5'"),
        (('"clips/{clip}.mp4"', '"../{clip}.mp4"'), "labels.csv:2: the path '../a.mp4' leaves the root"),
        (('"clips/{clip}.mp4"', '"/etc/{clip}"'), "labels.csv:3: the path '/etc/b' leaves the root"),
        (('"{to}"', '"{to}9999999"'), "labels.csv:3: a time of 5e+07 s"),
        (
            ('id: "{clip}"', 'id: "one"\nconsent: study\nconsent_expires: "2001-01-01"'),
            "the consent expired on 2001-01-01",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_line(copy: Any, tmp_path: Path, change: tuple[str, str], message: str) -> None:
    (tmp_path / "map.yaml").write_text(MAPPING.replace(*change), encoding="utf-8")
    assert message in copy.refused("--set", "mapping=map.yaml", "--allow-missing")


def test_the_same_key_twice_is_refused(copy: Any) -> None:
    copy.csv("labels.csv", COLUMNS, [ROWS[0], ROWS[0]])
    assert "the id 'mine:train:a' occurs twice" in copy.refused("--set", "mapping=map.yaml", "--allow-missing")


def test_a_records_file_beside_its_clips_has_relative_paths(copy: Any) -> None:
    from emollm.data.prep import prep

    prep("generic", copy.root, copy.root / "records.jsonl", options={"mapping": "map.yaml"})
    first = json.loads((copy.root / "records.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert first["media"]["video"]["path"] == "clips/a.mp4"
