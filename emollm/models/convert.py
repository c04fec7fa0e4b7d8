"""Weights of a pickle become safetensors: `python -m emollm.models.convert FOLDER FILE.safetensors`, in a process of its own.

A pickle can run code when it is read. So it is read with torch's `weights_only`, which builds tensors and plain containers and refuses
everything else (https://docs.pytorch.org/docs/stable/generated/torch.load.html), and by a process that does nothing besides.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

INDEX = "pytorch_model.bin.index.json"


def pickles(folder: Path) -> list[Path]:
    """Return the pickled weight files of a model folder: those of its index, else the one."""
    if (folder / INDEX).is_file():
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        return [folder / Path(name).name for name in sorted(set(index["weight_map"].values()))]
    return [file for file in (folder / "pytorch_model.bin",) if file.is_file()]


def convert(folder: Path, target: Path) -> None:
    """Write the weights of a folder's pickles into one safetensors file.

    Args:
        folder: Holds `pytorch_model.bin`, or its shards and their index.
        target: File to make; written beside, then renamed.

    Raises:
        ValueError: There is no pickle, or it holds something that is no tensor.
        pickle.UnpicklingError: A pickle holds more than tensors and plain containers.
    """
    weights: dict[str, torch.Tensor] = {}
    for file in pickles(folder):
        state = torch.load(file, map_location="cpu", weights_only=True)
        wrong = [name for name, value in state.items() if not isinstance(value, torch.Tensor)]
        if wrong:
            raise ValueError(f"{file.name} holds more than weights: {', '.join(map(str, wrong[:5]))}")
        weights |= {name: tensor.clone().contiguous() for name, tensor in state.items()}  # tied ones apart
    if not weights:
        raise ValueError(f"no pytorch_model.bin in {folder}")
    beside = target.with_name(f".{target.name}.part")
    save_file(weights, beside, metadata={"format": "pt"})
    beside.rename(target)


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
