"""Text from outside (transcripts, questions, names) can hold `<|clip|>` or chat control tokens: make it harmless, once, here.

A tokenizer turns the *string* `<|im_end|>` into the control token wherever it stands. So every outside text passes through `escape`
before it is put into a prompt; what a prompt holds as control tokens is then ours alone.
"""

from __future__ import annotations

import re

# Control tokens as the known families write them: <|...|>, <...> tags of turns and media, [INST], and Llama's <<SYS>>.
_CONTROL = re.compile(
    r"<\|(?=[^\n|]{0,64}\|>)|<(?=/?(?:s|pad|unk|bos|eos|mask|think|audio|video|image|start_of_turn|end_of_turn)>)|\[(?=/?INST\])|<(?=</?SYS>>)",
    re.IGNORECASE,
)
_INVISIBLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")


def escape(text: str, special_tokens: tuple[str, ...] = ()) -> str:
    """Return `text` with every control token broken by a space after its first character, on one line, without invisible characters.

    Args:
        text: Anything from outside.
        special_tokens: Further tokens of the tokenizer in use that must not occur.
    """
    text = _INVISIBLE.sub("", text)
    text = " ".join(text.split())
    text = _CONTROL.sub(lambda match: match.group()[0] + " " + match.group()[1:], text)
    for token in sorted(special_tokens, key=len, reverse=True):
        if token.strip() and len(token) > 1:
            text = text.replace(token, f"{token[0]} {token[1:]}")
    return text
