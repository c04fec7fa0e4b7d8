"""`emollm label --engine vllm` on synthetic clips, with the bundled checkpoint if there is one: the rows of `--engine hf`."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
from typer.testing import CliRunner

from emollm.cli.main import app
from emollm.jsonl import read_rows
from emollm.paths import TINY
from emollm.records import Prediction
from tests.emollm.serve.conftest import save

pytestmark = pytest.mark.skipif(
    find_spec("vllm") is None, reason="vLLM is not installed: `make test` runs this in .venv-serve"
)


def test_label_gives_the_rows_of_hf(tmp_path: Path) -> None:
    made = tmp_path / "made"
    arguments = ["data", "make-synth", "--n", "3", "--seed", "5", "--split", "dev", "--workers", "1", "-o", str(made)]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    (made / "media" / "page.mp4").write_text("<html>")
    model = TINY if (TINY / "config.json").is_file() else save(tmp_path / "model", "whisper clip resampler qwen2")
    rows: dict[str, dict[str, Prediction]] = {}
    for engine in ("hf", "vllm"):
        out = tmp_path / f"{engine}.jsonl"
        call = [
            "label",
            str(made / "media"),
            "--engine",
            engine,
            "--model",
            str(model),
            "--task",
            "full",
            "-o",
            str(out),
        ]
        result = CliRunner().invoke(app, call)
        assert result.exit_code == 1, result.output  # the page is listed as failed
        assert "page.mp4" in result.stderr
        rows[engine] = {row.id: row for row in read_rows(out, Prediction)}
    assert len(rows["hf"]) == 3
    assert rows["vllm"].keys() == rows["hf"].keys()
    for name, one in rows["hf"].items():
        two = rows["vllm"][name]
        assert two.raw == one.raw
        assert (two.status, two.parse, two.cues, two.seen) == (one.status, one.parse, one.cues, one.seen)
        assert two.confidence == pytest.approx(one.confidence, abs=1e-4)
        assert two.provenance.engine == "vllm"
        assert two.provenance.weights_sha256 == one.provenance.weights_sha256
        assert two.key != one.key
