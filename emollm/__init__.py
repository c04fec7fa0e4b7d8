"""emollm: from a clip to open-vocabulary emotion labels and an explanation that names its cues.

import emollm
model = emollm.load("tiny")
answer = model.explain("clip.mp4")
print(answer.labels, answer.explanation)
"""

from __future__ import annotations

import os
from typing import Any

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"
__all__ = ["__version__", "explain", "label", "load"]


def __getattr__(name: str) -> Any:
    """Import `load`, `label` and `explain` when they are first used (PEP 562): `import emollm` stays light."""
    if name in {"load", "label", "explain"}:
        from emollm import api

        return getattr(api, name)
    raise AttributeError(f"module 'emollm' has no attribute {name!r}")
