"""The `hf` engine: a saved model under transformers, on this machine's CPU or GPU.

    engine = HFEngine(find_checkpoint("tiny"))
    for prediction in engine.generate(requests, Sampling()):
        ...

What comes before and after the model is in local.py; between them stand the processor and the decoding loop (decoding.py).
Requests are answered in batches that mix modalities, left-padded. A request that comes alone starts from what the last one about the same
clip has left (memory.py).

Does not: use several GPUs, merge LoRA adapters.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from itertools import islice

import torch
from transformers.utils import logging as transformers_logging

from emollm.engines import Finish, Request, Sampling
from emollm.engines.checkpoints import Checkpoint
from emollm.engines.decoding import Draft, new_draft, write
from emollm.engines.local import LocalEngine, Row
from emollm.engines.reading import NOTHING_TO_SEE
from emollm.models.loading import load
from emollm.records import Prediction


class HFEngine(LocalEngine):
    """Answers requests with a saved model.

    Args:
        checkpoint: The model.
        batch_size: Requests answered at once.
        device: Where the model runs; None takes the GPU if there is one.
    """

    name = "hf"

    def __init__(self, checkpoint: Checkpoint, batch_size: int = 8, device: str | None = None) -> None:
        transformers_logging.disable_progress_bar()
        self.batch_size = batch_size
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        dtype = torch.bfloat16 if self.device.type == "cuda" else torch.float32
        self.model, processor = load(checkpoint.path, dtype, self.device)
        stop_ids = self.model.generation_config.eos_token_id
        super().__init__(checkpoint, self.model.config, processor, stop_ids, str(dtype).removeprefix("torch."))

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

    def stream(self, request: Request, sampling: Sampling) -> Generator[str, None, Finish]:
        """Answer one request piece by piece; whole characters only.

        Raises:
            EmoError: The clip cannot be used, or the prompt is too long.
        """
        row = self._row(request, sampling)
        if row.evidence.is_empty:
            yield f"Insufficient evidence. {NOTHING_TO_SEE}"
            return Finish()
        draft, shown = self._draft(row, sampling), 0
        for _ in self._write([row], [draft], sampling):
            text = self.vocabulary.decode(draft.ids)
            if not text.endswith("\ufffd") or draft.finished:
                yield text[shown:]
                shown = len(text)
        return Finish("stop" if draft.cut_at is None else "length", draft.usage)  # for who asks (StopIteration.value)

    @torch.inference_mode()
    def first_token_probs(self, requests: Sequence[Request], texts: Sequence[str]) -> dict[str, list[float]]:
        """Return the probability of each text, which is one token, as an answer's first; not for clips that cannot be asked about."""
        tokens, step = self._tokens(texts), Sampling(max_new_tokens=1)
        rows = [row for row in (self._prepare(request, step) for request in requests) if isinstance(row, Row)]
        found: dict[str, list[float]] = {}
        for start in range(0, len(rows), self.batch_size):
            batch = rows[start : start + self.batch_size]
            inputs = self._inputs(batch)
            positions = (inputs["attention_mask"].cumsum(dim=1) - 1).clamp(min=0)
            logits = self.model(**inputs, position_ids=positions, logits_to_keep=1).logits[:, -1].float()
            logits = logits.masked_fill(self.vocabulary.forbidden.to(logits.device), float("-inf"))
            probs = logits.softmax(dim=1)[:, tokens].tolist()  # (batch, texts)
            found.update((row.request.id, one) for row, one in zip(batch, probs, strict=True))
        return found

    def close(self) -> None:
        """Free the model's memory."""
        del self.model

    @property
    def media_ids(self) -> set[int]:
        """Tokens that stand for media."""
        return {self.model.config.av_pad_token_id}

    def _inputs(self, rows: list[Row]) -> dict[str, torch.Tensor]:
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

    def _write(self, rows: list[Row], drafts: list[Draft], sampling: Sampling) -> Iterator[None]:
        """Write the drafts of one batch; of a row that comes alone, only what is new is read."""
        inputs = self._inputs(rows)
        if len(rows) > 1:
            yield from write(self.model, inputs, drafts, sampling, self.vocabulary)
            return
        ids, evidence = inputs["input_ids"][0].tolist(), rows[0].evidence
        media_end = max((place + 1 for place, token in enumerate(ids) if token in self.media_ids), default=0)
        rest, cache = self.memory.recall(evidence, inputs, media_end)
        yield from write(self.model, rest, drafts, sampling, self.vocabulary, cache)
        self.memory.keep(evidence, [*ids, *drafts[0].ids], cache)

    def _draft(self, row: Row, sampling: Sampling) -> Draft:
        return new_draft(row.request, sampling, self.vocabulary, self._grammar(row, sampling))

    def _answer(self, rows: list[Row], sampling: Sampling) -> Iterator[Prediction]:
        """Ask the model about one batch."""
        drafts = [self._draft(row, sampling) for row in rows]
        for _ in self._write(rows, drafts, sampling):
            pass
        for row, draft in zip(rows, drafts, strict=True):
            yield self._read(row, draft, sampling)
