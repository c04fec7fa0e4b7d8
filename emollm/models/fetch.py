"""Fetch models ahead of a run: towers, language models and omni backbones, from the hub or a folder.

    offer = look("openai/whisper-large-v3")
    print(offer)
    folder = fetch(offer)

A name is resolved to a commit first, and that commit is fetched, so that what was shown is what comes. Weights that exist as a pickle
only are converted to safetensors in a process of its own (convert.py), into emollm's cache: recipes then name the folder that `fetch` gave.
Does not: fetch code, or delete anything.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from huggingface_hub import HfApi, ModelCard, snapshot_download
from huggingface_hub.errors import GatedRepoError, HFValidationError, RepositoryNotFoundError, RevisionNotFoundError

from emollm.errors import ConfigError, EmoError
from emollm.models.convert import INDEX, pickles
from emollm.paths import cache_dir

DATA = ("*.json", "*.txt", "*.jinja", "*.model")
WEIGHTS = "*.safetensors"
PICKLES = ("pytorch_model*.bin", INDEX)
UNSTATED = "not stated"


@dataclass(frozen=True)
class Offer:
    """A model as the hub, or a folder, describes it.

    Attributes:
        name: Hub name, or path of the folder.
        revision: Commit; None for a folder.
        license: As its card says.
        n_bytes: Of the files that are needed.
        files: Their names.
        is_pickle: Whether its weights exist as a pickle only.
    """

    name: str
    revision: str | None
    license: str
    n_bytes: int
    files: tuple[str, ...]
    is_pickle: bool

    def __str__(self) -> str:
        """Return what one should know before it is fetched."""
        at = f"@{self.revision}" if self.revision else ""
        pickled = ", a pickle that will be converted" if self.is_pickle else ""
        return f"{self.name}{at}: licence {self.license}, {self.n_bytes / 1e9:.2f} GB{pickled}"


def look(name: str, revision: str | None = None) -> Offer:
    """Ask for a model's licence, size and files, and fetch nothing.

    Args:
        name: Hub name or folder.
        revision: Commit, tag or branch; None takes the main branch as it is now.

    Raises:
        ConfigError: There is no such model, it may not be fetched, or it holds no weights.
    """
    if Path(name).is_dir():
        sizes = {path.name: path.stat().st_size for path in Path(name).iterdir() if path.is_file()}
        card = Path(name) / "README.md"
        license_ = ModelCard.load(card).data.get("license") if card.is_file() else None
        return _offer(name, None, license_, sizes)
    try:
        info = HfApi().model_info(name, revision=revision, files_metadata=True)
    except GatedRepoError:
        raise ConfigError(
            "the hub asks for permission", name, "accept its terms on its page, then: hf auth login"
        ) from None
    except RevisionNotFoundError:
        raise ConfigError(f"has no revision {revision!r}", name, "give a commit, tag or branch of it") from None
    except (RepositoryNotFoundError, HFValidationError):
        raise ConfigError("neither a folder nor a model on the hub", name, "check the spelling") from None
    except Exception as error:  # the ways in which a network fails have no common class
        raise ConfigError(f"the hub does not answer ({error})", name, "check the network, or name a folder") from None
    sizes = {file.rfilename: file.size or 0 for file in info.siblings or ()}
    return _offer(name, info.sha, info.card_data.get("license") if info.card_data else None, sizes)


def fetch(offer: Offer) -> Path:
    """Fetch a model, its weights converted if they are a pickle, and return its folder.

    Raises:
        EmoError: The disk has no room, or the pickle holds more than weights.
    """
    folder = Path(offer.name)
    if offer.revision is not None:
        _check_room(offer)
        folder = Path(snapshot_download(offer.name, revision=offer.revision, allow_patterns=list(offer.files)))
    return _converted(offer, folder) if offer.is_pickle else folder


def _offer(name: str, revision: str | None, license_: str | None, sizes: dict[str, int]) -> Offer:
    """Choose the files that are needed."""

    def of(*patterns: str) -> list[str]:
        return [file for file in sizes if "/" not in file and any(fnmatch(file, pattern) for pattern in patterns)]

    weights = of(WEIGHTS)
    pickled = [] if weights else of(*PICKLES)
    if not weights and not pickled:
        raise ConfigError(
            "holds no weights that emollm reads", name, "give a model with safetensors or pytorch_model.bin"
        )
    files = tuple(sorted({*of(*DATA), *weights, *pickled}))
    return Offer(name, revision, license_ or UNSTATED, sum(sizes[file] for file in files), files, bool(pickled))


def _check_room(offer: Offer) -> None:
    """Refuse to fill the disk up."""
    needed = offer.n_bytes * (2 if offer.is_pickle else 1)
    free = shutil.disk_usage(cache_dir()).free
    if needed > free:
        what = f"needs {needed / 1e9:.1f} GB of disk, {free / 1e9:.1f} GB are free"
        raise EmoError(what, offer.name, "make room, or set HF_HOME and EMOLLM_CACHE to another disk")


def _converted(offer: Offer, folder: Path) -> Path:
    """Return a folder of emollm's cache with the model's files, its pickle turned into safetensors."""
    origin = offer.revision or "-".join(str(int(file.stat().st_mtime)) for file in pickles(folder))
    target = cache_dir() / "models" / f"{offer.name.strip('/').replace('/', '--')}@{origin}"
    if (target / "model.safetensors").is_file():
        return target
    target.mkdir(parents=True, exist_ok=True)
    for file in offer.files:
        if any(fnmatch(file, pattern) for pattern in DATA) and file != INDEX:
            shutil.copyfile(folder / file, target / file)
    call = [sys.executable, "-m", "emollm.models.convert", str(folder), str(target / "model.safetensors")]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["it was stopped"])[-1]
        raise EmoError(f"the pickle cannot be converted: {reason}", offer.name, "take a model that has safetensors")
    return target
