"""The word after --model."""

import json
from pathlib import Path

import pytest

from emollm.engines.checkpoints import find_checkpoint
from emollm.errors import ConfigError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "run" / "checkpoints" / "final"
    path.mkdir(parents=True)
    (path / "config.json").write_text("{}")
    return path


def test_a_checkpoint_and_its_run_folder_are_found(folder: Path) -> None:
    assert find_checkpoint(folder).path == folder
    assert find_checkpoint(folder.parents[1]).path == folder
    assert find_checkpoint(str(folder.parents[1])).name == "run"


def test_name_and_validity_are_read(folder: Path) -> None:
    assert find_checkpoint(folder).valid_for is None
    (folder / "emollm.json").write_text(json.dumps({"name": "mine", "valid_for": "synthetic", "licence": "x"}))
    found = find_checkpoint(folder)
    assert (found.name, found.valid_for) == ("mine", "synthetic")


@pytest.mark.parametrize("text", ["[1]", "{", '{"valid_for": 3}', '{"valid_for": ""}'])
def test_a_wrong_info_file_is_refused(folder: Path, text: str) -> None:
    (folder / "emollm.json").write_text(text)
    with pytest.raises(ConfigError, match="name"):
        find_checkpoint(folder)


def test_adapters_alone_are_refused(folder: Path) -> None:
    (folder / "config.json").rename(folder / "adapter_config.json")
    with pytest.raises(ConfigError, match="emollm merge"):
        find_checkpoint(folder)


@pytest.mark.parametrize("model", ["nothing-here", "a/b/c/d", ""])
def test_what_was_looked_for_is_listed(model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught:
        find_checkpoint(model)
    assert str(Path(model) / "config.json") in str(caught.value)
    assert str(Path(model) / "checkpoints" / "final") in str(caught.value)


def test_an_empty_folder_is_no_hub_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "owner" / "name").mkdir(parents=True)
    with pytest.raises(ConfigError, match="looked for"):
        find_checkpoint("owner/name")


def test_a_hub_name_that_the_hub_does_not_give_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def refuse(name: str, **options: object) -> str:
        raise OSError(f"no network for {name}")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    with pytest.raises(ConfigError, match="no network for owner/name"):
        find_checkpoint("owner/name")
