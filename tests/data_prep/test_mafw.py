"""MAFW: single and several labels, raters' shares, descriptions in two languages."""

from collections.abc import Callable
from typing import Any

import pytest

from emollm.data.prep import load_leaf
from tests.workbook import write_xlsx

CLIPS = {"00025": "anger", "00026": "contempt", "00151": "neutral", "00152": "disappointment", "03747": "fear"}
NAMES = list(load_leaf("mafw").spec.labels("mafw11"))


@pytest.fixture
def copy(make_copy: Callable[..., Any]) -> Any:
    copy = make_copy("mafw", {"all": 5})
    for fold, clip in enumerate(CLIPS, 1):
        folder = f"split/single/no_caption/set_{fold}"
        copy.text(f"{folder}/test.txt", f"{clip}.mp4 {CLIPS[clip]}\n", "utf-8-sig")
        copy.text(f"{folder}/train.txt", "".join(f"{one}.mp4 {CLIPS[one]}\n" for one in CLIPS if one != clip))
    labels = copy.root / "Labels"
    codes = [[f"{clip}.mp4", NAMES.index(name) + 1] for clip, name in CLIPS.items()]
    write_xlsx(labels / "single-set.xlsx", [["clip", "single_label"], *codes, ["20045.mp4", 0]])
    write_xlsx(labels / "multi-set.xlsx", [["clip", "multi_label"], ["20045.mp4", "1,2,9"], ["00025.mp4", "1,2"]])
    weights = [0.5, 0.25, 0, 0, 0, 0, 0, 0, 0.25, 0, 0]
    rows = [["20045.mp4", -1, *weights], ["00026.mp4", 0.93, *([0] * 11)]]
    write_xlsx(labels / "annotation.xlsx", [["clip", "invalid", *NAMES], *rows])
    write_xlsx(labels / "descriptive_text.xlsx", [["00025.mp4", "一个男人激动地说话。", "A man speaks & frowns."]])
    copy.media(*(f"clips/{clip}.mp4" for clip in (*CLIPS, "20045")))
    return copy


def test_a_complete_copy(copy: Any) -> None:
    made = copy.prep()
    assert made.code == 0, made.err
    records = made.records
    angry = records["mafw:all:00025"]
    assert (angry.targets.label.name, angry.fold) == ("anger", 1)
    assert angry.targets.labels_multi.names == ("anger", "disgust")
    assert [(one.lang, one.text) for one in angry.targets.description] == [
        ("zh", "一个男人激动地说话。"),
        ("en", "A man speaks & frowns."),
    ]
    assert angry.media.video.path.endswith("clips/00025.mp4") and angry.provenance.parents == ("mafw:00025",)
    several = records["mafw:rest:20045"]
    assert several.targets.label is None and several.targets.labels_multi.names == ("anger", "disgust", "anxiety")
    shares = several.targets.distribution[0]
    assert shares.probs == {"anger": 0.5, "disgust": 0.25, "anxiety": 0.25} and (shares.kind, shares.n) == (
        "weights",
        11,
    )
    assert records["mafw:all:00026"].targets.distribution == ()


def test_the_sheets_are_optional(copy: Any) -> None:
    for path in (copy.root / "Labels").iterdir():
        path.unlink()
    made = copy.prep()
    assert made.report["splits"] == {"all": 5} and made.report["extra_examples"] == ["clips/20045.mp4"]


def test_list_and_sheet_must_agree(copy: Any) -> None:
    write_xlsx(copy.root / "Labels/single-set.xlsx", [["clip", "single_label"], ["00025.mp4", 3], ["00026.mp4", 12]])
    message = copy.refused("--allow-missing")
    assert "test.txt:1: the clip is anger, in single-set.xlsx fear" in message
    assert "single-set.xlsx:3: single_label is '12'" in message


def test_a_code_that_is_none_and_another_sheet(copy: Any) -> None:
    write_xlsx(copy.root / "Labels/multi-set.xlsx", [["clip", "multi_label"], ["20045.mp4", "1,15"]])
    write_xlsx(copy.root / "Labels/annotation.xlsx", [["clip", "wut"], ["20045.mp4", 1]])
    message = copy.refused("--allow-missing")
    assert "multi-set.xlsx:2: multi_label has 15" in message and "annotation.xlsx:1: no column anger" in message


def test_missing_and_extra_clips(copy: Any) -> None:
    copy.remove("clips/00151.mp4")
    copy.media("clips/00999.mp4")
    assert "clips/00151.mp4 or 00151.mp4" in copy.refused()
    assert copy.prep("--allow-missing").report["extra_examples"] == ["clips/00999.mp4"]


def test_the_number_of_clips_is_the_published_one() -> None:
    assert load_leaf("mafw").spec.counts == {"all": 1839 + 1837 + 1833 + 1832 + 1831}
