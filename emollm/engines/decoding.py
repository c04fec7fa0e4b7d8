"""The decoding loop: a batch of prompts, one token a step for each, under a grammar where the task has one.

Each row has its own grammar and its own random numbers, so an answer does not depend on what else is in the batch: greedy answers are
the same for every batch size as far as the model's arithmetic is, and a sampled answer draws from a generator of its own.

- The grammar is enforced with xgrammar's token bitmask (Dong et al. 2024, https://arxiv.org/abs/2411.15100). Media and chat tokens are
  never written: a media token would be a placeholder without media.
- Near the end of the budget a JSON answer is closed: of the tokens that the grammar allows, one that closes a thought, text, list or
  object is taken, so that the answer can be read. Such an answer is marked as cut.
- Recorded probabilities are those under the mask, at temperature 1, whatever the sampling temperature.

Does not: beam search, speculative decoding, dropping rows that have finished.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import torch
import xgrammar
from transformers import DynamicCache, PreTrainedTokenizerBase

from emollm.engines import Request, Sampling
from emollm.models.modeling import EmoForConditionalGeneration
from emollm.records import Usage

# Tokens that closing an answer can take when each character is a token: the rest of a label, then the keys that are still due.
CLOSING_TOKENS = 112


@dataclass
class Draft:
    """One answer while it is written.

    Attributes:
        matcher: Where the answer stands in its grammar; None for free text.
        generator: Its own random numbers; None for greedy decoding.
        ids: Tokens so far, without the one that ends the answer.
        probs: Probability of each of them.
        finished: It has ended by itself.
        cut_at: Number of tokens after which the budget ended it or made it close early; None when it did not.
        prompt_tokens: Tokens that the model has read, media included.
    """

    matcher: xgrammar.GrammarMatcher | None = None
    generator: torch.Generator | None = None
    ids: list[int] = field(default_factory=list)
    probs: list[float] = field(default_factory=list)
    finished: bool = False
    cut_at: int | None = None
    prompt_tokens: int = 0

    @property
    def usage(self) -> Usage:
        """Tokens read and written, the one that ended the answer included."""
        return Usage(prompt_tokens=self.prompt_tokens, completion_tokens=len(self.ids) + self.finished)


class Vocabulary:
    """A tokenizer as decoding needs it: which tokens end an answer, which close it, which are never written; compiled grammars.

    Args:
        tokenizer: The model's tokenizer.
        stop_ids: Tokens that end an answer.
        size: Width of the model's output; ids that the tokenizer lacks are never written.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, stop_ids: Sequence[int], size: int) -> None:
        self.tokenizer, self.stop_ids, self.size = tokenizer, frozenset(stop_ids), size
        self.forbidden = torch.zeros(size, dtype=torch.bool)
        self.forbidden[never_written(tokenizer, stop_ids, size)] = True
        self.closers = closing_tokens(tokenizer)
        info = xgrammar.TokenizerInfo.from_huggingface(tokenizer, vocab_size=size, stop_token_ids=list(stop_ids))
        self.compile = lru_cache(maxsize=64)(xgrammar.GrammarCompiler(info, max_threads=1).compile_grammar)

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of tokens."""
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False))


def never_written(tokenizer: PreTrainedTokenizerBase, stop_ids: Sequence[int], size: int) -> list[int]:
    """Return the tokens that no answer holds: media and chat tokens, and outputs of the model that are no token of the tokenizer's."""
    special = set(tokenizer.all_special_ids) | set(tokenizer.added_tokens_decoder)
    return sorted((special | set(range(len(tokenizer), size))) - set(stop_ids))


def closing_tokens(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Return the tokens of `]`, `}`, `"` and `<`; none of them where one is not a single token."""
    ids = [tokenizer.encode(text, add_special_tokens=False) for text in ("]", "}", '"', "<")]
    return [one[0] for one in ids] if all(len(one) == 1 for one in ids) else []


def new_draft(request: Request, sampling: Sampling, vocabulary: Vocabulary, grammar: str | None) -> Draft:
    """Return an empty answer; its random numbers follow from the request's seed, id and task alone."""
    matcher = None if grammar is None else xgrammar.GrammarMatcher(vocabulary.compile(grammar))
    if sampling.temperature == 0:
        return Draft(matcher)
    return Draft(matcher, torch.Generator().manual_seed(seed_of(request)))


def seed_of(request: Request) -> int:
    """Return the seed of a sampled answer: one for each question about each clip, whatever else is asked beside it."""
    name = f"{request.seed}\0{request.id}\0{request.task.name}\0{request.task.question}"
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)


@torch.inference_mode()
def write(
    model: EmoForConditionalGeneration,
    inputs: Mapping[str, torch.Tensor],
    drafts: Sequence[Draft],
    sampling: Sampling,
    vocabulary: Vocabulary,
    cache: DynamicCache | None = None,
) -> Iterator[None]:
    """Write all drafts; control comes back after each step, so that a caller can show text as it grows.

    Args:
        model: In eval mode.
        inputs: Left-padded `input_ids` and `attention_mask` (batch, length), and the media tensors.
        drafts: One for each row; they are filled in.
        sampling: Temperature, nucleus and budget.
        vocabulary: Of the model's tokenizer.
        cache: What the model has read of the prompts already; `input_ids` are then the rest of them, the mask is whole.
    """
    cache = DynamicCache() if cache is None else cache
    mask = inputs["attention_mask"]  # (batch, length so far)
    for draft, length in zip(drafts, mask.sum(dim=1).tolist(), strict=True):
        draft.prompt_tokens = length
    positions = (mask.cumsum(dim=1) - 1).clamp(min=0)[:, cache.get_seq_length() :]  # (batch, length of this step)
    step: dict[str, Any] = {name: value for name, value in inputs.items() if name != "attention_mask"}
    for left in range(sampling.max_new_tokens, 0, -1):
        out = model(
            **step,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        tokens = _advance(out.logits[:, -1].float(), drafts, sampling, vocabulary, left)
        yield
        if all(draft.finished for draft in drafts):
            return
        step = {"input_ids": torch.tensor(tokens, device=mask.device).unsqueeze(1)}  # (batch, 1)
        mask = torch.cat([mask, mask.new_ones(len(drafts), 1)], dim=1)
        positions = positions[:, -1:] + 1
    for draft in drafts:
        if not draft.finished and draft.cut_at is None:
            draft.cut_at = len(draft.ids)


def _advance(
    logits: torch.Tensor, drafts: Sequence[Draft], sampling: Sampling, vocabulary: Vocabulary, left: int
) -> list[int]:
    """Choose the next token of each draft out of logits (batch, vocabulary); finished drafts get one that is not looked at."""
    scores = _mask(logits, drafts, vocabulary).cpu()
    tokens = []
    for draft, row in zip(drafts, scores, strict=True):  # row: (vocabulary,)
        if draft.finished:
            tokens.append(min(vocabulary.stop_ids))
            continue
        token = int(row.argmax()) if draft.generator is None else _sample(row, sampling, draft.generator)
        closing = closer(row, vocabulary.closers) if draft.matcher and left <= CLOSING_TOKENS else None
        if closing is not None and closing != token:
            token = closing
            draft.cut_at = len(draft.ids) if draft.cut_at is None else draft.cut_at
        if draft.matcher is not None and not draft.matcher.accept_token(token):
            raise RuntimeError(f"token {token} is not what the grammar allows")
        draft.finished = token in vocabulary.stop_ids
        if not draft.finished:
            draft.ids.append(token)
            draft.probs.append(float((row - row.logsumexp(dim=0))[token].exp()))
        tokens.append(token)
    return tokens


def _mask(logits: torch.Tensor, drafts: Sequence[Draft], vocabulary: Vocabulary) -> torch.Tensor:
    """Return logits (batch, vocabulary) with minus infinity for every token that must not be written."""
    scores = logits.masked_fill(vocabulary.forbidden.to(logits.device), float("-inf"))
    rows = [i for i, draft in enumerate(drafts) if draft.matcher is not None and not draft.finished]
    if rows:
        bits = xgrammar.allocate_token_bitmask(len(drafts), vocabulary.size)  # (batch, vocabulary / 32)
        for i in rows:
            drafts[i].matcher.fill_next_token_bitmask(bits, i)  # type: ignore[union-attr]
        xgrammar.apply_token_bitmask_inplace(scores, bits.to(scores.device), indices=rows)
    return scores


def closer(row: torch.Tensor, closers: Sequence[int]) -> int | None:
    """Return the token that closes the thought, text, list or object that scores (vocabulary,) are about; None where nothing can be closed.

    Args:
        row: Scores under the grammar: minus infinity for what it does not allow.
        closers: What `closing_tokens` gave.
    """
    if not closers:
        return None
    bracket, brace, quote, tag = closers
    allowed = [token for token in closers if row[token] > float("-inf")]
    if (
        bracket in allowed and tag in allowed
    ):  # inside a text: every character is allowed, but a brace in a thought and a quote at the start
        return tag if brace not in allowed else quote if quote in allowed else None
    return allowed[0] if allowed and allowed != [tag] else None


def _sample(row: torch.Tensor, sampling: Sampling, generator: torch.Generator) -> int:
    """Draw a token out of the nucleus (Holtzman et al. 2020, https://arxiv.org/abs/1904.09751) of scores (vocabulary,)."""
    probs, order = (row.double() / sampling.temperature).softmax(dim=0).sort(descending=True, stable=True)
    total = probs.cumsum(dim=0)  # (vocabulary,)
    kept = int((total - probs < sampling.top_p).sum())
    point = torch.rand((), generator=generator, dtype=torch.float64) * total[kept - 1]
    return int(order[min(int(torch.searchsorted(total, point, right=True)), kept - 1)])
