"""Options that commands share, each defined once."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class EngineName(StrEnum):
    """What answers: transformers or vLLM on this machine, or a server."""

    HF = "hf"
    VLLM = "vllm"
    OPENAI = "openai"


Model = Annotated[
    str, typer.Option("--model", help="tiny (bundled), a run folder, a checkpoint folder, or a hub name.")
]
Engine = Annotated[
    EngineName, typer.Option("--engine", help="hf (transformers), vllm (fast), or openai (a server, see --base-url).")
]
BaseUrl = Annotated[
    str | None,
    typer.Option(
        "--base-url", help="Server for --engine openai, up to /v1; its key: EMOLLM_API_KEY or OPENAI_API_KEY."
    ),
]
Distribution = Annotated[
    str | None,
    typer.Option("--distribution", help="How the model spreads over labels: samples:16, or choices (with --labels)."),
]
Embeddings = Annotated[
    str, typer.Option("--embeddings", help="Sentence encoder that compares statements: folder or hub name.")
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of sampling; greedy answers do not depend on it.")]
Temperature = Annotated[float, typer.Option("--temperature", min=0.0, help="0 is greedy.")]
Labels = Annotated[str | None, typer.Option("--labels", help="Closed set of labels, such as calm,worried,angry.")]
NoAudio = Annotated[bool, typer.Option("--no-audio", help="Do not let the model hear.")]
NoVideo = Annotated[bool, typer.Option("--no-video", help="Do not let the model see.")]
Transcript = Annotated[
    Path | None, typer.Option("--transcript", help="Text file with what the person in the clip says (one clip only).")
]


def split_labels(text: str | None) -> tuple[str, ...] | None:
    """Return the labels of a comma-separated list; None stays None.

    Raises:
        ConfigError: There is no label in it.
    """
    if text is None:
        return None
    labels = tuple(label for part in text.split(",") if (label := " ".join(part.split())))
    if not labels:
        from emollm.errors import ConfigError

        raise ConfigError("no label in the list", "--labels", "give labels with commas between, such as calm,worried")
    return labels
