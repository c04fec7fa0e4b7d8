"""The `model` section of a recipe: either a saved model, or towers, adapters, fusion and decoder to compose one from.

Also the types and the strict base class that all sections share. Needs no torch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from emollm.paths import TINY

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Options = dict[str, Any]


class Section(BaseModel):
    """Frozen and strict: no unknown key, no text where a number is meant, no infinite number."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class Tower(Section):
    """An encoder: pretrained (`path`) or random (`config`)."""

    name: str
    """Kind of tower, as emollm/models/towers/ names it."""
    path: str | None = None
    """Hub name or folder of the pretrained encoder."""
    config: Options | None = None
    """Sizes of a randomly initialised encoder, in the words of its transformers config."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        _exactly_one(self.path, self.config)
        return self


class AudioTower(Tower):
    """Encoder of the sound."""

    name: str = "whisper"
    layers: Count = 1
    """Only with hubert, wav2vec2 and wavlm: average the states of so many last layers."""
    spec_augment: bool = False
    """Only with hubert, wav2vec2 and wavlm: mask spans of steps and channels while the tower is trained."""


class VideoTower(Tower):
    """Encoder of the picture, frame by frame (videomae: of the whole clip)."""

    name: str = "clip"
    tokens: Literal["pooled", "patches"] = "pooled"
    """What the adapter sees of a frame: one token, or every patch."""
    pool: Count = 1
    """Only with patches: average squares of so many patches a side into one token."""


class Tokenizer(Section):
    """A byte-level BPE tokenizer that is trained on the texts of the training records."""

    vocab_size: Annotated[int, Field(ge=300)]
    """Number of tokens, the 256 bytes and the special tokens included."""


class Decoder(Section):
    """The language model: pretrained with its own tokenizer (`path`), or random (`config`) with a new one (`tokenizer`)."""

    name: str = "qwen2"
    """Family, as emollm/models/decoders/ names it; Qwen2.5 is qwen2."""
    path: str | None = None
    """Hub name or folder of the pretrained language model."""
    config: Options | None = None
    """Sizes of a randomly initialised language model, in the words of its transformers config; `model_type` is needed."""
    tokenizer: Tokenizer | None = None
    """Only with `config`."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        _exactly_one(self.path, self.config)
        if (self.config is None) != (self.tokenizer is None):
            raise ValueError("`tokenizer` goes with `config`: give both, or a `path` alone")
        if self.config is not None and "model_type" not in self.config:
            raise ValueError("`config` needs `model_type`, such as qwen2")
        if self.config is not None and self.config["model_type"] != self.name:
            raise ValueError(
                f"`name` is {self.name}, but `config.model_type` {self.config['model_type']}: make them equal"
            )
        return self


class Adapter(Section):
    """What turns a tower's states into a fixed number of soft-prompt tokens; one for sound and one for picture."""

    name: str = "resampler"
    """Kind of adapter, as emollm/models/adapters/ names it."""
    audio_queries: Count = 8
    """Soft-prompt tokens of the sound."""
    video_queries: Count = 16
    """Soft-prompt tokens of the picture."""
    width: Count = 256
    layers: Count = 2
    heads: Count = 4
    standardise: bool = False
    """Standardise the towers' states first, by statistics that a stage with `objective: cues` gathers; for towers that start at random."""

    @model_validator(mode="after")
    def _divisible(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"`width` {self.width} is no multiple of `heads` {self.heads}")
        return self


class Fusion(Section):
    """What mixes sound and picture into tokens of their own, before the language model."""

    name: str = "attention"
    """Kind of fusion, as emollm/models/fusion/ names it; `none` makes no tokens."""
    queries: Annotated[int, Field(ge=0)] = 4
    """Soft-prompt tokens of the fusion."""
    softmax: bool | None = None
    """Only with attention and conv_attention: normalise the two weights; false is the form that AffectGPT released."""
    layers: Count | None = None
    """Only with conv_attention and qformer."""
    heads: Count | None = None
    """Only with qformer."""

    @model_validator(mode="after")
    def _tokens(self) -> Self:
        if (self.name == "none") != (self.queries == 0):
            raise ValueError("`queries` is 0 with fusion `none`, and only then")
        return self


class Parts(Section):
    """A model composed from two towers, adapters, a fusion and a language model."""

    path: None = None
    audio: AudioTower
    video: VideoTower
    text: Decoder
    adapter: Adapter = Adapter()
    fusion: Fusion = Fusion()
    frames: Count = 8
    """Frames of a clip that the video tower sees."""
    audio_window_s: Annotated[float, Field(gt=0, le=30)] = 30.0
    """Longest sound in seconds that the audio tower sees; the rest is cut off."""


class Omni(Section):
    """How an omni backbone (emollm/models/omni/) looks and listens, and holds its weights."""

    frames: Count = 16
    """Frames of a clip, evenly spaced."""
    max_pixels: Annotated[int, Field(ge=3136)] = 100_352
    """Pixels of a frame at most; two frames take a token for each 28 x 28 of them (Qwen3-Omni: 32 x 32)."""
    audio_window_s: Annotated[float, Field(gt=0, le=300)] = 30.0
    """Longest sound in seconds; the rest is cut off. Qwen2-Audio takes no more than 30."""
    weights: Literal["full", "4bit"] = "full"
    """4bit: the decoder's linear layers in NF4 by bitsandbytes, for smaller GPUs."""


class Saved(Section):
    """A model that emollm saved, which brings its parts along, or an omni backbone."""

    path: str
    """`tiny` (the bundled model), a run folder (its finished model), the folder of a checkpoint, or its hub name."""
    omni: Omni | None = None
    """Only with an omni backbone; null: as it was saved, else the defaults."""

    @property
    def place(self) -> str:
        """Folder of the checkpoint itself, or its hub name."""
        finished = Path(self.path) / "checkpoints" / "final"
        return str(TINY) if self.path == "tiny" else str(finished) if finished.is_dir() else self.path

    @model_validator(mode="before")
    @classmethod
    def _alone(cls, value: Any) -> Any:
        others = (
            [key for key in value if key != "path" and key in Parts.model_fields] if isinstance(value, dict) else []
        )
        if others:
            raise ValueError(f"`path` brings its own {', '.join(others)}: take them out, or write model={{path: ...}}")
        return value


def _kind_of_model(value: Any) -> str:
    """Tell the two kinds of model apart by their path."""
    path = value.get("path") if isinstance(value, dict) else value.path if isinstance(value, Saved | Parts) else None
    return "parts" if path is None else "saved"


Model = Annotated[
    Annotated[Saved, Tag("saved")] | Annotated[Parts, Tag("parts")],
    Discriminator(_kind_of_model),
]


def _exactly_one(path: str | None, config: Options | None) -> None:
    if (path is None) == (config is None):
        raise ValueError("give either `path` (pretrained) or `config` (random), one of the two")
