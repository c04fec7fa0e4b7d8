"""An evaluation of clips with hostile words, licensed and not, made without a model."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from emollm.cli.main import app
from emollm.jsonl import write_rows
from emollm.records import Prediction, Record, write_records

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\x1b[2J\u202e{{ 7 * 7 }}'\" style='x'"
LEAF = """
title: Little
about: Whether the feeling is found.
measures_not: anything
version: 1
paper: https://example.org
data: emollm data prep little DIR -o little.jsonl
parts:
  little:
    records: {dataset: little}
    ablate: true
    metrics: [fs]
"""
TRUE = ("furious", "sad", "happy", "terrified", "calm", "neutral")
SAID = ("angry", "happy", "delighted", "calm", "calm", EVIL)
N = 24


def answer(id_: str, label: str, **fields: Any) -> Prediction:
    """Return an answer that names one label, with cues that have seconds."""
    row = {
        "id": id_,
        "task": "explain",
        "status": "ok",
        "labels": [{"text": label, "score": 0.5}],
        "explanation": f"The voice is loud, and {EVIL}.",
        "cues": [
            {"modality": "audio", "text": "voice is loud", "start_s": 0.1, "end_s": 0.6},
            {"modality": "text", "text": EVIL},
        ],
        "confidence": 0.25 + 0.5 * (len(label) % 2),
        "confidence_source": "token",
        "parse": "ok",
        "seen": {
            "frames": 2,
            "audio_s": 0.8,
            "transcript": "given",
            "states": {"audio": "present", "video": "present"},
        },
        "provenance": {"model": EVIL, "engine": "fake", "emollm": "0", "valid_for": "synthetic"},
    }
    return Prediction.model_validate(row | fields)


def record(number: int, **fields: Any) -> Record:
    """Return a record of the little data set."""
    row = {
        "id": f"clip {number}",
        "dataset": "little",
        "subject_id": f"s{number % 6}",
        "text": [{"text": f"Well, {EVIL}", "lang": "en"}],
        "context": [{"speaker": EVIL, "text": EVIL}],
        "targets": {
            "labels_ov": [{"text": TRUE[number % 6]}],
            "cues": [{"modality": "audio", "text": EVIL, "start_s": 0.2, "end_s": 0.5, "supports": TRUE[number % 6]}],
        },
    }
    return Record.model_validate(row | fields)


def failed(id_: str) -> Prediction:
    """Return an error row."""
    error = {"code": "not_media", "what": EVIL, "fix": "mend it"}
    return answer(id_, "x", labels=[], explanation=None, cues=[], confidence=None, confidence_source=None, parse=None,
                  status="error", error=error)  # fmt: skip


@pytest.fixture
def call() -> Callable[..., Result]:
    """Call `emollm ...`."""
    return lambda *arguments: CliRunner().invoke(app, [*map(str, arguments)])


@pytest.fixture
def records(tmp_path: Path, make_clip: Callable[..., Path]) -> Path:
    """Records: clip 0 may be passed on, clip 1 is drawn, the others have no licence; all are the same file."""
    make_clip("clip.mp4")
    media = {"video": {"path": "clip.mp4"}}
    free = {"license": {"name": "own", "redistributable": True}}
    more: dict[int, dict[str, Any]] = {0: free, 1: free | {"provenance": {"generator_sha256": "0" * 64}}}
    path = tmp_path / "records.jsonl"
    write_records(path, [record(number, media=media, **more.get(number, {})) for number in range(N)])
    return path


@pytest.fixture
def answers(tmp_path: Path) -> Path:
    """Answers to all of them: one is an error, one cannot be read."""
    path = tmp_path / "answers.jsonl"
    rows = [answer(f"clip {number}", SAID[number % 6]) for number in range(N)]
    rows[6] = failed("clip 6")
    rows[7] = answer("clip 7", "x", labels=[], explanation=EVIL, cues=[], parse="failed", raw=EVIL)
    write_rows(path, rows)
    return path


@pytest.fixture
def evaluated(
    call: Callable[..., Result], records: Path, answers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The folder of an evaluation, with the report that it wrote."""
    monkeypatch.setattr("emollm.run.git_commit", lambda: None)
    (tmp_path / "little.yaml").write_text(LEAF)
    folder = tmp_path / "out"
    result = call("eval", "run", tmp_path / "little.yaml", "--data", records, "--predictions", answers, "-o", folder,
                  "--draws", 20)  # fmt: skip
    assert result.exit_code == 1 and (folder / "report.html").is_file(), result.output
    return folder
