"""MER2025, and MER-Caption+ which it carries."""

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def copy(make_copy: Callable[..., Any]) -> Any:
    """Track 1 has three clips, tracks 2 and 3 two of MER-Caption+ and one of OV-MERD; one test candidate."""
    copy = make_copy("mer2025", {"train-track1": 3, "train-mercaptionplus": 2, "train-ovmerd": 1, "test-candidates": 1})
    names = [
        "sample_00000001",
        "samplenew3_00000002",
        "samplenew3_00000003",
        "samplenew3_00000004",
        "samplenew3_00000005",
    ]
    copy.csv(
        "track1_train_disdim.csv", ("name", "discrete"), list(zip(names, ("sad", "happy", "worried"), strict=False))
    )
    labels = [(names[2], "['worried', \"it's tense\"]"), (names[3], "[]")]
    copy.csv("track2_train_mercaptionplus.csv", ("name", "openset"), labels)
    copy.csv(
        "track3_train_mercaptionplus.csv",
        ("name", "reason"),
        [(name, "She looks down, and sighs.") for name, _ in labels],
    )
    copy.csv("track2_train_ovmerd.csv", ("name", "openset"), [(names[0], "['sad']")])
    copy.csv("track3_train_ovmerd.csv", ("name", "reason"), [(names[0], "His voice breaks.")])
    copy.csv("track_all_candidates.csv", ("name",), [names[4:]])
    copy.csv(
        "subtitle_chieng.csv",
        ("name", "chinese", "english"),
        [(name, "走吧", "Let's go") for name in names],
        "utf-8-sig",
    )
    for name in names:
        copy.media(f"video/{name}.mp4", f"audio/{name}.wav", f"openface_face/{name}/{name}.npy")
    return copy


def test_labels_and_reasons_of_a_clip_become_one_record(copy: Any) -> None:
    made = copy.prep("--dev", "0")
    assert made.code == 0, made.err
    records = made.records
    both = records["mer2025:train-mercaptionplus:samplenew3_00000003"]
    assert [label.text for label in both.targets.labels_ov] == ["worried", "it's tense"]
    assert both.targets.description[0].text == "She looks down, and sighs." and both.quality.label_origin == "model"
    empty = records["mer2025:train-mercaptionplus:samplenew3_00000004"]
    assert empty.targets.labels_ov == () and empty.quality.flags == ("empty_openset",)
    assert records["mer2025:train-ovmerd:sample_00000001"].quality.label_origin == "human"
    hidden = records["mer2025:test-candidates:samplenew3_00000005"]
    assert hidden.targets.labels_ov is None and hidden.media.face.path.endswith(
        "samplenew3_00000005/samplenew3_00000005.npy"
    )


def test_a_clip_goes_to_dev_in_all_tracks_or_in_none(copy: Any) -> None:
    made = copy.prep("--dev", "0.5")
    where: dict[str, set[str]] = {}
    for record in made.records.values():
        if not record.split.startswith("test"):
            where.setdefault(record.native_id, set()).add(record.split.split("-")[0])
    assert all(len(splits) == 1 for splits in where.values())
    assert set.union(*where.values()) == {"train", "dev"} and len(where["sample_00000001"]) == 1
    assert made.report["dev"] == sum(record.split.startswith("dev") for record in made.records.values())
    assert copy.prep("--dev", "0.5").path.read_bytes() == made.path.read_bytes()


def test_a_reason_without_labels_is_told(copy: Any) -> None:
    copy.csv("track3_train_ovmerd.csv", ("name", "reason"), [("sample_00000001", "x"), ("sample_00000009", "y")])
    assert "track3_train_ovmerd.csv: sample_00000009 stands only here" in copy.refused()
    assert copy.prep("--allow-missing").report["problems"] == {"rows without partner": 1}


def test_tracks_that_a_copy_lacks_are_left_out(copy: Any) -> None:
    for name in ("track1_train_disdim.csv", "track_all_candidates.csv"):
        copy.remove(name)
    made = copy.prep()
    assert made.code == 0 and "train-track1: not in this copy" in made.out


def test_mer_caption_plus_as_mer2025_ships_it(make_copy: Callable[..., Any]) -> None:
    copy = make_copy("mer_caption", {"train": 1})
    copy.csv("track2_train_mercaptionplus.csv", ("name", "openset"), [("samplenew3_00000003", "['calm']")])
    copy.csv("track3_train_mercaptionplus.csv", ("name", "reason"), [("samplenew3_00000003", "She smiles.")])
    copy.media("video/samplenew3_00000003.mp4")
    (record,) = copy.prep().records.values()
    assert (record.targets.labels_ov[0].text, record.targets.description[0].author) == ("calm", "model")
    assert record.provenance.parents == ("mer2024:samplenew3_00000003",)


def test_coarse_mer_caption_asks_for_its_file(make_copy: Callable[..., Any]) -> None:
    copy = make_copy("mer_caption", versions={"coarse": {}})
    copy.csv("all.csv", ("name", "reason"), [("x1", "He shouts.")])
    copy.media("video/x1.mp4")
    assert "needs a fact that its files do not tell: captions" in copy.refused("--set", "version=coarse")
    (record,) = copy.prep("--set", "version=coarse", "--set", "captions=all.csv").records.values()
    assert record.targets.description[0].text == "He shouts." and record.dataset_version == "coarse"
    copy.csv("all.csv", ("name", "caption"), [("x1", "He shouts.")])
    assert "neither a column openset nor reason" in copy.refused("--set", "version=coarse", "--set", "captions=all.csv")
