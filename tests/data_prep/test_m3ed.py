"""M3ED as its users have it on disk."""

from collections.abc import Callable
from typing import Any

import pytest

TEMPLATE = ("--set", "audio=wav/{series}/{speaker}_{utterance}.wav")


def turn(
    who: str, words: str, raters: tuple[str, str, str], blend: str, main: str, start: str, end: str
) -> dict[str, Any]:
    marks = {f"EmoAnnotator{i}": rater for i, rater in enumerate(raters, 1)}
    marks |= {"final_mul_emo": blend, "final_main_emo": main}
    return {"StartTime": start, "EndTime": end, "Text": words, "Speaker": who, "EmoAnnotation": marks}


def annotation() -> dict[str, Any]:
    people = {
        "A": {"Name": "甲", "Age": "mid", "Gender": "female", "OtherName": []},
        "B": {"Name": "乙", "Age": "young", "Gender": "male", "OtherName": []},
    }
    dialog = {
        "show_1_10": turn(
            "B",
            "真的吗。",
            ("Surprise", "Surprise,Happy", "Neutral"),
            "Surprise,Happy",
            "Surprise",
            "00:00:04:05",
            "00:00:06:20",
        ),
        "show_1_2": turn(
            "A", "你来了。", ("Neutral", "Neutral", "Neutral"), "Neutral", "Neutral", "00:00:01:00", "00:00:02:04"
        ),
    }
    other = {
        "SpeakerInfo": people,
        "Dialog": {"other_1_1": turn("A", "好", ("Sad", "Sad", "Anger"), "Sad", "Sad", "00:00:02:00", "00:00:01:00")},
    }
    return {"show": {"show_1": {"SpeakerInfo": people, "Dialog": dialog}}, "other": {"other_1": other}}


@pytest.fixture
def copy(make_copy: Callable[..., Any]) -> Any:
    """Two series: a dialogue whose keys are out of order, and one with times that run backwards."""
    copy = make_copy("m3ed")
    copy.json("annotation.json", annotation())
    for part, series in (("train", "show\n"), ("val", ""), ("test", "\ufeffother")):
        copy.text(f"splitInfo/movie_list_{part}.txt", series)
    copy.media(*(f"wav/{name}.wav" for name in ("show/B_show_1_10", "show/A_show_1_2", "other/A_other_1_1")))
    return copy


def test_a_complete_copy(copy: Any) -> None:
    made = copy.prep(*TEMPLATE, "--set", "time_base=25")
    assert made.code == 0, made.err
    assert list(made.records) == ["m3ed:train:show_1_2", "m3ed:train:show_1_10", "m3ed:test:other_1_1"]
    second = made.records["m3ed:train:show_1_10"]
    assert (second.transcript.text, second.transcript.lang) == ("真的吗。", "zh")
    assert (second.speaker.id, second.speaker.gender, second.subject_id) == ("乙", "male", "show:乙")
    assert second.media.audio.path.endswith("wav/show/B_show_1_10.wav")
    (before,) = second.context
    assert (before.id, before.speaker, before.emotion) == ("m3ed:train:show_1_2", "甲", "neutral")


def test_votes_and_blends(copy: Any) -> None:
    targets = copy.prep().records["m3ed:train:show_1_10"].targets
    assert targets.label.name == "surprise" and targets.labels_multi.names == ("surprise", "happy")
    (soft,) = targets.distribution
    assert soft.probs == {"surprise": 0.5, "happy": pytest.approx(1 / 6), "neutral": pytest.approx(1 / 3)}
    assert copy.prep().records["m3ed:test:other_1_1"].quality.n_raters == 3


def test_times_need_a_fact_that_the_files_do_not_tell(copy: Any) -> None:
    assert "the last field counts to 20" in copy.refused("--set", "time_base=20", "--allow-missing")
    assert "time_base is 'frames'" in copy.refused("--set", "time_base=frames")
    assert copy.prep().records["m3ed:train:show_1_10"].time is None
    time = copy.prep("--set", "time_base=25").records["m3ed:train:show_1_10"].time
    assert (time.start_s, time.end_s, time.clock) == (4.2, 6.8, "source")
    hundredths = copy.prep("--set", "time_base=100").records["m3ed:train:show_1_10"].time
    assert (hundredths.start_s, hundredths.end_s) == (4.05, 6.2)


def test_times_that_run_backwards_are_flagged(copy: Any) -> None:
    record = copy.prep("--set", "time_base=25").records["m3ed:test:other_1_1"]
    assert record.time is None and record.quality.flags == ("times_reversed",)


def test_missing_clips_are_named_where_clips_are_asked_for(copy: Any) -> None:
    copy.remove("wav/show/A_show_1_2.wav")
    assert "wav/show/A_show_1_2.wav" in copy.refused(*TEMPLATE)
    assert copy.prep().code == 0, "text only"


def test_every_series_needs_a_split(copy: Any) -> None:
    copy.text("splitInfo/movie_list_test.txt", "another\n")
    assert "the series 'other' is in no split" in copy.refused("--allow-missing")
    copy.remove("splitInfo/movie_list_test.txt")
    assert "splitInfo/movie_list_test.txt" in copy.refused()


def test_bad_marks_are_refused(copy: Any) -> None:
    told = annotation()
    told["show"]["show_1"]["Dialog"]["show_1_2"]["EmoAnnotation"]["EmoAnnotator2"] = "Hapy"
    told["other"]["other_1"] = {"Dialog": {}}
    copy.json("annotation.json", told)
    assert "no field SpeakerInfo" in copy.refused()
    del told["other"]
    copy.json("annotation.json", told)
    assert "emotion is 'hapy'" in copy.refused("--allow-missing")
