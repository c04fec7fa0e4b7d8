"""Licences of data and weights reach the checkpoint, and commercial use is refused where one does not allow it."""

import json
from pathlib import Path

import pytest

from emollm.engines.checkpoints import allow_commercial, find_checkpoint
from emollm.errors import ConfigError
from emollm.licences import Licence, of_model, of_records, write_info
from emollm.run import Run

FREE, BOUND = Licence("data", "own", True), Licence("data", "EULA", False)


def trained(folder: Path, rows: str, config: str = "model: {}\n", valid_for: str | None = None) -> Path:
    """Finish a run as training does, without its weights."""
    run = Run.create(folder, config)
    data = folder.with_suffix(".jsonl")
    data.write_text(rows)
    (run.checkpoints / "final").mkdir()
    (run.checkpoints / "final" / "config.json").write_text("{}")
    run.card("small", "Nothing.", seed=0, data=[data], blocks={}, valid_for=valid_for)
    return folder


def test_a_run_hands_on_the_licences_of_its_data_and_of_what_it_started_from(tmp_path: Path) -> None:
    first = trained(tmp_path / "first", '{"license":{"name":"EULA","commercial":false}}\n' * 2, valid_for="synthetic")
    parts = f"model: {{path: {first}}}\n"
    second = trained(tmp_path / "second", '{"record":{"license":{"name":"own","commercial":true}}}\n{}\n', parts)
    assert find_checkpoint(first).valid_for == "synthetic"
    assert find_checkpoint(second).name == "second"
    assert of_model(second / "checkpoints" / "final") == (BOUND, FREE, Licence("data"))
    with pytest.raises(
        ConfigError, match=r"not allowed by the licence of data \(EULA\); not told for data \(not told\)"
    ):
        allow_commercial(second)


def test_weights_whose_licence_is_not_told_are_named(tmp_path: Path) -> None:
    config = "model: {audio: {path: openai/whisper-tiny}, text: {path: null, config: {}}}\n"
    run = trained(tmp_path / "run", '{"license":{"name":"own","commercial":true}}\n', config)
    with pytest.raises(ConfigError, match=r"use: not told for openai/whisper-tiny \(not told\)"):
        allow_commercial(run)
    file = run / "checkpoints" / "final" / "emollm.json"
    told = json.loads(file.read_text())
    told["licences"][0] |= {"name": "Apache-2.0", "commercial": True}
    file.write_text(json.dumps(told))
    allow_commercial(run)


def test_an_adapter_is_asked_too(tmp_path: Path) -> None:
    base = trained(tmp_path / "base", '{"license":{"name":"own","commercial":true}}\n')
    bound = trained(tmp_path / "bound", '{"license":{"name":"EULA","commercial":false}}\n')
    allow_commercial(base)
    with pytest.raises(ConfigError, match="EULA"):
        allow_commercial(base, "vllm", [bound / "checkpoints" / "lora"])


def test_a_model_that_names_no_licences_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ConfigError, match="names no licences"):
        allow_commercial(tmp_path)
    with pytest.raises(ConfigError, match="behind a server"):
        allow_commercial("gpt", "openai")


def test_licences_are_counted_and_read_as_they_were_written(tmp_path: Path) -> None:
    data = tmp_path / "r.jsonl"
    data.write_text('{"license":{"name":"EULA","commercial":false,"redistributable":false}}\n\n{}\n{}\n')
    counts = of_records(data)
    assert {str(one): n for one, n in counts.items()} == {
        "EULA, not for commercial use, not to be passed on": 1, "not told": 2,
    }  # fmt: skip
    write_info(tmp_path, None, counts)
    assert of_model(tmp_path) == tuple(counts)


@pytest.mark.parametrize("text", ["{", '{"licences": [{"name": "x"}]}', '{"licences": 3}', "[]"])
def test_licences_that_cannot_be_read_are_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "emollm.json").write_text(text)
    with pytest.raises(ConfigError, match="cannot be read"):
        of_model(tmp_path)
