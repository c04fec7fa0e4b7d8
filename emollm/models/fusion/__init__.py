"""Fusion blocks by name. A new one is a file with a `Fusion` class and a line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emollm.models.fusion.attention import AttentionFusion
from emollm.models.fusion.base import Fusion, FusionOutput
from emollm.models.fusion.conv_attention import ConvAttentionFusion
from emollm.models.fusion.none import NoFusion
from emollm.models.fusion.qformer import QFormerFusion

if TYPE_CHECKING:
    from collections.abc import Mapping

FUSIONS: Mapping[str, type[Fusion]] = {
    "attention": AttentionFusion,
    "conv_attention": ConvAttentionFusion,
    "none": NoFusion,
    "qformer": QFormerFusion,
}

__all__ = ["FUSIONS", "Fusion", "FusionOutput"]
