"""Closing an answer before its budget ends, inside vLLM: the rule of engines/decoding.py, so that both engines give the same answer.

A request asks for it by `extra_args={"close_answer": True}`. It needs vLLM's V1 model runner (`VLLM_USE_V2_MODEL_RUNNER=0`, the only one
there is on CPUs): the second runner takes another kind of logits processor.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from vllm import SamplingParams
from vllm.config import VllmConfig
from vllm.tokenizers import cached_tokenizer_from_config
from vllm.v1.sample.logits_processor import AdapterLogitsProcessor

from emollm.engines.decoding import CLOSING_TOKENS, closer, closing_tokens


class Closing(AdapterLogitsProcessor):
    """Near the end of the budget, takes the token that closes a text, list or object, where the grammar allows one.

    Args:
        vllm_config: All that vLLM knows of this run.
        device: Where the logits are.
        is_pin_memory: Not used.
    """

    def __init__(self, vllm_config: VllmConfig, device: torch.device, is_pin_memory: bool) -> None:
        super().__init__(vllm_config, device, is_pin_memory)
        self.closers = closing_tokens(cached_tokenizer_from_config(vllm_config.model_config))

    def is_argmax_invariant(self) -> bool:
        """Say no: it changes which token is the best."""
        return False

    def new_req_logits_processor(self, params: SamplingParams) -> Any:
        """Return what changes the scores of one request; None for one that is not to be closed."""
        asked = (params.extra_args or {}).get("close_answer")
        return partial(self._close, params.max_tokens) if asked and self.closers else None

    def _close(self, budget: int, written: list[int], scores: torch.Tensor) -> torch.Tensor:
        """Leave only the closing token of scores `(vocabulary,)`, if the end is near and there is one."""
        token = closer(scores, self.closers) if budget - len(written) <= CLOSING_TOKENS else None
        if token is None:
            return scores
        only = torch.full_like(scores, float("-inf"))
        only[token] = scores[token]
        return only
