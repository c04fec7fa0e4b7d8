"""`emollm data prep|ls|info`: what holds for every data set; the leaf here is a user's own file."""

import json
import re
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from emollm.cli.main import app
from emollm.data.prep import leaf_names, load_leaf, prep
from emollm.errors import ConfigError
from emollm.records import read_records

LEAF = """
from emollm.data.leaf import Root, Spec
from emollm.records import ClassLabel, License, Targets

SPEC = Spec(
    name="mine", title="Mine", license=License(name="CC0"), url="https://example.org", access="", layout="labels.csv", spaces=("mer6",),
    counts={"train": 3}, classes={"train": {"sad": 2, "happy": 1}}, versions={"old": {"train": 2}}, media=("clips",), dev_by="subject",
    faults={"train:broken": "corrupt", "train:gone": "missing"}, options={"kind": "which kind"},
)


def rows(root: Root):
    def record(line):
        label = ClassLabel(space="mer6", name=line["label"])
        who = line.get("who") or None
        return root.record(line["name"], "train", line, video=f"clips/{line['name']}.mp4", subject_id=who, targets=Targets(label=label))

    yield from root.each(root.csv("labels.csv", "name", "label"), record)
"""


class Copy:
    def __init__(self, folder: Path) -> None:
        self.leaf, self.root, self.out = folder / "mine.py", folder / "root", folder / "out" / "r.jsonl"
        self.leaf.write_text(LEAF)
        self.write("a,sad\nb,sad\nc,happy\n")
        (self.root / "clips").mkdir()
        for name in "abc":
            (self.root / "clips" / f"{name}.mp4").write_text("x")

    def write(self, rows: str, columns: str = "name,label") -> None:
        self.root.mkdir(exist_ok=True)
        (self.root / "labels.csv").write_text(f"{columns}\n{rows}")

    def run(self, *more: str) -> Any:
        return CliRunner().invoke(app, ["data", "prep", str(self.leaf), str(self.root), "-o", str(self.out), *more])

    def refused(self, *more: str) -> str:
        result = self.run(*more)
        assert result.exit_code == 2 and "Traceback" not in result.output, result.output
        assert not self.out.exists() and (not self.out.parent.exists() or not list(self.out.parent.iterdir()))
        return str(result.stderr)


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    return Copy(tmp_path)


def test_a_users_own_leaf(copy: Copy) -> None:
    result = copy.run("--dev", "0")
    assert result.exit_code == 0, result.stderr
    assert "3 records of mine" in result.stdout and "train: 3 of 3 (sad 2, happy 1)" in result.stdout
    assert [record.id for record in read_records(copy.out)] == ["mine:train:a", "mine:train:b", "mine:train:c"]


def test_counts_of_another_version_are_recognised(copy: Copy) -> None:
    copy.write("a,sad\nb,sad\n")
    assert "2 records of 'train', 3 expected\n    fix: --set version=old has these counts" in copy.refused()
    assert copy.run("--set", "version=old").exit_code == 0
    assert next(read_records(copy.out)).dataset_version == "old"


def test_counts_by_label_are_compared(copy: Copy) -> None:
    copy.write("a,sad\nb,happy\nc,happy\n")
    assert "1 train records labelled 'sad', 2 expected" in copy.refused()
    assert copy.run("--allow-missing").exit_code == 0


def test_a_label_out_of_the_space_is_never_forgiven(copy: Copy) -> None:
    copy.write("a,sad\nb,joyful\nc,happy\n")
    assert "mine:train:b: the label 'joyful' is not of the space 'mer6'" in copy.refused("--allow-missing")


def test_known_faults_are_excused_and_flagged(copy: Copy) -> None:
    copy.write("a,sad\nbroken,sad\ngone,happy\n")
    (copy.root / "clips" / "broken.mp4").write_text("x")
    assert copy.run("--dev", "0").exit_code == 0
    flags = {record.native_id: record.quality and record.quality.flags for record in read_records(copy.out)}
    assert flags == {"a": None, "broken": ("corrupt_media",), "gone": ("missing_media",)}


def test_an_empty_file_is_corrupt(copy: Copy) -> None:
    (copy.root / "clips" / "b.mp4").write_bytes(b"")
    assert "clips/b.mp4: an empty file" in copy.refused()
    assert "corrupt media: 1" in copy.run("--allow-missing").stdout


def test_many_problems_are_counted_and_the_first_are_told(copy: Copy) -> None:
    copy.write("".join(f"n{number},sad\n" for number in range(60)))
    message = copy.refused()
    assert "60 missing media" in message and "clips/n49.mp4" in message and "clips/n50.mp4" not in message
    assert "and 10 more (missing media)" in message and "--allow-missing takes the copy as it is" in message


def test_loops_of_links_are_refused(copy: Copy) -> None:
    (copy.root / "clips" / "up").symlink_to(copy.root / "clips", target_is_directory=True)
    assert "a loop of links" in copy.refused("--allow-missing")
    (copy.root / "clips" / "up").unlink()
    (copy.root / "clips" / "a.mp4").unlink()
    (copy.root / "clips" / "a.mp4").symlink_to("a.mp4")
    assert "labels.csv:2: clips/a.mp4 cannot be read" in copy.refused("--allow-missing")


def test_a_person_is_in_train_or_in_dev(copy: Copy) -> None:
    people = 40
    copy.write("".join(f"n{n},sad,p{n % people}\n" for n in range(4 * people)), "name,label,who")
    assert copy.run("--allow-missing", "--dev", "0.5").exit_code == 0
    split_of: dict[str, set[str]] = {}
    for record in read_records(copy.out):
        split_of.setdefault(str(record.subject_id), set()).add(str(record.split))
    assert all(len(splits) == 1 for splits in split_of.values())
    assert 10 <= sum(splits == {"dev"} for splits in split_of.values()) <= 30


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--set", "knd=x"), "Mine has no such fact: knd"),
        (("--set", "kind"), "not key=value"),
        (("--set", "kind=a", "--set", "kind=b"), "said twice"),
        (("--dev", "1"), "a share of 1"),
        (("--set", "version=new"), "counts of version 'new' are not known"),
    ],
)
def test_a_wrong_call(copy: Copy, more: tuple[str, ...], message: str) -> None:
    assert message in copy.refused(*more)


def test_a_wrong_name_or_leaf(copy: Copy) -> None:
    with pytest.raises(ConfigError, match="no data set") as caught:
        prep("mer2042", copy.root, copy.out)
    assert "did you mean `mer202" in str(caught.value)
    copy.leaf.write_text("SPEC = 1")
    assert "a leaf has SPEC" in copy.refused()


def test_an_old_file_survives_a_refusal(copy: Copy) -> None:
    copy.out.parent.mkdir()
    copy.out.write_text("old")
    copy.write("a,wrong\n")
    assert copy.run().exit_code == 2 and copy.out.read_text() == "old"


def test_probing_finds_corrupt_clips_and_lengths(copy: Copy, make_clip: Callable[..., Path]) -> None:
    for name, sound in (("a", True), ("b", False)):
        make_clip(f"root/clips/{name}.mp4", sound=sound)
    message = copy.refused("--probe")
    assert "clips/c.mp4" in message and "1 corrupt media" in message
    report = copy.out.parent / "report.json"
    assert copy.run("--probe", "--allow-missing", "--report", str(report)).exit_code == 0
    records: list[Any] = list(read_records(copy.out))
    a, b, c = records
    assert (a.media.video.has_audio, b.media.video.has_audio, c.media.video) == (True, False, None)
    assert c.quality.flags == ("corrupt_media",)
    found = json.loads(report.read_text())
    assert found["timed"] == 2 and found["hours"] * 3600 == pytest.approx(1.6, abs=0.3)


def test_ls_names_every_leaf() -> None:
    listed = [line.split()[0] for line in CliRunner().invoke(app, ["data", "ls"]).output.splitlines()]
    assert listed == leaf_names() and "mer2024" in listed


def test_info_says_what_the_spec_says() -> None:
    said = CliRunner().invoke(app, ["data", "info", "mer2024"]).output
    for part in (
        "## MER2024 (`mer2024`)",
        "train 5,030",
        "redistributable: no",
        "label-disdim.csv",
        "shares clips with: mer2023",
    ):
        assert part in said
    assert CliRunner().invoke(app, ["data", "info"]).exit_code == 2


@pytest.mark.parametrize("name", leaf_names())
def test_every_spec_is_whole(name: str) -> None:
    spec = load_leaf(name).spec
    assert spec.name == name and spec.title and spec.license.name and spec.access and spec.layout.strip()
    others = set(leaf_names()) - {name}
    typos = {other: get_close_matches(other, others, 1, 0.85) for other in set(spec.overlaps) - others}
    assert not any(typos.values()) and name not in spec.overlaps, typos
    assert set(spec.classes) <= set(spec.counts)
    for split, classes in spec.classes.items():
        assert set(classes) <= {label for space in spec.spaces for label in spec.labels(space)}
        assert sum(classes.values()) == spec.counts[split], f"{split}: the labels do not add up"


@pytest.mark.parametrize("name", leaf_names())
def test_another_folder_is_refused_with_the_layout(name: str, tmp_path: Path) -> None:
    (tmp_path / "else").mkdir()
    (tmp_path / "else" / "notes.txt").write_text("nothing to see")
    with pytest.raises(ConfigError) as caught:
        prep(name, tmp_path / "else", tmp_path / "r.jsonl", allow_missing=True)
    assert load_leaf(name).spec.layout.strip().splitlines()[0] in str(caught.value) or "--set" in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["else"], "nothing is written"


def test_the_leaf_of_the_readme_works(copy: Copy) -> None:
    readme = (Path(__file__).parents[3] / "data_prep" / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", readme, flags=re.DOTALL)
    copy.leaf.write_text(code.replace("3373", "3"))
    copy.write("a,sad\nb,sad\nc,happy\n", "name,emotion")
    (copy.root / "clips").rename(copy.root / "video")
    assert copy.run().exit_code == 0
    assert [record.targets.label.name for record in read_records(copy.out) if record.targets.label] == [
        "sad",
        "sad",
        "happy",
    ]
