"""Imports go down only: each room has a floor, and may import rooms of lower floors.

Rooms of one floor keep apart, except where `BESIDE` says so. Heavy packages stay out of the module top of light rooms.
"""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = {
    0: "__init__ endpoint errors paths plugins xlsx doctor",
    1: "gold jsonl licences pairs purpose records config config_dpo config_grpo config_label config_media config_model "
    "config_policy config_yaml emotions metrics rewards prompts run",
    2: "media synth",
    3: "models",
    4: "train engines data batch evaluation report serve api chat",
    5: "cli",
    6: "__main__",
}
FLOOR = {room: floor for floor, rooms in FLOORS.items() for room in rooms.split()}
LIGHT = {0, 1}  # rooms of these floors may import each other
BESIDE = {
    "batch": {"engines"},
    "evaluation": {"engines", "batch"},
    "serve": {"engines", "api"},
    "chat": {"engines", "report"},
    "api": {"engines", "data", "batch"},
    "data": {"train", "engines", "batch"},  # what a record teaches: train/targets.py; models that annotate
}
LAZY = {"__init__": {"api"}}  # `import emollm` reaches up for its five-line API, inside a function
FLOOR_1_MAY = {"numpy", "pydantic", "yaml"}
CLI_MAY = {"typer", "rich"}
VLLM_LIVES_IN = ("emollm/engines/vllm.py", "emollm/serve/")


@dataclass(frozen=True)
class Import:
    """One imported module, with the place of the statement; `top`: it runs when the file is imported."""

    file: str
    line: int
    module: str
    top: bool

    @property
    def package(self) -> str:
        return self.module.split(".")[0]

    def __str__(self) -> str:
        return f"{self.file}:{self.line} imports {self.module}"


def imports(path: Path, root: Path = ROOT) -> Iterator[Import]:
    file = path.relative_to(root).as_posix()

    def walk(node: ast.AST, top: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                yield from (Import(file, child.lineno, alias.name, top) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                module = "." * child.level + (child.module or "")
                names = [f"{module}.{alias.name}" for alias in child.names] if module == "emollm" else [module]
                yield from (Import(file, child.lineno, name, top) for name in names)
            yield from walk(child, top and not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda))

    yield from walk(ast.parse(path.read_text(encoding="utf-8")), top=True)


def room_of_file(file: str) -> str:
    return Path(file).parts[1].removesuffix(".py")


def room_of_module(module: str) -> str:
    """Return the room that `emollm.x.y` lies in; names that are no file or folder (`emollm.__version__`) belong to the root."""
    room = module.split(".")[1] if "." in module else "__init__"
    there = (ROOT / "emollm" / room).is_dir() or (ROOT / "emollm" / f"{room}.py").is_file()
    return room if there else "__init__"


def faults(found: Import) -> Iterator[str]:
    """Yield what is wrong with one import of a file below emollm/."""
    room = room_of_file(found.file)
    floor = FLOOR[room]
    if found.module.startswith("."):
        yield f"{found}: write the whole name"
    elif found.package == "emollm":
        other = room_of_module(found.module)
        allowed = {room, *BESIDE.get(room, ()), *(LAZY.get(room, ()) if not found.top else ())}
        if other not in allowed and (FLOOR[other] > floor or (FLOOR[other] == floor and floor not in LIGHT)):
            yield f"{found}: floor {floor} ({room}) must not reach floor {FLOOR[other]} ({other})"
    elif found.package in {"data_prep", "eval", "tests", "recipes", "benchmarks"}:
        yield f"{found}: the package must not know what stands around it"
    elif found.package not in sys.stdlib_module_names:
        if floor == 0:
            yield f"{found}: floor 0 has the standard library only"
        if floor == 1 and found.package not in FLOOR_1_MAY:
            yield f"{found}: floor 1 may import {sorted(FLOOR_1_MAY)} only"
        if floor == 5 and found.top and found.package not in CLI_MAY:
            yield f"{found}: commands import it inside the function that needs it"
    if found.package == "vllm" and not found.file.startswith(VLLM_LIVES_IN):
        yield f"{found}: vllm is imported in {VLLM_LIVES_IN} only"


def test_every_room_has_a_floor() -> None:
    rooms = {path.stem for path in (ROOT / "emollm").glob("*.py")}
    rooms |= {path.parent.name for path in (ROOT / "emollm").glob("*/*.py")}
    assert rooms <= set(FLOOR), "write the new room into FLOORS"


def test_imports_go_down_only() -> None:
    wrong = [
        fault
        for path in sorted((ROOT / "emollm").rglob("*.py"))
        if "_bundled" not in path.parts
        for found in imports(path)
        for fault in faults(found)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("leaves", ["data_prep", "eval"])
def test_leaves_know_the_package_only(leaves: str) -> None:
    """A leaf may import emollm (not its command line) and others' packages; no leaf imports another leaf."""
    wrong = [
        str(found)
        for path in sorted((ROOT / leaves).rglob("*.py"))
        for found in imports(path)
        if found.package in {"data_prep", "eval", "tests"}
        or found.module.startswith(("emollm.cli", "."))
        or any(part.startswith("_") for part in found.module.split(".")[1:] if found.package == "emollm")
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("file", "line", "allowed"),
    [
        ("emollm/errors.py", "import json", True),
        ("emollm/errors.py", "import numpy", False),
        ("emollm/config.py", "from emollm.prompts import TASKS", True),
        ("emollm/config.py", "from emollm import __version__", True),
        ("emollm/metrics/classes.py", "import numpy", True),
        ("emollm/metrics/classes.py", "def f():\n    import torch", False),
        ("emollm/media/decode.py", "import emollm.models", False),
        ("emollm/models/build.py", "def f():\n    from emollm.train import sft", False),
        ("emollm/train/sft.py", "from emollm.models import build", True),
        ("emollm/train/sft.py", "from emollm import engines", False),
        ("emollm/batch.py", "from emollm.engines import Engine", True),
        ("emollm/train/sft.py", "from . import collate", False),
        ("emollm/train/sft.py", "import eval.mer_fg", False),
        ("emollm/cli/label.py", "import numpy", False),
        ("emollm/cli/label.py", "def f():\n    import numpy", True),
        ("emollm/cli/label.py", "if True:\n    import torch", False),
        ("emollm/engines/hf.py", "def f():\n    import vllm", False),
        ("emollm/engines/vllm.py", "import vllm", True),
        ("emollm/__init__.py", "from emollm import engines", False),
    ],
)
def test_the_rules_see_what_they_should(tmp_path: Path, file: str, line: str, allowed: bool) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.write_text(line)
    assert ([fault for found in imports(path, tmp_path) for fault in faults(found)] == []) is allowed
