"""What engines share that run a saved native model on this machine: all that comes before and after the model itself.

A request goes: decode the clip (evidence.py, memory.py) -> render the prompt -> [the model] -> parse (reading.py) -> prediction. A clip
that cannot be used becomes a prediction with status `error`; a clip with nothing to see, hear or read becomes `insufficient_evidence`
without asking the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from emollm import __version__
from emollm.engines import Request, Sampling
from emollm.engines.checkpoints import Checkpoint
from emollm.engines.decoding import Draft, Vocabulary
from emollm.engines.evidence import Evidence, MediaSettings
from emollm.engines.label_scores import label_scores
from emollm.engines.memory import Memory
from emollm.engines.reading import NOTHING_TO_SEE, answer_fields, failure_fields
from emollm.errors import ConfigError, EmoError
from emollm.media.choice import check_tools
from emollm.models.loading import weights_sha256
from emollm.prompts import grammar, prompt_sha256, render
from emollm.prompts.tasks import Message
from emollm.records import Prediction, Provenance, Seen

if TYPE_CHECKING:
    from emollm.models.configuration import EmoConfig
    from emollm.models.processor import EmoProcessor

MAX_SIDE_PX = 512
NOTHING_SEEN = Seen()


@dataclass(frozen=True)
class Row:
    """A request that is ready for the model: its text as the template writes it, and that text's tokens, both without pads."""

    request: Request
    evidence: Evidence
    messages: list[Message]
    prompt: str
    ids: list[int]


class LocalEngine:
    """A model folder, and how requests to it are prepared and its answers read.

    Args:
        checkpoint: The model.
        config: Its configuration.
        processor: Its processor.
        stop_ids: Tokens that end an answer.
        dtype: Number format that it runs in.
    """

    name: str
    adapter: str | None = None  # hash of the LoRA adapter that is on the model

    def __init__(
        self,
        checkpoint: Checkpoint,
        config: EmoConfig,
        processor: EmoProcessor,
        stop_ids: int | Sequence[int],
        dtype: str,
    ) -> None:
        self.checkpoint, self.processor, self.dtype = checkpoint, processor, dtype
        tokenizer, text = processor.tokenizer, config.text_config
        stop_ids = [stop_ids] if isinstance(stop_ids, int) else list(stop_ids)
        self.vocabulary = Vocabulary(tokenizer, stop_ids, text.vocab_size)
        self.special_tokens = tuple(tokenizer.all_special_tokens)
        self.longest = int(text.max_position_embeddings)
        self.media = MediaSettings(
            processor.num_frames,
            MAX_SIDE_PX,
            processor.audio_window_s,
            processor.feature_extractor.sampling_rate,
            **checkpoint.media.model_dump(),
        )
        check_tools(checkpoint.media)
        self.memory = Memory(self.media)
        self.weights_sha256 = weights_sha256(checkpoint.path)

    @property
    def identity(self) -> dict[str, Any]:
        """What of the model and its settings an answer depends on, besides the request and the sampling."""
        return {
            "engine": self.name,
            "model": self.checkpoint.name,
            "weights_sha256": self.weights_sha256,
            "dtype": self.dtype,
            **asdict(self.media),
        }

    def _prepare(self, request: Request, sampling: Sampling) -> Row | Prediction:
        """Return the row, or the prediction where the model need not or cannot be asked."""
        try:
            row = self._row(request, sampling)
        except EmoError as error:
            return self._prediction(request, sampling, **failure_fields(error, request))
        if row.evidence.is_empty:
            return self._prediction(
                request,
                sampling,
                status="insufficient_evidence",
                explanation=NOTHING_TO_SEE,
                seen=row.evidence.seen,
            )
        return row

    def _row(self, request: Request, sampling: Sampling) -> Row:
        """Decode the clip and render the prompt.

        Raises:
            EmoError: The clip cannot be used, or prompt and answer do not fit the model.
        """
        evidence = self.memory.gather(request)
        audio, video = evidence.audio is not None, evidence.frames is not None
        messages = render(
            evidence.record or request.record,
            request.task,
            audio=audio,
            video=video,
            transcript=request.transcript,
            special_tokens=self.special_tokens,
        )
        prompt = self.processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        ids = self.vocabulary.tokenizer(prompt, add_special_tokens=False)["input_ids"]
        length = len(ids) + self.processor.pads_for(audio, video)
        if length + sampling.max_new_tokens > self.longest:
            raise EmoError(
                f"the prompt has {length} tokens; with {sampling.max_new_tokens} for the answer that is more than "
                f"the model's {self.longest}",
                request.id,
                "shorten transcript and context, or leave them out",
            )
        return Row(request, evidence, messages, prompt, ids)

    def _tokens(self, texts: Sequence[str]) -> list[int]:
        """Return the token of each text.

        Raises:
            ConfigError: One is several tokens.
        """
        ids = [self.vocabulary.tokenizer.encode(text, add_special_tokens=False) for text in texts]
        if any(len(one) != 1 for one in ids):
            raise ConfigError(
                f"the model's tokenizer has no single tokens for {', '.join(texts)}", fix="use samples instead"
            )
        return [one[0] for one in ids]

    def _grammar(self, row: Row, sampling: Sampling) -> str | None:
        """Return the grammar of a row's answer; None for free text."""
        task = row.request.task
        if task.style == "text":
            return task.rules
        return grammar(task) if sampling.constrained else None

    def _read(self, row: Row, draft: Draft, sampling: Sampling) -> Prediction:
        """Turn what the model wrote into a prediction."""
        decode = self.vocabulary.decode
        raw = decode(draft.ids)
        scores, confidence = label_scores(raw, draft.ids, draft.probs, decode)
        before_cut = None if draft.cut_at is None else decode(draft.ids[: draft.cut_at])
        return self._prediction(
            row.request,
            sampling,
            seen=row.evidence.seen,
            prompt=prompt_sha256(row.messages),
            usage=draft.usage,
            **answer_fields(raw, row.request.task, before_cut=before_cut, scores=scores, confidence=confidence),
        )

    def _prediction(
        self,
        request: Request,
        sampling: Sampling,
        *,
        seen: Seen = NOTHING_SEEN,
        prompt: str | None = None,
        **fields: Any,
    ) -> Prediction:
        """Return a prediction with its provenance."""
        provenance = Provenance(
            model=self.checkpoint.name,
            weights_sha256=self.weights_sha256,
            adapter=self.adapter,
            engine=self.name,
            prompt_sha256=prompt,
            decode={**sampling.to_dict(), **asdict(self.media), "dtype": self.dtype},
            seed=request.seed,
            emollm=__version__,
            valid_for=self.checkpoint.valid_for,
        )
        return Prediction(id=request.id, task=request.task.name, seen=seen, provenance=provenance, **fields)
