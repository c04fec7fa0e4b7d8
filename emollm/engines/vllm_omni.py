"""The `vllm` engine for omni backbones: what omni.py is to the `hf` engine.

vLLM makes the tensors of sound and frames with the family's own processor in transformers, as the `hf` engine does, from media that were
fitted here; token positions are the `hf` engine's (emollm/serve/omni.py), and so are greedy answers.

Does not: Qwen3-Omni, Qwen2-Audio, four-bit weights, LoRA adapters beside the model.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from transformers import AutoConfig

from emollm.engines.checkpoints import Checkpoint
from emollm.engines.local import Row
from emollm.engines.omni import Within
from emollm.engines.vllm import VLLMEngine
from emollm.errors import ConfigError
from emollm.models.omni import family_of
from emollm.models.omni.loading import load_omni_processor, set_generation
from emollm.models.omni.processor import SHORTEST

ARCHITECTURES = {"qwen2_5_omni": "EmoQwen2_5Omni", "qwen2_5_vl": "EmoQwen2_5_VL"}
"""Family to the name of our class in vLLM (emollm/serve/plugin.py)."""


class VLLMOmniEngine(VLLMEngine):
    """Answers requests with an omni checkpoint; see `VLLMEngine`.

    Args:
        checkpoint: The model.
        batch_size: Requests in the running batch.
        adapter: Refused: adapters of omni backbones are merged first.

    Raises:
        ConfigError: vLLM is not installed, or cannot run this model as the `hf` engine does.
    """

    processor: Any  # of an omni family

    def __init__(self, checkpoint: Checkpoint, batch_size: int = 64, adapter: Path | None = None) -> None:
        family = check_family(checkpoint)
        if adapter is not None:
            fix = "merge it first: emollm merge"
            raise ConfigError("adapters of omni backbones are not put on by vLLM", f"--adapter {adapter}", fix)
        kinds = ("image", "audio", "video")
        self.options = {
            "hf_overrides": {"architectures": [ARCHITECTURES[family]]},
            "limit_mm_per_prompt": {kind: int(kind != "image") for kind in kinds},
        }
        super().__init__(checkpoint, batch_size)
        self.memory = Within(self.media, self.processor.modalities)

    @property
    def identity(self) -> dict[str, Any]:
        """What of the model and its settings an answer depends on, besides the request and the sampling."""
        return {**super().identity, "max_pixels": self.processor.look.max_pixels}

    def _parts(self, checkpoint: Checkpoint) -> tuple[Any, Any, int | list[int]]:
        """Return the thinker's configuration, its processor, and the tokens that end an answer."""
        config = AutoConfig.from_pretrained(checkpoint.path)
        processor = load_omni_processor(checkpoint.path, checkpoint.omni)
        return getattr(config, "thinker_config", config), processor, stop_tokens(processor.tokenizer)

    def _prompt(self, row: Row) -> dict[str, Any]:
        """Return a row as vLLM takes it: media fitted as the `hf` engine does, and how the family's processor is to take them."""
        media: dict[str, Any] = {}
        options: dict[str, Any] = {}
        sound, frames = row.evidence.audio, row.evidence.frames
        if sound is not None:
            media["audio"] = np.pad(sound, (0, max(0, SHORTEST - len(sound))))
        if frames is not None:
            picture = self.processor._fit(frames).numpy()  # (frames, 3, height, width)
            count, seconds = len(picture), row.evidence.picture_s
            fps = count / seconds if seconds > 0 else 2.0
            about = {"fps": fps, "duration": count / fps, "total_num_frames": count, "frames_indices": [*range(count)]}
            sees_alone = self.processor.modalities == ("video",)
            media["video"] = (
                (picture, about) if sees_alone else picture
            )  # Qwen2.5-VL reads the rate from beside the frames
            options = self.processor.video_options(fps, sound is not None)
            if sound is not None:
                options["second_per_grid_ts"] = [self.processor.video_processor.temporal_patch_size / fps]
        return {"prompt_token_ids": row.ids, "multi_modal_data": media, "mm_processor_kwargs": options}


def check_family(checkpoint: Checkpoint) -> str:
    """Return the family of an omni checkpoint.

    Raises:
        ConfigError: vLLM cannot run it as the `hf` engine does.
    """
    family, where = str(family_of(checkpoint.path)), str(checkpoint.path)
    if family not in ARCHITECTURES:
        what = f"the engine `vllm` runs {', '.join(ARCHITECTURES)} and native models, and this is {family}"
        raise ConfigError(what, where, "use --engine hf, or a server that runs it and --engine openai")
    if checkpoint.omni is not None and checkpoint.omni.weights != "full":
        raise ConfigError("the engine `vllm` takes full weights", where, "write `weights: full`, or use --engine hf")
    return family


def stop_tokens(tokenizer: Any) -> list[int]:
    """Return the tokens that end an answer: those that the `hf` engine sets on the model."""
    model = SimpleNamespace(generation_config=SimpleNamespace())
    set_generation(model, SimpleNamespace(tokenizer=tokenizer))
    ids: list[int] = model.generation_config.eos_token_id
    return ids
