"""The `vllm` engine: a saved native model under vLLM, in this process on a CPU, in vLLM's own processes on a GPU.

    engine = VLLMEngine(find_checkpoint("tiny"))
    for prediction in engine.generate(requests, Sampling()):
        ...

Requests join and leave the running batch one by one (continuous batching, Kwon et al. 2023, https://arxiv.org/abs/2309.06180), so an answer
is given as soon as it is finished, in no order; questions about one clip that follow each other share what was encoded and read of it.
Prompts, media, grammar and the reading of answers are those of the `hf` engine (local.py), and so are greedy answers: the same tokens, and
in float32 the same probabilities but for rounding. Sampled answers follow from the request's seed, too, but from other random numbers.

Needs the extra `serve` (GPU) or `serve-cpu`; the model's classes come to vLLM through the plugin emollm/serve. Omni models: vllm_omni.py.
Does not: spread one model over several machines.
"""

from __future__ import annotations

import math
import os
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from transformers import GenerationConfig

from emollm.engines import Finish, Request, Sampling
from emollm.engines.checkpoints import Checkpoint
from emollm.engines.decoding import CLOSING_TOKENS, Draft, seed_of
from emollm.engines.local import LocalEngine, Row
from emollm.engines.lora import Adapter, find_adapters, lora_options
from emollm.engines.reading import NOTHING_TO_SEE
from emollm.errors import ConfigError
from emollm.records import Prediction

CPU_CACHE_GIB = 1
GPU_SHARE = 0.85  # of the GPU's memory; vLLM fills its share with its cache
# CPU: attention over blocks of 32 tokens, the least there is, so that short prompts can share their beginning.
CPU_BLOCK_TOKENS = 32


class VLLMEngine(LocalEngine):
    """Answers requests with a saved native model.

    Args:
        checkpoint: The model.
        batch_size: Requests in the running batch.
        adapter: Folder of a LoRA adapter of the model (lora.py); it then answers all requests.

    Raises:
        ConfigError: vLLM is not installed, or cannot run this model or this adapter.
    """

    name = "vllm"
    options: Mapping[str, Any] = {}  # further ones of `vllm.LLM`

    def __init__(self, checkpoint: Checkpoint, batch_size: int = 64, adapter: Path | None = None) -> None:
        if find_spec("vllm") is None:
            fix = "install emollm[serve] for a GPU or emollm[serve-cpu] (docs/vllm.md), or use --engine hf"
            raise ConfigError("vLLM is not installed", "--engine vllm", fix)
        config, processor, stop_ids = self._parts(checkpoint)
        _check_heads(config.text_config, str(checkpoint.path))
        longest = int(config.text_config.max_position_embeddings)
        self._scratch = TemporaryDirectory(prefix="emollm-")
        made = find_adapters(checkpoint.path, {} if adapter is None else {"adapter": adapter}, Path(self._scratch.name))
        self.llm = open_vllm(checkpoint.path, longest, batch_size, **self.options, **lora_options(made))
        self._engine = self.llm.llm_engine
        dtype = str(self._engine.model_config.dtype).removeprefix("torch.")
        super().__init__(checkpoint, config, processor, stop_ids, dtype)
        self.batch_size = batch_size
        self._numbers = count()
        (self._lora,) = lora_requests(made) or [None]
        self.adapter = made[0].sha256 if made else None

    @property
    def identity(self) -> dict[str, Any]:
        """What of the model and its settings an answer depends on, besides the request and the sampling."""
        return super().identity if self.adapter is None else {**super().identity, "adapter": self.adapter}

    def generate(self, requests: Iterable[Request], sampling: Sampling) -> Iterator[Prediction]:
        """Answer requests as they finish; new ones are taken in as soon as there is room for them."""
        waiting, asked = iter(requests), dict[str, Row]()
        more = True
        try:
            while more or asked:
                while more and len(asked) < self.batch_size:
                    request = next(waiting, None)
                    more = request is not None
                    ready = None if request is None else self._prepare(request, sampling)
                    if isinstance(ready, Prediction):
                        yield ready
                    elif ready is not None:
                        asked[self._ask(ready, sampling)] = ready
                for done in self._engine.step() if asked else ():
                    if done.finished:
                        row = asked.pop(done.request_id)
                        yield self._read(row, self._draft(row, done, sampling), sampling)
        finally:  # who stops listening leaves no request behind
            self._engine.abort_request(list(asked))

    def stream(self, request: Request, sampling: Sampling) -> Generator[str, None, Finish]:
        """Answer one request piece by piece; whole characters only.

        Raises:
            EmoError: The clip cannot be used, or the prompt is too long.
        """
        row, shown = self._row(request, sampling), 0
        if row.evidence.is_empty:
            yield f"Insufficient evidence. {NOTHING_TO_SEE}"
            return Finish()
        number = self._ask(row, sampling, in_pieces=True)
        try:
            while self._engine.has_unfinished_requests():
                for done in self._engine.step():
                    draft = self._draft(row, done, sampling)
                    text = self.vocabulary.decode(draft.ids)
                    if not text.endswith("\ufffd") or done.finished:
                        yield text[shown:]
                        shown = len(text)
        finally:
            self._engine.abort_request([number])
        return Finish("stop" if draft.cut_at is None else "length", draft.usage)

    def first_token_probs(self, requests: Sequence[Request], texts: Sequence[str]) -> dict[str, list[float]]:
        """Return the probability of each text, which is one token, as an answer's first; not for clips that cannot be asked about."""
        from vllm import SamplingParams

        tokens, step = self._tokens(texts), Sampling(max_new_tokens=1)
        rows = [row for row in (self._prepare(request, step) for request in requests) if isinstance(row, Row)]
        params = SamplingParams(temperature=0, max_tokens=1, detokenize=False, logprob_token_ids=tokens)
        prompts = [self._prompt(row) for row in rows]
        done = self.llm.generate(prompts, params, use_tqdm=False, lora_request=self._lora)
        return {
            row.request.id: [math.exp(one.outputs[0].logprobs[0][token].logprob) for token in tokens]
            for row, one in zip(rows, done, strict=True)
        }

    def close(self) -> None:
        """End vLLM's processes and free the model's memory."""
        from vllm.distributed import cleanup_dist_env_and_memory

        self._engine.engine_core.shutdown()
        del self._engine, self.llm
        cleanup_dist_env_and_memory()
        self._scratch.cleanup()

    def _parts(self, checkpoint: Checkpoint) -> tuple[Any, Any, int | list[int]]:
        """Return a model's configuration, its processor, and the tokens that end an answer."""
        from emollm.models import EmoConfig, EmoProcessor

        path = checkpoint.path
        stop_ids = GenerationConfig.from_pretrained(path).eos_token_id
        return EmoConfig.from_pretrained(path), EmoProcessor.from_pretrained(path), stop_ids

    def _prompt(self, row: Row) -> dict[str, Any]:
        """Return a row as vLLM takes it."""
        return {"prompt_token_ids": row.ids, "multi_modal_data": media_of(row)}

    def _ask(self, row: Row, sampling: Sampling, in_pieces: bool = False) -> str:
        """Hand one row to vLLM; return the name under which its answer comes."""
        from vllm.renderers.inputs.preprocess import parse_model_prompt

        engine, number = self._engine, str(next(self._numbers))
        parsed = parse_model_prompt(engine.model_config, self._prompt(row))
        (ready,) = engine.renderer.render_cmpl([parsed], engine.renderer.default_cmpl_tok_params)
        engine.add_request(number, ready, self._params(row, sampling, in_pieces), lora_request=self._lora)
        return number

    def _params(self, row: Row, sampling: Sampling, in_pieces: bool) -> Any:
        """Return how vLLM draws an answer."""
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

        rules = self._grammar(row, sampling)
        return SamplingParams(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            max_tokens=sampling.max_new_tokens,
            seed=seed_of(row.request) if sampling.temperature else None,
            stop_token_ids=sorted(self.vocabulary.stop_ids),
            logprobs=0,  # of the token that was taken
            detokenize=False,
            structured_outputs=StructuredOutputsParams(grammar=rules) if rules else None,
            extra_args={"close_answer": rules is not None},
            output_kind=RequestOutputKind.CUMULATIVE if in_pieces else RequestOutputKind.FINAL_ONLY,
        )

    def _draft(self, row: Row, answer: Any, sampling: Sampling) -> Draft:
        """Return what vLLM has written so far.

        The answer counts as cut where a closing token was taken that was not the most probable one: nothing else does that to a greedy
        answer.
        """
        written = answer.outputs[0]
        ids = [token for token in written.token_ids if token not in self.vocabulary.stop_ids]
        chosen = [step[token] for token, step in zip(ids, written.logprobs, strict=False)]
        closing = range(max(0, sampling.max_new_tokens - CLOSING_TOKENS), len(ids))
        closed = self._grammar(row, sampling) is not None and bool(self.vocabulary.closers)
        forced = [i for i in closing if closed and chosen[i].rank > 1 and ids[i] in self.vocabulary.closers]
        cut_at = forced[0] if forced else len(ids) if written.finish_reason == "length" else None
        probs = [math.exp(token.logprob) for token in chosen]
        ended = written.finish_reason == "stop"
        return Draft(ids=ids, probs=probs, finished=ended, cut_at=cut_at, prompt_tokens=len(answer.prompt_token_ids))


def media_of(row: Row) -> dict[str, Any]:
    """Return a row's sound and picture by the names that the plugin knows."""
    audio, video = row.evidence.audio, row.evidence.frames
    if audio is not None and video is not None:
        return {"clip": {"audio": audio, "video": video}}
    return {name: value for name, value in (("audio", audio), ("video", video)) if value is not None}


def lora_requests(adapters: Sequence[Adapter]) -> list[Any]:
    """Return what a request of vLLM calls each adapter by."""
    from vllm.lora.request import LoRARequest

    return [LoRARequest(one.name, number, str(one.folder)) for number, one in enumerate(adapters, 1)]


def _check_heads(config: Any, where: str) -> None:
    """Raise where vLLM's attention on CPUs has no code for the width of the decoder's heads: it would end in an error of C++."""
    if not _set_environment():
        return
    from vllm.v1.attention.backends.cpu_attn import CPUAttentionBackend

    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    known = CPUAttentionBackend.get_supported_head_sizes()
    if width not in known:
        what = f"the decoder's attention heads are {width} wide; vLLM on a CPU has {', '.join(map(str, known))}"
        raise ConfigError(what, where, "use --engine hf")


def open_vllm(model: Path, longest: int, batch_size: int, **options: Any) -> Any:
    """Start vLLM with a native model, with the settings under which its answers are those of `hf`.

    Args:
        model: The model's folder.
        longest: Tokens of the longest prompt with its answer.
        batch_size: Requests in the running batch.
        options: Further ones of `vllm.LLM`.

    Returns:
        A `vllm.LLM`.
    """
    on_cpu = _set_environment()
    options["logits_processors"] = ["emollm.serve.closing:Closing"]
    if on_cpu:
        torch.compiler.set_stance("force_eager")
    from vllm import LLM

    return LLM(str(model), max_model_len=longest, max_num_seqs=batch_size, **native_settings(on_cpu), **options)


def native_settings(on_cpu: bool) -> dict[str, Any]:
    """Return the options of vLLM, here and in its server, under which a native model answers as under `hf`."""
    settings: dict[str, Any] = {"structured_outputs_config": {"backend": "xgrammar", "disable_any_whitespace": True}}
    if on_cpu:  # no process for the worker and nothing compiled: both take longer than most runs
        alone = {"enforce_eager": True, "distributed_executor_backend": "uni"}
        return {**settings, **alone, "dtype": "float32", "block_size": CPU_BLOCK_TOKENS}
    return {**settings, "dtype": "bfloat16", "gpu_memory_utilization": GPU_SHARE}


def native_environment(on_cpu: bool) -> dict[str, str]:
    """Return what vLLM reads from the environment: only warnings, on stderr, nothing sent anywhere, and the first model runner.

    The second runner takes another kind of logits processor than emollm/serve/closing.py is.
    """
    wanted = {"VLLM_LOGGING_LEVEL": "WARNING", "VLLM_LOGGING_STREAM": "ext://sys.stderr", "VLLM_NO_USAGE_STATS": "1"}
    wanted["VLLM_USE_V2_MODEL_RUNNER"] = "0"
    return {**wanted, "VLLM_CPU_KVCACHE_SPACE": str(CPU_CACHE_GIB)} if on_cpu else wanted


def _set_environment() -> bool:
    """Set what vLLM reads from the environment, where the user has not; tell whether it runs on a CPU. Goes before vLLM's import."""
    on_cpu = not torch.cuda.is_available()
    alone = {"VLLM_ENABLE_V1_MULTIPROCESSING": "0"} if on_cpu else {}
    for name, value in {**native_environment(on_cpu), **alone}.items():
        os.environ.setdefault(name, value)
    return on_cpu
