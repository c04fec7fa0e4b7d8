"""Audio tower: WavLM (Chen et al. 2022, https://arxiv.org/abs/2110.13900) on raw 16 kHz waveforms of any length.

HuBERT's training on sound that is mixed with other voices and noise, and attention with a gated bias that depends on the distance.
transformers computes its attention without a fused kernel: memory grows with the square of the length, 50 steps a second.
See `waveform.py` for `layers`, padding and SpecAugment.
"""

from __future__ import annotations

from transformers import WavLMConfig, WavLMModel

from emollm.models.towers.waveform import WaveformTower


class WavLMTower(WaveformTower):
    """WavLM's encoder."""

    citation = """@article{chen2022wavlm,
  title={WavLM: Large-Scale Self-Supervised Pre-Training for Full Stack Speech Processing},
  author={Chen, Sanyuan and Wang, Chengyi and Chen, Zhengyang and Wu, Yu and Liu, Shujie and Chen, Zhuo and others},
  journal={IEEE Journal of Selected Topics in Signal Processing}, volume={16}, number={6}, year={2022}
}"""
    model_type = "wavlm"
    config_class = WavLMConfig
    model_class = WavLMModel
