"""Audio tower: wav2vec 2.0 (Baevski et al. 2020, https://arxiv.org/abs/2006.11477) on raw 16 kHz waveforms of any length.

XLS-R and the emotion models that were fine-tuned from it are checkpoints of this kind, too; their heads are not used.
See `waveform.py` for `layers`, padding and SpecAugment.
"""

from __future__ import annotations

from transformers import Wav2Vec2Config, Wav2Vec2Model

from emollm.models.towers.waveform import WaveformTower


class Wav2Vec2Tower(WaveformTower):
    """The encoder of wav2vec 2.0."""

    citation = """@inproceedings{baevski2020wav2vec,
  title={wav2vec 2.0: A Framework for Self-Supervised Learning of Speech Representations},
  author={Baevski, Alexei and Zhou, Henry and Mohamed, Abdelrahman and Auli, Michael},
  booktitle={NeurIPS}, year={2020}
}"""
    model_type = "wav2vec2"
    config_class = Wav2Vec2Config
    model_class = Wav2Vec2Model
    unused_prefixes = (*WaveformTower.unused_prefixes, "quantizer.", "project_q.", "project_hid.")
