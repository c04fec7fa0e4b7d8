"""Tokenizers: add the media tokens to a pretrained one, or train a small byte-level BPE in code.

The small one splits text as Qwen2's tokenizer does (https://arxiv.org/abs/2407.10671), digit by digit, so that times
in answers are made of the same few tokens. It knows every byte: no text is out of vocabulary.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from emollm.errors import ConfigError
from emollm.models.configuration import MEDIA_TOKENS
from emollm.models.decoders import DECODERS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from transformers import PreTrainedTokenizerBase

_QWEN_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def add_media_tokens(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Add the markers and the pad token to a tokenizer, in place; those it knows already stay as they are.

    Returns:
        Ids of the tokens that are new.
    """
    known = tokenizer.get_vocab()
    new = [token for token in MEDIA_TOKENS if token not in known]
    tokenizer.add_tokens([AddedToken(token, special=True, normalized=False) for token in new], special_tokens=True)
    known = tokenizer.get_vocab()
    return [known[token] for token in new]


def train_tokenizer(texts: Iterable[str], vocab_size: int = 2000, decoder: str = "qwen2") -> PreTrainedTokenizerFast:
    """Train a small byte-level BPE tokenizer that knows the decoder's control tokens and the media tokens.

    Args:
        texts: Texts to learn from; the same texts give the same tokenizer.
        vocab_size: Largest vocabulary, bytes and special tokens included.
        decoder: Whose control tokens it gets.
    """
    family = DECODERS[decoder]
    end, padding = family.stop_tokens
    special = [*family.control_tokens, *MEDIA_TOKENS]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    if vocab_size < len(alphabet) + len(special):
        raise ConfigError(f"a vocabulary of {vocab_size} cannot hold all bytes", fix="use 300 or more")
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_QWEN_SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size, special_tokens=special, initial_alphabet=sorted(alphabet), show_progress=False
    )
    core.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        eos_token=end,
        pad_token=padding,
        extra_special_tokens=[token for token in special if token not in (end, padding)],
        clean_up_tokenization_spaces=False,
    )
