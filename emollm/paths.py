"""Where things lie: the files that ship with emollm, and the user's cache and run folders."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

_PACKAGE = Path(__file__).parent
# In a checkout recipes/, data_prep/ and eval/ stand beside the package; a wheel carries them in emollm/_bundled/.
_ROOT = _PACKAGE.parent if (_PACKAGE.parent / "pyproject.toml").is_file() else _PACKAGE / "_bundled"

TINY = _PACKAGE / "assets" / "tiny"


def bundled(folder: str) -> Path:
    """Return the folder (`recipes`, `data_prep` or `eval`) that came with this install."""
    return _ROOT / folder


def cache_dir() -> Path:
    """Return the private cache folder (mode 0700): `$EMOLLM_CACHE`, else `$XDG_CACHE_HOME/emollm`, else `~/.cache/emollm`."""
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "emollm"
    folder = Path(os.environ.get("EMOLLM_CACHE") or default)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


@contextmanager
def whole_file(path: Path) -> Iterator[IO[str]]:
    """Open a text file beside `path` that takes its name when the block ends well: it is whole, or what was there stays."""
    import tempfile

    path.parent.mkdir(parents=True, exist_ok=True)
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            yield out
        Path(beside).chmod(0o644)
        os.replace(beside, path)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise
