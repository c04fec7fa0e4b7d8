"""Pickles in .npz files are read as data: nothing in them runs."""

import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emollm.errors import EmoError
from emollm.evaluation.unpickle import read_npz


class Harm:
    """Runs a command when it is unpickled."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("protocol", range(3, 6))
def test_texts_and_numbers_come_as_they_are(tmp_path: Path, protocol: int, monkeypatch: pytest.MonkeyPatch) -> None:
    value = {
        "a": "happy, 悲伤",
        "b": [1, 2.5, None, True],
        "c": {"d": ("x", np.str_("é")), "e": np.float64(0.5), "f": np.int64(-3)},
    }
    dump = pickle.dump
    monkeypatch.setattr(pickle, "dump", lambda obj, file, **_: dump(obj, file, protocol=protocol))
    np.savez(tmp_path / "x.npz", value=value, nested=np.array([["p", "q"], ["r", None]], object), plain=np.arange(3))
    found = read_npz(tmp_path / "x.npz")
    expected = {"a": "happy, 悲伤", "b": [1, 2.5, None, True], "c": {"d": ["x", "é"], "e": 0.5, "f": -3}}
    assert found == {"value": expected, "nested": ["p", "q", "r", None], "plain": [0, 1, 2]}


@pytest.mark.parametrize(
    ("function", "arguments", "name"),
    [
        (os.system, ("touch {}",), "system"),
        (eval, ("__import__('os').mkdir('{}')",), "eval"),
        (np.fromfile, ("{}",), "fromfile"),
        (getattr, ("{}", "upper"), "getattr"),
    ],
)
def test_calls_are_refused_and_not_made(tmp_path: Path, function: Any, arguments: tuple[str, ...], name: str) -> None:
    mark = tmp_path / "mark"
    harm = Harm(function, *(text.format(mark) for text in arguments))
    np.savez(tmp_path / "harm.npz", name2reason=np.array({"a": harm}, object))
    with pytest.raises(EmoError, match=rf"refused: it names .*{name}"):
        read_npz(tmp_path / "harm.npz")
    assert not mark.exists()


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "whole.npz", value=np.array({"a": "b"}, object))
    with zipfile.ZipFile(tmp_path / "whole.npz") as archive:
        data = archive.read("value.npy")
    with zipfile.ZipFile(tmp_path / "cut.npz", "w") as archive:
        archive.writestr("value.npy", data[:-9])
    (tmp_path / "text.npz").write_text("no archive")
    for name in ("cut.npz", "text.npz"):
        with pytest.raises(EmoError, match=r"not a readable \.npz"):
            read_npz(tmp_path / name)
    with pytest.raises(EmoError, match="cannot be read"):
        read_npz(tmp_path / "no.npz")


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez_compressed(tmp_path / "big.npz", value=np.zeros(1000))
    monkeypatch.setattr("emollm.evaluation.unpickle.MAX_BYTES", 1000)
    with pytest.raises(EmoError, match="unpacked"):
        read_npz(tmp_path / "big.npz")
