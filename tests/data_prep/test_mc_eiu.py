"""MC-EIU as its users have it on disk."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

EMOTIONS = "neutral,happy,sad,anger,fear,surprise,disgust"
INTENTS = "neutral,questioning,agreeing,acknowledging,encouraging,consoling,suggesting,wishing,sympathising"
FACTS = ("--set", "language=zh", "--set", f"emotions={EMOTIONS}", "--set", f"intents={INTENTS}")


def save(copy: Any, part: str, names: list[str], emotions: list[int], intents: list[int]) -> None:
    folder = copy.root / "target/1"
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / f"{part}_int2name.npy", np.array(names))
    np.save(folder / f"{part}_emotion_label.npy", np.eye(7)[emotions])
    np.save(folder / f"{part}_intent_label.npy", np.eye(9)[intents])


@pytest.fixture
def copy(make_copy: Callable[..., Any]) -> Any:
    """Two turns in train, one in each other split; the clip of one."""
    copy = make_copy("mc_eiu")
    save(copy, "trn", ["dia_1_utt_0", "dia_1_utt_1"], [1, 6], [1, 8])
    save(copy, "val", ["dia_2_utt_0"], [0], [0])
    save(copy, "tst", ["dia_3_utt_0"], [5], [7])
    return copy


def test_a_complete_copy(copy: Any) -> None:
    made = copy.prep(*FACTS)
    assert made.code == 0, made.err
    assert made.report["splits"] == {"train": 2, "dev": 1, "test": 1}
    targets = [
        made.records[f"mc_eiu:{key}"].targets for key in ("train:dia_1_utt_0", "train:dia_1_utt_1", "test:dia_3_utt_0")
    ]
    assert [one.label.name for one in targets] == ["happy", "disgust", "surprise"]
    assert [one.intent for one in targets] == ["questioning", "sympathising", "wishing"]


def test_the_orders_must_be_told(copy: Any) -> None:
    assert "needs a fact that its files do not tell: emotions" in copy.refused("--set", "language=zh")
    assert "each of these once" in copy.refused("--set", "language=zh", "--set", "emotions=happy,sad")
    assert "--set language=en|zh" in copy.refused("--set", f"emotions={EMOTIONS}")


def test_clips_are_found_where_the_user_says(copy: Any) -> None:
    names = ("dia_1_utt_0", "dia_1_utt_1", "dia_2_utt_0")
    copy.media(*(f"video/{name}_ch.mkv" for name in names))
    clips = ("--set", "clips=video/{name}_ch.mkv")
    assert "video/dia_3_utt_0_ch.mkv" in copy.refused(*FACTS, *clips)
    record = copy.prep(*FACTS, *clips, "--allow-missing").records["mc_eiu:dev:dia_2_utt_0"]
    assert record.media.video.path.endswith("video/dia_2_utt_0_ch.mkv")


def test_arrays_that_do_not_fit_are_refused(copy: Any) -> None:
    np.save(copy.root / "target/1/val_emotion_label.npy", np.zeros((1, 7)))
    np.save(copy.root / "target/1/tst_int2name.npy", np.array(["a", {"b": 1}], dtype=object))
    copy.remove("target/1/trn_intent_label.npy")
    message = copy.refused(*FACTS)
    for part in (
        "val_*.npy: an array of (1, 7)",
        "tst_int2name.npy: no plain array",
        "trn_intent_label.npy: no such file",
    ):
        assert part in message
