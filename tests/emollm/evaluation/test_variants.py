"""Clips of which something is taken away: what reaches the model, and what the results say about it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import Result

from emollm.engines import Request
from emollm.engines.evidence import MediaSettings
from emollm.engines.fake import FakeEngine
from emollm.errors import ConfigError
from emollm.evaluation.altered import SLOTS, lost, without_words
from emollm.evaluation.robustness import against_plain, shortcuts, spreads
from emollm.evaluation.variants import expand, variant
from emollm.prompts import TASKS
from emollm.records import Prediction, Record, write_records
from tests.emollm.evaluation.conftest import record, results

WORDS = " ".join(f"word{i}" for i in range(SLOTS))


@pytest.fixture
def shown(engine: FakeEngine) -> Iterator[dict[str, list[Request]]]:
    """What the engine was shown in each variant, decoded."""
    engine.media = MediaSettings(frames=SLOTS, max_side_px=32, audio_window_s=2.0, sample_rate_hz=8000)  # type: ignore[attr-defined]
    seen: dict[str, list[Request]] = {}
    generate = engine.generate

    def spy(requests: Any, sampling: Any) -> Any:
        kept = list(requests)
        seen[getattr(kept[0], "way", "") or "plain"] = kept
        return generate(kept, sampling)

    engine.generate = spy  # type: ignore[method-assign]
    yield seen


def test_what_reaches_the_model(
    call: Callable[..., Result],
    leaf: Path,
    shown: dict[str, list[Request]],
    make_clip: Callable[..., Path],
    tmp_path: Path,
) -> None:
    path = make_clip("a.mp4", seconds=2.0)
    said = [{"text": WORDS, "lang": "en"}]
    rows = [record(f"c{i}", label, speaker=f"s{i}", text=said) for i, label in enumerate(("happy", "sad"))]
    media = [{"video": {"path": str(path)}}, {"video": {"path": str(tmp_path / "none.mp4")}}]
    rows = [Record.model_validate(row.model_dump() | {"media": one}) for row, one in zip(rows, media, strict=True)]
    write_records(tmp_path / "r.jsonl", rows)
    ways = "muted,frozen,hidden-0.5,gap-same-0.3"
    options = ("--data", tmp_path / "r.jsonl", "--allow-missing", "--variants", ways, "--draws", 5)
    result = call("run", leaf, *options, "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert shown["plain"][0].evidence is None
    silent, still, hidden, gap = (shown[way][0] for way in ways.split(","))
    assert not silent.evidence.audio.any() and silent.evidence.seen.states == {"audio": "silent", "video": "present"}
    assert still.evidence.audio.any() and (still.evidence.frames == still.evidence.frames[SLOTS // 2]).all()
    assert len(still.evidence.frames) == SLOTS
    black = ~hidden.evidence.frames.reshape(SLOTS, -1).any(1)
    assert black.sum() == 10 and hidden.record.transcript and len(hidden.record.transcript.text.split()) == 10
    quiet = ~gap.evidence.audio.reshape(-1)[: SLOTS * (len(gap.evidence.audio) // SLOTS)].reshape(SLOTS, -1).any(1)
    dark = ~gap.evidence.frames.reshape(SLOTS, -1).any(1)
    assert dark.sum() == 6 and np.ptp(np.flatnonzero(dark)) == 5, "one piece"
    assert (np.abs(np.flatnonzero(dark).mean() - np.flatnonzero(quiet).mean())) < 1, "at the same time"
    words = gap.record.transcript.text.split()  # type: ignore[union-attr]
    assert [f"word{i}" in words for i in range(SLOTS)] == (~dark).tolist()
    assert shown["muted"][1].evidence.code == "missing_file", "a clip that cannot be read is an error row still"
    runs = {run["variant"]: run for run in results(tmp_path / "out")["runs"]}
    assert runs["muted"]["against_plain"]["same_labels"] == 1.0 and "against_plain" not in runs["plain"]
    assert "same labels" in result.output


def test_what_is_lost_is_that_share_and_the_same_for_every_model() -> None:
    for rate in (0.1, 0.5, 0.9):
        scattered, whole = (lost("w", "c", "audio", rate, one) for one in (False, True))
        assert scattered.sum() == whole.sum() == round(rate * SLOTS)
        assert np.ptp(np.flatnonzero(whole)) == whole.sum() - 1
        assert (scattered == lost("w", "c", "audio", rate, False)).all()
    assert (lost("w", "c", "audio", 0.5, False) != lost("w", "d", "audio", 0.5, False)).any()
    chinese = Record.model_validate({"id": "x", "text": [{"text": "我不知道"}]})
    gone = np.arange(SLOTS) >= SLOTS // 2
    assert without_words(chinese, gone).text[0].text == "我不"


def test_names_of_variants() -> None:
    assert expand(["hidden-all"]) == tuple(f"hidden-0.{i}" for i in range(1, 10))
    assert (
        expand(["gap-same-all", "plain"])[0] == "gap-same-0.1"
        and expand(["missing-audio-all"])[8] == "missing-audio-0.9"
    )
    for wrong in ("hidden-1", "hidden-0.95", "gap", "mute", "muted-all", "plain-all"):
        with pytest.raises(ConfigError, match="no variant"):
            expand([wrong])


def test_same_asks_all_modalities_to_lose_the_same() -> None:
    requests = [Request("c", Record.model_validate({"id": "c", "text": [{"text": WORDS}]}), TASKS["labels"])]
    (alone,), (same,) = variant("hidden-0.5", requests), variant("hidden-same-0.5", requests)
    assert (alone.change.keywords["seen"] != alone.change.keywords["heard"]).any()  # type: ignore[attr-defined]
    assert (same.change.keywords["seen"] == same.change.keywords["heard"]).all()  # type: ignore[attr-defined]


def said(label: str, *modalities: str) -> Prediction:
    cues = [{"modality": modality, "text": "x"} for modality in modalities]
    row = {"id": "x", "task": "full", "status": "ok", "labels": [{"text": label}], "cues": cues}
    return Prediction.model_validate(row | {"provenance": {"model": "m", "engine": "e", "emollm": "0"}})


def test_cues_of_what_is_gone_are_counted() -> None:
    plain = [said("sad", "audio", "video"), said("calm", "audio")]
    found = against_plain(plain, [said("Sad", "video"), said("joy", "audio")])
    assert found["same_labels"] == 0.5
    assert found["named_cues"] == {"audio": {"plain": 1.0, "now": 0.5}, "video": {"plain": 0.5, "now": 0.5}}


def run(variant: str, value: float, given: str = "avt", same: float = 1.0) -> dict[str, Any]:
    row = {"part": "p", "given": given, "seed": 0, "answers": "native", "variant": variant, "value": value}
    return row | ({} if variant == "plain" else {"against_plain": {"same_labels": same}})


def test_spread_over_wordings_and_orders_and_the_text_alone() -> None:
    runs = [
        run("plain", 0.5),
        run("prompt-1", 0.7, same=0.5),
        run("permuted-1", 0.3),
        run("muted", 0.1),
        run("plain", 0.4, "t"),
    ]
    wordings, orders = spreads(runs)
    assert (wordings["over"], wordings["n"], wordings["lowest"], wordings["highest"]) == ("wordings", 2, 0.5, 0.7)
    assert wordings["mean"] == pytest.approx(0.6) and wordings["sd"] == pytest.approx(0.02**0.5)
    assert wordings["same_labels"] == 0.5 and orders["mean"] == pytest.approx(0.4)
    assert shortcuts(runs) == [{"part": "p", "text": 0.4, "given": "avt", "full": 0.5, "share": pytest.approx(0.8)}]


def test_a_file_of_answers_has_no_variants(
    call: Callable[..., Result], leaf: Path, records: Path, tmp_path: Path
) -> None:
    options = ("--data", records, "--predictions", tmp_path / "p.jsonl", "--variants", "muted")
    result = call("run", leaf, *options)
    assert result.exit_code == 2 and "asked in one way" in result.stderr
