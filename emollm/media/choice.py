"""Whether this machine has what a `media` section asks for (emollm/config_media.py)."""

from __future__ import annotations

from emollm.config_media import MediaChoice
from emollm.media.faces import check_finder
from emollm.media.transcribe import check_recogniser


def check_tools(choice: MediaChoice) -> None:
    """Refuse a choice for which the face finder or the recogniser is missing, before hours are spent.

    Raises:
        ConfigError: OpenCV is not installed, or the recogniser is no Whisper checkpoint.
    """
    if choice.face == "crop":
        check_finder()
    if choice.recogniser is not None:
        check_recogniser(choice.recogniser)
