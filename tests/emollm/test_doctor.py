"""`emollm doctor`: a row a need, also where everything is broken; never a traceback."""

import os
import stat
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from typer.testing import CliRunner

from emollm import doctor
from emollm.cli.main import app
from emollm.doctor import Row, check

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No network, no torch: a tried import says that it is all right, unless a test wants it tried."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    found = {"version": "1.0", "cuda": None, "gpus": [], "lacks": []}
    monkeypatch.setattr(doctor, "_try", lambda code: found)


def rows() -> dict[str, Row]:
    return {row.need: row for row in check()}


def test_this_environment_has_a_row_for_each_need() -> None:
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 0, result.output
    needs = (
        "Python",
        "emollm",
        "media",
        "train",
        "torch",
        "GPU",
        "decoders",
        "vLLM",
        "checkpoint",
        "disk",
        "cache",
        "hub",
    )
    assert [line.split()[1] for line in result.stdout.splitlines() if not line.startswith(" ")][:4] == list(needs[:4])
    assert all(need in result.stdout for need in needs)


def test_an_empty_environment(tmp_path: Path) -> None:
    """No package at all: every row is there, and the program ends by itself."""
    venv.create(tmp_path / "bare", with_pip=False)
    environment = {"PATH": os.defpath, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    call = [str(tmp_path / "bare" / "bin" / "python"), "-m", "emollm.doctor"]
    result = subprocess.run(call, capture_output=True, text=True, env=environment, cwd=tmp_path, check=False)
    assert result.returncode == 1 and result.stderr == ""
    found = {tuple(line.split()[:2]) for line in result.stdout.splitlines()}
    assert {
        ("ok", "Python"),
        ("wrong", "emollm"),
        ("missing", "torch"),
        ("missing", "decoders"),
        ("ok", "cache"),
    } <= found
    assert "fix: uv pip install 'emollm[train]'" in result.stdout


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("raise ImportError('libcudart.so.13: cannot open shared object file')", "libcudart.so.13"),
        ("import os; os.abort()", "signal 6"),
        ("import os; os._exit(3)", "exit code 3"),
        ("import time; time.sleep(60)", "no answer within"),
    ],
)
def test_a_broken_torch_is_one_row(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, body: str, said: str) -> None:
    (tmp_path / "torch.py").write_text(body)
    monkeypatch.undo()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(doctor, "PATIENCE_S", 1.0 if "sleep" in body else 120.0)
    (row,) = doctor._torch()
    assert (row.need, row.state) == ("torch", "wrong")
    assert said in row.found and row.fix


@pytest.mark.parametrize(("driver", "state"), [(True, "wrong"), (False, "missing")])
def test_a_gpu_that_torch_does_not_see(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, driver: bool, state: str
) -> None:
    if driver:
        (tmp_path / "nvidia-smi").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert rows()["GPU"].state == state


def test_decoders_that_are_not_built_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_try", lambda code: {"version": "18", "lacks": ["hevc"]})
    (row,) = doctor._decoders()
    assert row.state == "wrong" and "without hevc" in row.found


def test_decoders_are_really_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    found = doctor._try(doctor._DECODERS)
    assert found["lacks"] == []
    assert "no-such-codec" in doctor._try(doctor._DECODERS.replace("'h264'", "'no-such-codec'"))["lacks"]


def test_a_cache_that_others_can_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o755)
    monkeypatch.setenv("EMOLLM_CACHE", str(folder))
    row = rows()["cache"]
    assert row.state == "wrong" and row.fix == f"chmod 700 {folder}"
    folder.chmod(stat.S_IRWXU)
    assert rows()["cache"].state == "ok"


def test_a_cache_that_cannot_be(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("EMOLLM_CACHE", str(tmp_path / "file" / "cache"))
    found = [row for row in check() if row.state == "wrong"]
    assert found and all("could not be checked" in row.found for row in found)


def test_little_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "LITTLE_DISK_GB", 1e9)
    assert rows()["disk"].state == "wrong"


def test_two_builds_of_vllm(monkeypatch: pytest.MonkeyPatch) -> None:
    version = doctor._version
    monkeypatch.setattr(doctor, "_version", lambda name: "0.32.0" if name.startswith("vllm") else version(name))
    assert rows()["vLLM"].state == "wrong"


def test_a_version_that_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    version = doctor._version
    monkeypatch.setattr(doctor, "_version", lambda name: {"trl": "1.17.0", "peft": None}.get(name, version(name)))
    row = rows()["train"]
    assert row.state == "wrong" and "trl is 1.17.0, needed is ==1.16.*" in row.found and "peft is missing" in row.found


@pytest.mark.parametrize(
    ("version", "wanted", "fits"),
    [
        ("5.19.0", "<6,>=5.19", True), ("6.0", "<6,>=5.19", False), ("5.9", ">=5.19", False), ("1.16.3", "==1.16.*", True),
        ("1.17", "==1.16.*", False), ("2.13.0+cpu", ">=2.8", True), ("0.32.0", "==0.32.0", True), ("1.0", "", True),
    ],
)  # fmt: skip
def test_versions(version: str, wanted: str, fits: bool) -> None:
    assert doctor._fits(version, wanted) is fits


def test_the_python_range_is_that_of_the_package() -> None:
    (first, end) = (".".join(map(str, version)) for version in doctor.PYTHONS)
    assert f'requires-python = ">={first},<{end}"' in (ROOT / "pyproject.toml").read_text()


def test_it_needs_the_standard_library_alone() -> None:
    script = "import sys, emollm.doctor; print([m for m in ('typer', 'numpy', 'pydantic', 'yaml') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
