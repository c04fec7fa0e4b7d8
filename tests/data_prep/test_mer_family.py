"""MER2026, OV-MERD and OV-MERD+, EMER, MERR, MMEVerse."""

from collections.abc import Callable
from typing import Any

import pytest

NAME, NEW = "sample_00000001", "samplenew3_00000002"
Make = Callable[..., Any]


@pytest.fixture
def mer2026(make_copy: Make) -> Any:
    copy = make_copy("mer2026", {"train-track1": 1, "train-human": 1, "train-emoprefer": 3, "test-preference": 1})
    copy.csv("track1_train.csv", ("name", "discrete"), [(NAME, "surprise")])
    copy.csv("track2_train_human.csv", ("name", "openset"), [(NAME, "['amazed', 'glad']")])
    pairs = [(NAME, "She smiles.", "She frowns.", "a1"), (NAME, "He cries.", "He sobs.", "same"), (NEW, "A", "B", "a2")]
    copy.csv("track3_emoprefer.csv", ("name", "a1", "a2", "preference"), pairs)
    copy.csv("track3_candidate.csv", ("name", "a1", "a2"), [(NEW, "left", "right")])
    copy.media(f"video/{NAME}.mp4", f"video/{NEW}.mp4")
    return copy


def test_mer2026_has_three_tracks(mer2026: Any) -> None:
    made = mer2026.prep("--dev", "0")
    assert made.code == 0, made.err
    records = made.records
    assert records[f"mer2026:train-track1:{NAME}"].targets.label.name == "surprise"
    assert [label.text for label in records[f"mer2026:train-human:{NAME}"].targets.labels_ov] == ["amazed", "glad"]
    first, second = (records[f"mer2026:train-emoprefer:{NAME}/{n}"] for n in (1, 2))
    assert (first.targets.preference.chosen, second.targets.preference.chosen) == ("a", "tie")
    assert first.quality.label_origin == "majority" and first.targets.preference.n_raters == 3
    hidden = records[f"mer2026:test-preference:{NEW}/1"].targets
    assert hidden.preference is None and [told.text for told in hidden.description] == ["left", "right"]


def test_mer2026_refuses_another_choice(mer2026: Any) -> None:
    mer2026.csv("track3_emoprefer.csv", ("name", "a1", "a2", "preference"), [(NAME, "x", "y", "a3")])
    assert "track3_emoprefer.csv:2: preference is 'a3'" in mer2026.refused("--allow-missing")


@pytest.mark.parametrize(("name", "file"), [("ov_merd", "check-openset.csv"), ("ov_merd_plus", "ovlabel.csv")])
def test_ov_merd(make_copy: Make, name: str, file: str) -> None:
    copy = make_copy(name, {"all": 2})
    copy.text(file, f"name,openset\n{NAME},\"['worried', 'tense']\"\n{NEW},\"['calm']\"")  # no newline at the end
    copy.csv("subtitle_eng.csv", ("name", "sentence"), [(NAME, "None")])
    copy.media(f"video/{NAME}.mp4", f"video/{NEW}.mp4")
    records = copy.prep().records
    assert [label.text for label in records[f"{name}:all:{NAME}"].targets.labels_ov] == ["worried", "tense"]
    assert records[f"{name}:all:{NEW}"].provenance.parents == (f"mer2024:{NEW}",)
    assert [line.text for line in records[f"{name}:all:{NAME}"].text] == (["None"] if name == "ov_merd_plus" else [])


def test_emer_has_two_versions(make_copy: Make) -> None:
    copy = make_copy("emer", {"all": 1}, versions={"v1": {"all": 1}})
    copy.csv(
        "dataset-v2/final-EMER-reason.csv", ("name", "chinese", "english"), [(NAME, "他在笑。声音很轻", "He smiles.")]
    )
    columns = ("names", "emotions", "subtitles", "reasons")
    copy.csv("dataset-v1/gt-eng.csv", columns, [(NAME, "happy, relieved", "Fine.", "He smiles.")])
    copy.csv("dataset-v1/gt-chi.csv", columns, [(NAME, "开心", "好的。", "他在笑。")])
    copy.media(f"video/{NAME}.mp4")
    (second,) = copy.prep().records.values()
    assert second.dataset_version == "v2" and [told.lang for told in second.targets.description] == ["zh", "en"]
    (first,) = copy.prep("--set", "version=v1").records.values()
    assert first.dataset_version == "v1" and [label.text for label in first.targets.labels_ov] == ["happy", "relieved"]
    assert [(line.lang, line.text) for line in first.text] == [("zh", "好的。"), ("en", "Fine.")]
    assert "counts of version 'v3' are not known" in copy.refused("--set", "version=v3")


@pytest.fixture
def merr(make_copy: Make) -> Any:
    copy = make_copy("merr", {"coarse": 1, "fine": 1})
    about = {
        "pseu_emotion": "doubt",
        "caption": "A man.",
        "AU_list": ["AU04"],
        "visual_prior_list": ["frowns"],
        "peak_AU_list": ["AU04"],
    }
    fine = about | {"audio_prior_list": "a flat voice", "smp_reason_caption": "He frowns, as he doubts it."}
    for kind, value in (("coarse", about), ("fine", fine)):
        copy.text(f"MERR_{kind}_grained.txt", f"{NAME} 120 doubt\n")
        copy.json(f"MERR_{kind}_grained.json", {NAME: value})
    copy.csv("transcription_en_all.csv", ("name", "sentence"), [(NAME, "Really?")])
    copy.media(f"video/{NAME}.mp4")
    return copy


def test_merr_cues_and_captions(merr: Any) -> None:
    made = merr.prep()
    assert made.code == 0, made.err
    fine = made.records[f"merr:fine:{NAME}"]
    assert fine.targets.label.name == "doubt" and fine.quality.label_origin == "pseudo"
    assert [(cue.modality, cue.text, cue.au) for cue in fine.targets.cues] == [
        ("video", "frowns", None),
        ("audio", "a flat voice", None),
        ("video", "AU04", "AU04"),
    ]
    assert [(told.kind, told.text) for told in fine.targets.description] == [
        ("description", "A man."),
        ("reasoning", "He frowns, as he doubts it."),
    ]


def test_merr_files_of_another_shape_are_refused(merr: Any) -> None:
    merr.json("MERR_coarse_grained.json", [])
    merr.json("MERR_fine_grained.json", {NAME: ["doubt"]})
    message = merr.refused("--allow-missing")
    assert "MERR_coarse_grained.json: holds a list" in message and "a row of another shape" in message


def test_merr_files_that_disagree_are_refused(merr: Any) -> None:
    merr.text("MERR_fine_grained.txt", f"{NAME} 120 sad\n")
    assert "MERR_fine_grained.txt:1: sad here, doubt in MERR_fine_grained.json" in merr.refused("--allow-missing")


@pytest.fixture
def mmeverse(make_copy: Make) -> Any:
    copy = make_copy("mmeverse")
    columns = ("video_id", "mode", "emotion", "Emotion_label", "text", "response_AudioReasoner", "gpt-4o-mini_Emotion")
    copy.csv(
        "MC-EIU/MC-EIU_merged.csv", columns, [("0012", "train", "happy", "3", "Hi!", "A bright voice.", "She smiles.")]
    )
    copy.csv("MC-EIU/MC-EIU_label.csv", ("video_id", "emotion"), [("0013", "sad")])
    copy.media("MC-EIU/video/0012.mp4", "MC-EIU/video/0013.mp4")
    return copy


def test_mmeverse_asks_which_column_is_the_label(mmeverse: Any) -> None:
    assert "MMEVerse needs a fact that its files do not tell: label" in mmeverse.refused()
    records = mmeverse.prep("--set", "label=emotion", "--set", "parents=mc_eiu").records
    record = records["mmeverse:train:MC-EIU/0012"]
    assert record.targets.labels_ov[0].text == "happy" and record.provenance.parents == ("mc_eiu:0012",)
    assert [(told.kind, told.author) for told in record.targets.description] == [
        ("description", "model:AudioReasoner"),
        ("reasoning", "model:gpt-4o-mini"),
    ]
    assert records["mmeverse:test:MC-EIU/0013"].subset == "MC-EIU"


def test_mmeverse_asks_which_set(mmeverse: Any) -> None:
    mmeverse.csv("E3/E3_label.csv", ("video_id", "emotion"), [("a", "shy")])
    assert "E3|MC-EIU" in mmeverse.refused()
    assert mmeverse.prep("--set", "set=E3", "--allow-missing").report["splits"] == {"test": 1}
