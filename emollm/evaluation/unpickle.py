"""Pickled texts in .npz files, read without running anything that the file names.

Results of AffectGPT and of the MER challenges are numpy archives whose arrays hold Python objects, that is, pickles, and a pickle may
call any function. Here the few names that such arrays need stand for harmless classes of our own; every other name is refused, and numpy
itself never sees the pickle (https://docs.python.org/3/library/pickle.html#restricting-globals).
"""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from emollm.errors import EmoError

MAX_BYTES = 1 << 30


class _ForbiddenError(Exception):
    """A pickle names something that is no text, number or container."""


class _Dtype:
    """Stands for `numpy.dtype`: its name and byte order."""

    def __init__(self, name: str, *_: object) -> None:
        self.name, self.order = name, "<"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = state[1]


class _Array:
    """Stands for an array of objects: its flat list of items."""

    items: Any = ()

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.items = state[-1]


class _Marker:
    """Stands for `numpy.ndarray`, which is only mentioned."""


def _reconstruct(*_: object) -> _Array:
    return _Array()


def _scalar(dtype: _Dtype, data: Any) -> Any:
    """Return a numpy scalar as a plain text or number."""
    if isinstance(data, str):
        return data
    if dtype.name.startswith("U"):
        return data.decode("utf-32-be" if dtype.order == ">" else "utf-32-le").rstrip("\0")
    kinds = {"f8": "d", "f4": "f", "i8": "q", "i4": "i", "b1": "?"}
    if dtype.name not in kinds:
        raise _ForbiddenError(f"a scalar of type {dtype.name}")
    return struct.unpack((">" if dtype.order == ">" else "<") + kinds[dtype.name], data)[0]


_STANDS_FOR: dict[tuple[str, str], Any] = {("numpy", "ndarray"): _Marker, ("numpy", "dtype"): _Dtype}
for _module in ("numpy.core.multiarray", "numpy._core.multiarray"):
    _STANDS_FOR |= {(_module, "_reconstruct"): _reconstruct, (_module, "scalar"): _scalar}


class _Texts(pickle.Unpickler):
    """Reads plain containers, texts and numbers, and what arrays of them need."""

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _STANDS_FOR[module, name]
        except KeyError:
            raise _ForbiddenError(f"it names {module}.{name}") from None


def read_npz(path: Path) -> dict[str, Any]:
    """Return the arrays of a .npz file as plain Python: a list each, or the object itself where the array has no dimension.

    Raises:
        EmoError: The file is no .npz, is larger than `MAX_BYTES`, is damaged, or holds more than texts, numbers and containers.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(member.file_size for member in archive.infolist()) > MAX_BYTES:
                raise EmoError("more than 1 GiB unpacked", str(path), "a results file is smaller: check what it is")
            return {name.removesuffix(".npy"): _array(archive.read(name)) for name in archive.namelist()}
    except OSError as error:
        raise EmoError(f"cannot be read ({error.strerror})", str(path), "name an .npz file") from None
    except _ForbiddenError as error:
        fix = "only texts, numbers, lists and dicts are read; convert the file with its own code to CSV (name, openset)"
        raise EmoError(f"refused: {error}", str(path), fix) from None
    except EmoError:
        raise
    except Exception as error:  # a damaged pickle may raise anything
        raise EmoError(f"not a readable .npz ({type(error).__name__}: {error})", str(path), "save it again") from None


def _array(data: bytes) -> Any:
    """Return one array of an archive."""
    stream = io.BytesIO(data)
    version = np.lib.format.read_magic(stream)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read_header(stream)
    if not dtype.hasobject:
        stream.seek(0)
        return np.lib.format.read_array(stream, allow_pickle=False).tolist()
    items = _plain(_Texts(stream).load())
    return items if shape else items[0]


def _plain(value: Any) -> Any:
    """Return a value with the lists that arrays stood for."""
    if isinstance(value, _Array):
        return [_plain(item) for item in value.items]
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
