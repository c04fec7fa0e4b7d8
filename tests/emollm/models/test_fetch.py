"""`emollm models fetch`: licence and size first, a pinned commit, pickles converted in a process of their own, nothing that runs code."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from huggingface_hub import ModelCardData
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner, Result

from emollm.cli.main import app

COMMIT = "0123456789abcdef0123456789abcdef01234567"
WEIGHTS = {"a.weight": torch.arange(6.0).reshape(2, 3), "b": torch.ones(4, dtype=torch.bfloat16)}


def call(*arguments: Any) -> Result:
    return CliRunner().invoke(app, ["models", "fetch", *map(str, arguments)])


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """A hub that has what is put into a folder: `hub("owner/name", terms="mit")` returns the folder."""
    asked: dict[str, Any] = {}
    monkeypatch.setenv("EMOLLM_CACHE", str(tmp_path / "cache"))

    def model_info(self: Any, name: str, revision: str | None = None, files_metadata: bool = False) -> Any:
        response: Any = SimpleNamespace(headers={}, status_code=404, request=None, text="")
        if name == "owner/away":
            raise HfHubHTTPError("no route to host", response=response)
        if name not in asked:
            raise RepositoryNotFoundError("404", response=response)
        asked[name]["revision"] = revision
        files = [
            SimpleNamespace(rfilename=file.name, size=file.stat().st_size) for file in asked[name]["folder"].iterdir()
        ]
        return SimpleNamespace(sha=COMMIT, siblings=files, card_data=asked[name]["card"])

    def download(name: str, revision: str, allow_patterns: list[str]) -> str:
        assert revision == COMMIT, "what was looked at is what is fetched"
        asked[name]["files"] = allow_patterns
        return str(asked[name]["folder"])

    monkeypatch.setattr("emollm.models.fetch.HfApi.model_info", model_info)
    monkeypatch.setattr("emollm.models.fetch.snapshot_download", download)

    def put(name: str, terms: str | None = None) -> Path:
        folder = tmp_path / name.replace("/", "--")
        folder.mkdir()
        (folder / "config.json").write_text('{"model_type": "clip"}')
        (folder / "modeling_evil.py").write_text("raise SystemExit('code must not be fetched')")
        asked[name] = {"folder": folder, "card": ModelCardData(license=terms) if terms else None}
        put.asked = asked  # type: ignore[attr-defined]
        return folder

    return put


def test_licence_and_size_come_first_and_code_stays_there(hub: Callable[..., Path]) -> None:
    folder = hub("owner/tower", terms="apache-2.0")
    save_file(WEIGHTS, folder / "model.safetensors")
    (folder / "pytorch_model.bin").write_bytes(b"not wanted where there are safetensors")
    result = call("owner/tower", "--revision", "v1")
    assert result.exit_code == 0, result.output
    assert result.stdout.strip() == str(folder)
    assert f"owner/tower@{COMMIT}: licence apache-2.0, 0.00 GB" in result.stderr
    asked = hub.asked["owner/tower"]  # type: ignore[attr-defined]
    assert asked["revision"] == "v1" and sorted(asked["files"]) == ["config.json", "model.safetensors"]


@pytest.mark.parametrize("shards", [1, 2])
def test_a_pickle_becomes_safetensors(hub: Callable[..., Path], shards: int) -> None:
    folder = hub("owner/old")
    names = [f"pytorch_model-{number}.bin" for number in range(2)]
    if shards == 1:
        torch.save(WEIGHTS, folder / "pytorch_model.bin")
    else:
        for file, (key, value) in zip(names, WEIGHTS.items(), strict=True):
            torch.save({key: value}, folder / file)
        index = {"weight_map": dict(zip(WEIGHTS, names, strict=True))}
        (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    result = call("owner/old")
    assert result.exit_code == 0, result.output
    assert "a pickle that will be converted" in result.stderr and "licence not stated" in result.stderr
    made = Path(result.stdout.strip())
    assert {path.name for path in made.iterdir()} == {"config.json", "model.safetensors"}
    found = load_file(made / "model.safetensors")
    assert found.keys() == WEIGHTS.keys() and all(torch.equal(found[key], WEIGHTS[key]) for key in WEIGHTS)


class Evil:
    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> Any:
        return Path.touch, (self.proof,)


def test_a_pickle_that_runs_code_is_refused_and_does_not_run(hub: Callable[..., Path], tmp_path: Path) -> None:
    folder, good = hub("owner/evil"), hub("owner/good")
    with (folder / "pytorch_model.bin").open("wb") as out:
        pickle.dump({"a": Evil(tmp_path / "ran")}, out)
    save_file(WEIGHTS, good / "model.safetensors")
    result = call("owner/evil", "owner/good")
    assert result.exit_code == 1
    assert "failed: owner/evil: the pickle cannot be converted" in result.stderr
    assert result.stdout.strip() == str(good), "the others go on"
    assert not (tmp_path / "ran").exists()


def test_a_folder_is_taken_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    save_file(WEIGHTS, folder / "model.safetensors")
    (folder / "README.md").write_text("---\nlicense: mit\n---\n")
    result = call(folder)
    assert result.exit_code == 0, result.output
    assert result.stdout.strip() == str(folder) and "licence mit" in result.stderr


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("owner/none", "neither a folder nor a model"),
        ("owner/away", "the hub does not answer"),
        ("owner/empty", "no weights"),
    ],
)
def test_what_cannot_be_fetched_is_said(hub: Callable[..., Path], name: str, what: str) -> None:
    hub("owner/empty")
    result = call(name)
    assert result.exit_code == 1 and what in result.stderr


def test_a_revision_belongs_to_one_model() -> None:
    result = call("owner/a", "owner/b", "--revision", "v1")
    assert result.exit_code == 2 and "one model" in result.stderr
