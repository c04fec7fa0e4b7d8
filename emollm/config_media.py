"""The `media` section of a recipe: which words and which pictures of a clip a model is given.

    media: {transcript: asr, recogniser: openai/whisper-small, face: crop}

What a model was trained with lies beside its weights, so that it is asked about clips in the same way later.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import ValidationError, model_validator

from emollm.config_model import Section
from emollm.errors import ConfigError
from emollm.jsonl import readable
from emollm.paths import whole_file

FILE = "emollm_media.json"


class MediaChoice(Section):
    """What a model is given of clips besides their sound."""

    transcript: Literal["file", "asr", "none"] = "file"
    """Words: the record's own; what `recogniser` hears, in their place; or no words at all, and no dialogue."""
    recogniser: str | None = None
    """Only, and always, with `transcript: asr`: a Whisper checkpoint, by its hub name or folder."""
    face: Literal["none", "crop", "file"] = "none"
    """Pictures: as they are; the largest face of each, found by OpenCV (emollm[face]); or those of the record's table of faces."""

    @model_validator(mode="after")
    def _recognised(self) -> Self:
        if (self.transcript == "asr") != (self.recogniser is not None):
            raise ValueError(
                "`recogniser` goes with `transcript: asr`, such as openai/whisper-small: give both, or neither"
            )
        return self


def saved_choice(folder: Path | str) -> MediaChoice:
    """Return what the model in a folder was trained with; the defaults where nothing is saved.

    Raises:
        ConfigError: The file holds something else.
    """
    file = Path(folder) / FILE
    if not file.is_file():
        return MediaChoice()
    try:
        return MediaChoice.model_validate_json(file.read_text(encoding="utf-8"))
    except ValidationError as error:
        raise ConfigError(readable(error), str(file), "take the file of the model as it was trained") from None


def save_choice(folder: Path, choice: MediaChoice) -> None:
    """Write what a model was trained with into its folder; nothing for the defaults."""
    if choice != MediaChoice():
        with whole_file(folder / FILE) as out:
            out.write(choice.model_dump_json(indent=2) + "\n")
