"""Load a user's object by `file.py:name` or `package.module:name`: ours and the user's code are the same kind of thing."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from emollm.errors import EmoError


def load_module(path: Path) -> ModuleType:
    """Import a .py file by its path, without touching `sys.path`.

    Raises:
        EmoError: The file is missing or isn't Python.
    """
    path = path.resolve()
    if not path.is_file() or path.suffix != ".py":
        raise EmoError("no such Python file", str(path), "give the path of a .py file")
    name = f"emollm_plugin_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise EmoError("cannot be imported", str(path), "give the path of a .py file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def load_object(reference: str) -> Any:
    """Return the object that `file.py:name` or `package.module:name` names.

    Raises:
        EmoError: The reference has no `:name`, the module is missing, or it has no such name.
    """
    place, colon, name = reference.rpartition(":")
    if not colon:
        raise EmoError(f"{reference!r} names no object", fix="write it as file.py:name or package.module:name")
    if place.endswith(".py"):
        module = load_module(Path(place))
    else:
        try:
            module = importlib.import_module(place)
        except ModuleNotFoundError as error:
            raise EmoError(
                f"no module {place!r} ({error})", reference, "install it, or give the path of a .py file"
            ) from None
    if name not in vars(module):
        raise EmoError(
            f"no {name!r} in {place}",
            reference,
            "names there: " + ", ".join(n for n in vars(module) if not n.startswith("_")),
        )
    return vars(module)[name]
