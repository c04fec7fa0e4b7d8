"""Audio and video towers by name. A new one is a file with a `Tower` class and a line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emollm.models.towers.base import AudioTower, Tower
from emollm.models.towers.clip import ClipTower
from emollm.models.towers.dinov2 import Dinov2Tower
from emollm.models.towers.hubert import HubertTower
from emollm.models.towers.siglip import SiglipTower
from emollm.models.towers.videomae import VideoMAETower
from emollm.models.towers.wav2vec2 import Wav2Vec2Tower
from emollm.models.towers.wavlm import WavLMTower
from emollm.models.towers.whisper import WhisperTower

if TYPE_CHECKING:
    from collections.abc import Mapping

AUDIO_TOWERS: Mapping[str, type[AudioTower]] = {
    "hubert": HubertTower,
    "wav2vec2": Wav2Vec2Tower,
    "wavlm": WavLMTower,
    "whisper": WhisperTower,
}
VIDEO_TOWERS: Mapping[str, type[Tower]] = {
    "clip": ClipTower,
    "dinov2": Dinov2Tower,
    "siglip": SiglipTower,
    "videomae": VideoMAETower,
}

__all__ = ["AUDIO_TOWERS", "VIDEO_TOWERS", "AudioTower", "Tower"]
