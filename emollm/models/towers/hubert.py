"""Audio tower: HuBERT (Hsu et al. 2021, https://arxiv.org/abs/2106.07447) on raw 16 kHz waveforms of any length.

`layers: 4` is what AffectGPT (Lian et al. 2025, https://arxiv.org/abs/2501.16566) feeds its audio branch; the states are taken as in
transformers 4, with which it was trained. See `waveform.py` for `layers`, padding and SpecAugment.
"""

from __future__ import annotations

from transformers import HubertConfig, HubertModel

from emollm.models.towers.waveform import WaveformTower


class HubertTower(WaveformTower):
    """HuBERT's encoder."""

    citation = """@article{hsu2021hubert,
  title={HuBERT: Self-Supervised Speech Representation Learning by Masked Prediction of Hidden Units},
  author={Hsu, Wei-Ning and Bolte, Benjamin and Tsai, Yao-Hung Hubert and Lakhotia, Kushal and others},
  journal={IEEE/ACM Transactions on Audio, Speech, and Language Processing}, volume={29}, year={2021}
}"""
    model_type = "hubert"
    config_class = HubertConfig
    model_class = HubertModel
