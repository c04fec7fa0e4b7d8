"""The run folder: what was run, with what, how it went, and a card that says it to people.

    config.yaml     the recipe, overrides applied, defaults written out
    env.json        versions, git commit, machine (no environment variables but thread counts, no home paths)
    metrics.jsonl   one row a logging step
    plots/          pictures
    checkpoints/    models
    README.md       the card

A run folder belongs to one run: a folder that holds anything is refused.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
import shlex
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml

import emollm
from emollm.errors import ConfigError
from emollm.licences import Licence, of_recipe, of_records, write_info
from emollm.purpose import LIMITS, NOTICE, REGULATION

PACKAGES = ("torch", "transformers", "trl", "peft", "accelerate", "tokenizers", "safetensors", "numpy", "av", "soxr")
APPEARANCE = (
    "The model says which emotions a person *appears* to express, as raters might describe the clip. "
    "It does not say what a person feels, and it is not made for decisions about people."
)
_CARD_HEAD = """\
---
library_name: emollm
tags:
- emotion-recognition
- multimodal
---
"""  # https://huggingface.co/docs/hub/model-cards


@dataclass(frozen=True)
class Run:
    """One run and its folder."""

    folder: Path
    started_s: float = field(default_factory=time.monotonic, compare=False)

    @classmethod
    def create(cls, folder: Path | str, config: str, device: str = "cpu") -> Run:
        """Make the folder and write config.yaml and env.json.

        Args:
            folder: Must be missing or empty.
            config: Text of config.yaml (`emollm.config.dump_recipe`).
            device: Name of the device that the run computes on, for env.json.

        Raises:
            ConfigError: The folder holds something already.
        """
        folder = Path(folder)
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise ConfigError(
                "the run folder is not empty", str(folder), "give the run another name (name=...) or place (output=...)"
            )
        run = cls(folder)
        run.plots.mkdir(parents=True)
        run.checkpoints.mkdir()
        (folder / "config.yaml").write_text(config, encoding="utf-8")
        (folder / "env.json").write_text(json.dumps(environment(device), indent=2) + "\n", encoding="utf-8")
        return run

    @property
    def plots(self) -> Path:
        """Folder of the pictures."""
        return self.folder / "plots"

    @property
    def checkpoints(self) -> Path:
        """Folder of the models; the finished one is `final`."""
        return self.folder / "checkpoints"

    @property
    def metrics(self) -> Path:
        """File of the logged rows."""
        return self.folder / "metrics.jsonl"

    def log(self, row: Mapping[str, float | int | str | None]) -> None:
        """Append one row to metrics.jsonl, with `time_s` since the start. NaN and infinity become text (`float` reads it)."""
        finite = {key: str(value) if _is_odd(value) else value for key, value in row.items()}
        finite.setdefault("time_s", round(time.monotonic() - self.started_s, 3))
        with self.metrics.open("a", encoding="utf-8") as out:
            out.write(json.dumps(finite, ensure_ascii=False, allow_nan=False) + "\n")

    def card(
        self,
        title: str,
        summary: str,
        *,
        seed: int,
        data: Iterable[Path | str],
        blocks: Mapping[str, str],
        results: Mapping[str, float | int | str] | None = None,
        citations: Sequence[str] = (),
        valid_for: str | None = None,
    ) -> Path:
        """Write README.md, and into the finished model what it is valid for and the licences that it comes with.

        Args:
            title: Name of the model.
            summary: One paragraph: what was trained, on what, and what is left out.
            seed: Seed of the run.
            data: Records files; their SHA-256 goes into the card.
            blocks: Block of the model -> how it was trained (`1.2 M parameters, full`).
            results: Name -> value, such as the last loss.
            citations: BibTeX entries of the methods that were used; doubles are written once.
            valid_for: What alone the model may be used for (`synthetic`), or None.
        """
        found = {path: of_records(path) for path in data}
        sections = [f"# {title}", summary]
        if valid_for is not None:
            sections.append(f"> **Valid for: {valid_for}.** Use on anything else tells nothing.")
        sections += [
            f"## What it says\n\n{APPEARANCE}",
            f"## Intended use and limits\n\n{LIMITS}",
            "## What the law says of it\n\n" + "\n".join(f"- {line}" for line in REGULATION),
            f"A notice for people concerned:\n\n```text\n{NOTICE}```",
            f"## How it was made\n\n```sh\n{command_line()}\n```\n\nSeed {seed}. The whole recipe: `config.yaml`.",
            "## Data\n\n"
            + _table(
                ("records", "SHA-256", "licences"),
                [(_short(path), sha256(path), _counts(licences)) for path, licences in found.items()],
            )
            + "\n\nWhat the licences of the data allow limits what may be done with the weights.",
            "## Blocks\n\n" + _table(("block", "trained"), blocks.items()),
        ]
        if results:
            sections.append("## Results\n\n" + _table(("measure", "value"), results.items()))
        sections.append("## Versions\n\n" + _table(("package", "version"), versions().items()))
        if citations:
            sections.append(
                "## Methods\n\n```bibtex\n" + "\n\n".join(c.strip() for c in dict.fromkeys(citations)) + "\n```"
            )
        path = self.folder / "README.md"
        path.write_text(f"{_CARD_HEAD}\n" + "\n\n".join(sections) + "\n", encoding="utf-8")
        if (final := self.checkpoints / "final").is_dir():
            recipe = yaml.safe_load((self.folder / "config.yaml").read_text(encoding="utf-8"))
            of_data = (licence for licences in found.values() for licence in licences)
            write_info(final, valid_for, [*of_recipe(recipe), *of_data])
        return path


def read_metrics(folder: Path | str) -> list[dict[str, Any]]:
    """Return the rows of a run's metrics.jsonl; a torn last line is left out."""
    lines = (Path(folder) / "metrics.jsonl").read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines[:-1] if line]


def environment(device: str) -> dict[str, Any]:
    """Return what a run depends on besides recipe and data."""
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command_line(),
        "versions": versions(),
        "git_commit": git_commit(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpus": len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count(),
        "threads": {name: os.environ[name] for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS") if name in os.environ},
        "device": device,
    }


def versions() -> dict[str, str]:
    """Return the versions of emollm, Python and the packages that matter, as far as they are installed."""
    found = {"emollm": emollm.__version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def git_commit() -> str | None:
    """Return the commit of the checkout that emollm runs from, `+changes` when files differ, or None outside of one."""
    root = Path(emollm.__file__).parents[1]
    if not (root / ".git").exists():
        return None

    def git(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False)

    try:
        head = git("rev-parse", "HEAD")
        changes = git("status", "--porcelain", "--untracked-files=no")
    except FileNotFoundError:
        return None
    if head.returncode:
        return None
    return head.stdout.strip() + ("+changes" if changes.stdout.strip() else "")


def command_line() -> str:
    """Return the command of this process as one would type it, the home folder written as `~`."""
    program, *arguments = sys.argv or [""]
    return shlex.join([Path(program).name or "python", *map(_short, arguments)])


def sha256(path: Path | str) -> str:
    """Return the SHA-256 of a file."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _counts(licences: Counter[Licence]) -> str:
    return "; ".join(f"{licence} ({n:,})" for licence, n in licences.most_common())


def _short(path: Path | str) -> str:
    """Write the home folder as `~`, wherever it stands in a text."""
    home = str(Path.home())
    return str(path) if home == "/" else str(path).replace(home + "/", "~/")


def _is_odd(value: object) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
