"""Synthetic talking-face clips whose emotion, cues and cause are known: for tests, the demo and the bundled tiny recipe.

A causal chain makes them (event -> appraisals -> emotion blend -> cues -> media -> simulated raters); `oracle` computes what an ideal
observer could reach. Nothing that is measured on these clips is evidence about real people.

Names are loaded when they are used, so that reading the vocabulary needs neither Pillow nor PyAV.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emollm.synth.generate import Made, generator_hash, make_synth, read_truth

__all__ = ["Made", "generator_hash", "make_synth", "read_truth"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("emollm.synth.generate"), name)
