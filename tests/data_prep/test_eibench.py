"""EIBench as its users have it on disk."""

from collections.abc import Callable
from typing import Any

import pytest

from emollm.data.prep import load_leaf

CAER, EMOSET = "CAER-S/train/Angry/0006.png", "EmoSet-118k/image/sadness/sadness_01800.jpg"


@pytest.fixture
def copy(make_copy: Callable[..., Any]) -> Any:
    """Two basic questions, and two complex ones about one picture."""
    copy = make_copy("eibench", {"test-basic": 2, "test-complex": 2})
    copy.jsonl("EIBench/EI_Basic/user.jsonl", [{CAER: "Why is she angry?"}, {EMOSET: "Why is he sad?"}])
    truth = {
        CAER: "1. A naïve remark.\n 2. Noise",
        EMOSET: "1. Rain.\n2. 2.alone.\n3. A broken vélo",
        "other.png": "1. x",
    }
    copy.json("EIBench/EI_Basic/basic_ground_truth.json", truth)
    copy.jsonl(
        "EIBench/EI_Complex/ec_complex.jsonl",
        [{EMOSET: {"Why sad?": "1. Rain."}}, {EMOSET: {"Why glad?": "1. A song."}}],
    )
    copy.media(f"dataset/{CAER}", EMOSET)
    return copy


def test_a_complete_copy(copy: Any) -> None:
    made = copy.prep()
    assert made.code == 0, made.err
    assert made.report["splits"] == {"test-basic": 2, "test-complex": 2}
    record = made.records["eibench:test-basic:0001_0006"]
    assert [cause.text for cause in record.targets.cause] == ["A naïve remark.", "Noise"]
    assert (record.targets.qa[0].question, record.targets.labels_ov[0].text) == ("Why is she angry?", "angry")
    assert record.media.images[0].path.endswith(f"dataset/{CAER}")
    sad = made.records["eibench:test-basic:0002_sadness_01800"]
    assert len(sad.targets.cause) == 3 and sad.media.images[0].path == str(copy.root / EMOSET)


def test_one_picture_has_several_complex_questions(copy: Any) -> None:
    records = copy.prep().records
    first, second = (records[f"eibench:test-complex:000{i}_sadness_01800"] for i in (1, 2))
    assert (first.targets.qa[0].question, second.targets.qa[0].question) == ("Why sad?", "Why glad?")
    assert first.targets.labels_ov is None, "the class folder is not what a complex question asks about"


def test_the_root_may_be_the_inner_folder(copy: Any) -> None:
    made = copy.prep("--allow-missing", root=copy.root / "EIBench")
    assert made.code == 0 and len(made.records) == 4


def test_missing_pictures_are_named(copy: Any) -> None:
    copy.remove(f"dataset/{CAER}")
    assert f"dataset/{CAER} or" in copy.refused()
    assert copy.prep("--allow-missing").records["eibench:test-basic:0001_0006"].media.images == ()


def test_bad_lines_are_told_at_once(copy: Any) -> None:
    copy.jsonl("EIBench/EI_Basic/user.jsonl", [{"none.png": "Why?"}, {CAER: "Why?"}, 3])
    copy.jsonl("EIBench/EI_Complex/ec_complex.jsonl", [{EMOSET: {"a": "1. x", "b": "1. y"}}, {EMOSET: {"a": " "}}])
    message = copy.refused("--allow-missing")
    for part in (
        "user.jsonl:1: no ground truth",
        "user.jsonl:3: no JSON object",
        "ec_complex.jsonl:1: no single",
        "ec_complex.jsonl:2: no triggers",
    ):
        assert part in message


def test_what_is_published_about_it() -> None:
    assert load_leaf("eibench").spec.counts == {"test-basic": 1615, "test-complex": 50}
