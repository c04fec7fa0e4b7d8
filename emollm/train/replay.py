"""Replay of general chats (`data.replay`), so that a decoder that learns emotions forgets less of what it could do.

    {"messages": [{"role": "user", "content": "What is a fjord?"}, {"role": "assistant", "content": "A long, narrow inlet of the sea."}]}

One chat a line, as the field's instruction data comes. They have no media, are mixed among the examples of each epoch, and teach their last
answer. Method: experience replay, Rolnick et al. 2019, https://arxiv.org/abs/1811.11682
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Self

from pydantic import Field, model_validator

from emollm.errors import EmoError
from emollm.jsonl import Row, read_rows
from emollm.prompts import escape
from emollm.prompts.tasks import Message
from emollm.records import Record

CHAT = "chat"  # stands in the plan where a task's name stands


class Turn(Row):
    """One message of a chat."""

    role: Literal["system", "user", "assistant"]
    content: str = Field(min_length=1)


class ChatRow(Row):
    """One line of a file of chats."""

    messages: tuple[Turn, ...] = Field(min_length=2)

    @model_validator(mode="after")
    def _ends_with_an_answer(self) -> Self:
        if self.messages[-1].role != "assistant":
            raise ValueError("the last message must be the assistant's: it is what is taught")
        return self


class Chat(Record):
    """A chat among the records: without media, and without anything to ask about."""

    messages: tuple[Turn, ...]


def read_chats(paths: Sequence[str]) -> list[Chat]:
    """Read files of chats; each chat is known by its file and number.

    Raises:
        EmoError: A file is missing, a line is no chat, or there are none.
    """
    chats = [
        Chat(id=f"{path}:{number}", messages=row.messages)
        for path in paths
        for number, row in enumerate(read_rows(path, ChatRow), 1)
    ]
    if not chats:
        raise EmoError("there are no chats", ", ".join(paths), "give a file with at least one, or take data.replay out")
    return chats


def chat_texts(chat: Chat, special_tokens: tuple[str, ...]) -> tuple[list[Message], str]:
    """Return the messages before the last answer, and that answer; both are text from outside, and escaped."""
    turns = [
        {"role": turn.role, "content": [{"type": "text", "text": escape(turn.content, special_tokens)}]}
        for turn in chat.messages[:-1]
    ]
    return turns, escape(chat.messages[-1].content, special_tokens)
