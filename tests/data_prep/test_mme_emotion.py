"""MME-Emotion as its users have it on disk."""

from collections.abc import Callable
from typing import Any

import pytest

TASKS = ("ER-Lab", "ER-Wild", "Noise-ER", "FG-ER", "ML-ER", "SA", "FG-SA", "IR")
CLIPS = {
    "ER-Lab": ("IEMOCAP/video/Ses05M_script01_1_F034.mp4", "Anger", ["Anger", "Sadness"]),
    "ER-Wild": ("MAFW/video/03419.mp4", "fear", ["fear", "anger"]),
    "Noise-ER": ("MER2024/video/samplenew3_00052582.mp4", "sad", ["sad", "happy"]),
    "FG-ER": ("BOLD/video/a.mp4", "Peace", ["Fear", "Anger"]),
    "ML-ER": ("MAFW/video/03419.mp4", "anger,disgust", ["disgust", "anger", "fear"]),
    "SA": ("MELD/video/a.mp4", "negative", ["positive", "negative"]),
    "FG-SA": ("CMU-MOSI/video/a.mp4", "weak positive", ["weak positive"]),
    "IR": ("MC-EIU/video/dia_1_utt_2_ch.mkv", "wishing", ["wishing", "neutral"]),
}


@pytest.fixture
def copy(make_copy: Callable[..., Any]) -> Any:
    """A question of each task, SA's twice; two tasks ask about the same clip; a description of one sound."""
    copy = make_copy("mme_emotion")
    for task, (clip, label, choices) in CLIPS.items():
        name = task.replace("-", "_")
        asked = [{"video_id": clip, "label": label, "label_set": choices}]
        copy.json(f"{task}/question/{name}.json", asked * 2 if task == "SA" else asked)
        copy.media(f"all/{clip}")
    heard = {"video_id": CLIPS["IR"][0], "ground_truth": "wishing", "audio_clue": "Rising at «好吗»."}
    copy.text("IR/audio_clue/IR_qwen2_audio_clues.json", "\ufeff[" + str(heard).replace("'", '"') + "]")
    return copy


def test_a_complete_copy(copy: Any) -> None:
    made = copy.prep("--set", "clips=all")
    assert made.code == 0, made.err
    record = made.records["mme_emotion:test:ER-Lab_IEMOCAP/video/Ses05M_script01_1_F034"]
    assert [label.text for label in record.targets.labels_ov] == ["Anger"]
    (asked,) = record.targets.qa
    assert (asked.question, asked.answer, asked.choices, asked.task) == ("", "Anger", ("Anger", "Sadness"), "ER-Lab")
    assert record.media.video.path.endswith("all/IEMOCAP/video/Ses05M_script01_1_F034.mp4")
    assert len(made.records) == 9 and "mme_emotion:test:SA_MELD/video/a#2" in made.records


def test_several_labels_and_descriptions_of_the_sound(copy: Any) -> None:
    records = copy.prep("--set", "clips=all").records
    several = records["mme_emotion:test:ML-ER_MAFW/video/03419"].targets.labels_ov
    assert [label.text for label in several] == ["anger", "disgust"]
    (heard,) = records["mme_emotion:test:IR_MC-EIU/video/dia_1_utt_2_ch"].targets.description
    assert (heard.text, heard.author) == ("Rising at «好吗».", "model:qwen2-audio")


def test_clips_name_their_parents_where_they_are_known(copy: Any) -> None:
    records = copy.prep("--set", "clips=all").records
    parents = {record.subset: record.provenance.parents for record in records.values()}
    assert parents["ER-Lab"] == ("iemocap:Ses05M_script01_1_F034",)
    assert parents["ML-ER"] == parents["ER-Wild"] == ("mafw:03419",)
    assert parents["Noise-ER"] == ("mer2024:samplenew3_00052582",) and parents["SA"] == ()


def test_a_label_that_is_no_choice_is_flagged(copy: Any) -> None:
    flags = {
        record.subset: record.quality and record.quality.flags
        for record in copy.prep("--set", "clips=all").records.values()
    }
    assert flags["FG-ER"] == ("label_not_among_choices",) and not flags["ML-ER"]


def test_missing_files_are_named(copy: Any) -> None:
    copy.remove("SA/question/SA.json")
    message = copy.refused()
    assert "SA/question/SA.json" in message and "IEMOCAP/video/Ses05M_script01_1_F034.mp4" in message


def test_a_row_without_label_is_refused(copy: Any) -> None:
    copy.json("SA/question/SA.json", [{"video_id": "a.mp4", "label": "", "label_set": []}, {"video_id": "b.mp4"}])
    message = copy.refused("--allow-missing")
    assert "SA.json:1: no label" in message and "SA.json:2: no field label, label_set" in message
