"""Every command of the README runs, in order, in one folder, as a newcomer would run it.

`make` targets and installation are checked by their presence only: this test is itself run by `make test`, which has installed.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(bash|python)\n(.*?)```", README, flags=re.DOTALL)
NOT_RUN = ("make ", "uv ")


def commands():
    lines = [line.split("   #")[0].strip() for kind, block in BLOCKS if kind == "bash" for line in block.splitlines()]
    return [line for line in lines if line]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with `clips/` and `clip.mp4`, as the README takes for granted."""
    folder = tmp_path_factory.mktemp("readme")
    run(f"emollm data make-synth --n 3 --seed 11 --split dev -o {folder / 'made'} --workers 1", folder)
    (folder / "clips").mkdir()
    clips = sorted((folder / "made" / "media").glob("*.mp4"))
    for clip in clips:
        shutil.copy(clip, folder / "clips")
    shutil.copy(clips[0], folder / "clip.mp4")
    return folder


def run(command, folder):
    """Run one command with this interpreter's own `emollm`; return what it printed."""
    words = shlex.split(command)
    if words[0] == "emollm":
        words[:1] = [sys.executable, "-m", "emollm"]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "2"})
    assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


@pytest.mark.slow
def test_every_command_runs(folder):
    ran = [command for command in commands() if not command.startswith(NOT_RUN)]
    assert {command.split()[1] for command in ran} >= {
        "label",
        "explain",
        "sft",
        "merge",
        "validate",
        "recipes",
        "data",
    }
    for command in ran:
        run(command, folder)
    assert (folder / "labels.jsonl").read_text().count("\n") == len(list((folder / "clips").iterdir()))
    assert list((folder / "merged").glob("*.safetensors"))


@pytest.mark.slow
def test_python_block_runs(folder):
    (code,) = [block for kind, block in BLOCKS if kind == "python"]
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    assert "emollm.prediction/1" in done.stdout


def test_make_targets_exist_and_are_documented():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):.*## ", text, flags=re.MULTILINE))
    assert {"setup", "demo", "test", "lint", "bench", "experiments", "gpu-check"} <= targets
    assert {command.split()[1] for command in commands() if command.startswith("make ")} <= targets


def test_links_lead_somewhere():
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
