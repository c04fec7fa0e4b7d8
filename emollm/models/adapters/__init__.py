"""Adapters by name. A new one is a file with an `Adapter` class and a line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emollm.models.adapters.base import Adapter, AdapterOutput, FrameAdapter
from emollm.models.adapters.linear import Linear
from emollm.models.adapters.qformer import QFormer
from emollm.models.adapters.resampler import Resampler
from emollm.models.adapters.standardise import Standardise

if TYPE_CHECKING:
    from collections.abc import Mapping

ADAPTERS: Mapping[str, type[Adapter]] = {"linear": Linear, "qformer": QFormer, "resampler": Resampler}

__all__ = ["ADAPTERS", "Adapter", "AdapterOutput", "FrameAdapter", "Standardise"]
