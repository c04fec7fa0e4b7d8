"""`emollm merge`: one stand-alone checkpoint out of a run or an adapter. The work is in emollm/train/merge.py."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

EXAMPLES = """Examples:

  emollm merge runs/tiny-sft -o my-model

  emollm merge runs/tiny-sft/checkpoints/full -o my-model --dtype float32
"""


class Dtype(StrEnum):
    """Number formats of a checkpoint."""

    bfloat16 = "bfloat16"
    float32 = "float32"


def merge(
    source: Annotated[Path, typer.Argument(help="A run folder, or the folder of a stage's LoRA adapter inside one.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder to make.")],
    dtype: Annotated[Dtype, typer.Option("--dtype", help="Number format of the weights.")] = Dtype.bfloat16,
) -> None:
    """Write one checkpoint that needs neither the run folder nor PEFT."""
    from emollm.train.merge import merge as write

    typer.echo(str(write(source, output, dtype.value)))
