"""The `hf` engine: a saved model under transformers, on this machine's CPU or GPU.

    engine = HFEngine(find_checkpoint("tiny"))
    for prediction in engine.generate(requests, Sampling()):
        ...

A request goes: decode the clip (evidence.py) -> render the prompt -> processor -> decoding loop (decoding.py) -> parse -> prediction.
Requests are answered in batches that mix modalities, left-padded. A clip that cannot be used becomes a prediction with status `error`; a
clip with nothing to see, hear or read becomes `insufficient_evidence` without asking the model.

Does not: cache clips, use several GPUs, merge LoRA adapters.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

import torch
from transformers.utils import logging as transformers_logging

from emollm import __version__
from emollm.engines import Request, Sampling
from emollm.engines.checkpoints import Checkpoint
from emollm.engines.decoding import Draft, Vocabulary, new_draft, write
from emollm.engines.evidence import Evidence, MediaSettings, gather
from emollm.engines.label_scores import label_scores
from emollm.errors import EmoError
from emollm.models.loading import load, weights_sha256
from emollm.prompts import Parsed, grammar, parse, prompt_sha256, render
from emollm.prompts.tasks import Message
from emollm.records import Failure, PredictedLabel, Prediction, Provenance, Seen

MAX_SIDE_PX = 512
NOTHING_SEEN = Seen()
NOTHING_TO_SEE = (
    "There is nothing to see, to hear or to read in this clip, "
    "so nothing can be said about what the person appears to express."
)

# JSON escapes of UTF-16 halves: alone they are no text, and models have no need of them.
_HALF_CHARACTER = re.compile(r"(?<!\\)((?:\\\\)*)\\u[dD][89a-fA-F][0-9a-fA-F]{2}")


@dataclass(frozen=True)
class _Row:
    """A request that is ready for the model."""

    request: Request
    evidence: Evidence
    messages: list[Message]
    prompt: str


class HFEngine:
    """Answers requests with a saved model.

    Args:
        checkpoint: The model.
        batch_size: Requests answered at once.
        device: Where the model runs; None takes the GPU if there is one.
    """

    name = "hf"

    def __init__(self, checkpoint: Checkpoint, batch_size: int = 8, device: str | None = None) -> None:
        transformers_logging.disable_progress_bar()
        self.checkpoint, self.batch_size = checkpoint, batch_size
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        dtype = torch.bfloat16 if self.device.type == "cuda" else torch.float32
        self.model, self.processor = load(checkpoint.path, dtype, self.device)
        tokenizer, config = self.processor.tokenizer, self.model.config.text_config
        stop_ids = self.model.generation_config.eos_token_id
        self.vocabulary = Vocabulary(
            tokenizer, [stop_ids] if isinstance(stop_ids, int) else stop_ids, config.vocab_size
        )
        self.special_tokens = tuple(tokenizer.all_special_tokens)
        self.longest = int(config.max_position_embeddings)
        self.media = MediaSettings(
            self.processor.num_frames,
            MAX_SIDE_PX,
            self.processor.audio_window_s,
            self.processor.feature_extractor.sampling_rate,
        )
        self.weights_sha256 = weights_sha256(checkpoint.path)

    @property
    def identity(self) -> dict[str, Any]:
        """What of the model and its settings an answer depends on, besides the request and the sampling."""
        return {
            "engine": self.name,
            "model": self.checkpoint.name,
            "weights_sha256": self.weights_sha256,
            "dtype": str(self.model.dtype).removeprefix("torch."),
            **asdict(self.media),
        }

    def generate(self, requests: Iterable[Request], sampling: Sampling) -> Iterator[Prediction]:
        """Answer requests batch by batch; those that fail come first within their batch."""
        waiting = iter(requests)
        while batch := list(islice(waiting, self.batch_size)):
            rows = []
            for request in batch:
                ready = self._prepare(request, sampling)
                if isinstance(ready, Prediction):
                    yield ready
                else:
                    rows.append(ready)
            if rows:
                yield from self._answer(rows, sampling)

    def stream(self, request: Request, sampling: Sampling) -> Iterator[str]:
        """Answer one request piece by piece; whole characters only.

        Raises:
            EmoError: The clip cannot be used, or the prompt is too long.
        """
        row = self._row(request, sampling)
        if row.evidence.is_empty:
            yield f"Insufficient evidence. {NOTHING_TO_SEE}"
            return
        draft, shown = self._draft(row, sampling), 0
        for _ in write(self.model, self._inputs([row]), [draft], sampling, self.vocabulary):
            text = self.vocabulary.decode(draft.ids)
            if not text.endswith("\ufffd") or draft.finished:
                yield text[shown:]
                shown = len(text)

    def close(self) -> None:
        """Free the model's memory."""
        del self.model

    def _prepare(self, request: Request, sampling: Sampling) -> _Row | Prediction:
        """Return the row, or the prediction where the model need not or cannot be asked."""
        try:
            row = self._row(request, sampling)
        except EmoError as error:
            failure = Failure(code=error.code, what=_whole(error, request), fix=error.fix)
            return self._prediction(request, sampling, status="error", error=failure)
        if row.evidence.is_empty:
            return self._prediction(
                request,
                sampling,
                status="insufficient_evidence",
                explanation=NOTHING_TO_SEE,
                seen=row.evidence.seen,
            )
        return row

    def _row(self, request: Request, sampling: Sampling) -> _Row:
        """Decode the clip and render the prompt.

        Raises:
            EmoError: The clip cannot be used, or prompt and answer do not fit the model.
        """
        evidence = gather(request, self.media)
        audio, video = evidence.audio is not None, evidence.frames is not None
        messages = render(
            request.record,
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
        return _Row(request, evidence, messages, prompt)

    def _inputs(self, rows: list[_Row]) -> dict[str, torch.Tensor]:
        """Return the model's inputs for one batch."""
        made = self.processor(
            text=[row.prompt for row in rows],
            audio=[row.evidence.audio for row in rows],
            videos=[row.evidence.frames for row in rows],
            padding_side="left",
        )
        return {
            name: value.to(self.device, self.model.dtype if value.is_floating_point() else None)
            for name, value in made.items()
        }

    def _draft(self, row: _Row, sampling: Sampling) -> Draft:
        task = row.request.task
        rules = grammar(task) if sampling.constrained and task.style != "text" else None
        return new_draft(row.request, sampling, self.vocabulary, rules)

    def _answer(self, rows: list[_Row], sampling: Sampling) -> Iterator[Prediction]:
        """Ask the model about one batch."""
        drafts = [self._draft(row, sampling) for row in rows]
        for _ in write(self.model, self._inputs(rows), drafts, sampling, self.vocabulary):
            pass
        for row, draft in zip(rows, drafts, strict=True):
            yield self._read(row, draft, sampling)

    def _read(self, row: _Row, draft: Draft, sampling: Sampling) -> Prediction:
        """Turn what the model wrote into a prediction."""
        raw, task = self.vocabulary.decode(draft.ids), row.request.task
        cut = draft.cut_at is not None
        parsed = parse(_HALF_CHARACTER.sub(r"\1\\ufffd", raw), task, truncated=cut)
        answer = parsed.answer
        scores, confidence = label_scores(raw, draft.ids, draft.probs, self.vocabulary.decode)
        source = None if confidence is None else "token"
        if answer.confidence is not None and not cut:
            confidence, source = answer.confidence, "verbalised"
        status, failure = _status(
            parsed, self.vocabulary.decode(draft.ids[: draft.cut_at]) if cut else None, task.style == "text"
        )
        return self._prediction(
            row.request,
            sampling,
            status=status,
            labels=tuple(PredictedLabel(text=label, score=scores.get(label)) for label in answer.labels),
            explanation=answer.explanation or None,
            cues=answer.cues,
            confidence=confidence if answer.labels else None,
            confidence_source=source if answer.labels else None,
            raw=raw,
            parse="truncated" if cut and parsed.status == "ok" else parsed.status,
            error=failure,
            seen=row.evidence.seen,
            prompt=prompt_sha256(row.messages),
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
            engine=self.name,
            prompt_sha256=prompt,
            decode={**sampling.to_dict(), **asdict(self.media), "dtype": self.identity["dtype"]},
            seed=request.seed,
            emollm=__version__,
            valid_for=self.checkpoint.valid_for,
        )
        return Prediction(id=request.id, task=request.task.name, seen=seen, provenance=provenance, **fields)


def _status(parsed: Parsed, before_cut: str | None, free_text: bool) -> tuple[str, Failure | None]:
    """Tell whether there is an answer: no labels mean insufficient evidence only when the model itself said so.

    Args:
        parsed: What was read.
        before_cut: What the model wrote before it was cut; None when it was not.
        free_text: The answer is words, not labels.
    """
    if parsed.answer.labels or (free_text and parsed.answer.explanation):
        return "ok", None
    if before_cut is not None and '"labels":[]' not in before_cut:
        fix = "raise the budget of tokens (max_new_tokens)"
        return "error", Failure(code="truncated", what="the answer was cut off before it held a label", fix=fix)
    if parsed.status == "failed":
        return "error", Failure(code="unreadable_answer", what="the model's text holds no answer", fix="see `raw`")
    return "insufficient_evidence", None


def _whole(error: EmoError, request: Request) -> str:
    """Return what is wrong, and where if the request's id does not tell it, on one line."""
    return error.what if error.where in (None, request.id) else f"{error.where}: {error.what}"
