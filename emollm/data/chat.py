"""Chats of other trainers' data files as records: questions and answers, media, preferences."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from emollm.data.leaf import Root
from emollm.data.tables import Line
from emollm.errors import EmoError
from emollm.records import QA, Preference, Record, Targets

_PLACEHOLDER = re.compile(r"<(?:video|audio|image)>\s*")
FACTS = {
    "file": "the data file below the root, where there are several",
    "strip": "what to cut off the beginning of media paths, such as /data/clips/, when they were absolute where the file was made",
}


def the_file(root: Root, *suffixes: str) -> str | None:
    """Return the data file: what `--set file=...` says, or the only one in the root."""
    names = root.files("", *suffixes)
    if not names and "file" not in root.options:
        root.missing(" or ".join(f"*{suffix}" for suffix in suffixes))
        return None
    return root.option("file", default=names[0] if len(names) == 1 else None)


def exchanges(
    messages: Any,
    where: str,
    keys: tuple[str, str] = ("role", "content"),
    users: Sequence[str] = ("user",),
    models: Sequence[str] = ("assistant",),
) -> list[QA]:
    """Return the questions and answers of a chat; placeholders of media and system texts are left out.

    Args:
        messages: A list of objects.
        where: Place of the chat, for errors.
        keys: Fields of who speaks, and what.
        users: Names of the asking side.
        models: Names of the answering side.

    Raises:
        EmoError: It is no list of messages in turn, or the last question has no answer.
    """
    if not isinstance(messages, list):
        raise EmoError("no list of messages", where, f"objects with {keys[0]} and {keys[1]}")
    pairs: list[QA] = []
    question: str | None = None
    for message in messages:
        who, said = (message.get(key) for key in keys) if isinstance(message, Mapping) else (None, None)
        if not isinstance(said, str) or who not in (*users, *models, "system"):
            raise EmoError(
                f"no message: {str(message)[:80]!r}",
                where,
                f"{keys[0]}: {', '.join((*users, *models))}; {keys[1]}: text",
            )
        if who == "system":
            continue
        if (who in users) != (question is None):
            raise EmoError("question and answer do not take turns", where, "one question, then one answer")
        if who in users:
            question = _PLACEHOLDER.sub("", said).strip()
        else:
            pairs.append(QA(question=question or "", answer=said))
            question = None
    if question is not None or not pairs:
        raise EmoError("a question without an answer", where, "each chat ends with the model's answer")
    return pairs


def chat_record(
    root: Root,
    line: Line,
    split: str,
    pairs: Sequence[QA],
    *,
    videos: Any = None,
    audios: Any = None,
    images: Any = None,
    rejected: str | None = None,
    key: str | None = None,
) -> Record:
    """Return a chat as a record: `targets.qa`, and `targets.preference` where a rejected last answer is given.

    Raises:
        EmoError: There is more than one video or sound, or a path leaves the root.
    """
    video, audio = (_one(root, value, line) for value in (videos, audios))
    choice = Preference(a=pairs[-1].answer, b=rejected, chosen="a") if rejected is not None else None
    return root.record(
        key or str(line.get("id") or f"{line.file}/{line.number}"),
        split,
        line,
        video=video,
        audio=audio,
        images=_paths(root, images, line),
        targets=Targets(qa=tuple(pairs), preference=choice),
    )


def _one(root: Root, value: Any, line: Line) -> str | None:
    paths = _paths(root, value, line)
    if len(paths) > 1:
        raise EmoError(f"{len(paths)} files of one kind", line.where, "a record has one video and one sound")
    return paths[0] if paths else None


def _paths(root: Root, value: Any, line: Line) -> list[str]:
    paths = [value] if isinstance(value, str) else value or []
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        raise EmoError(f"no media paths: {str(value)[:80]!r}", line.where, "a path, or a list of paths")
    return [path.removeprefix(root.options.get("strip", "")).removeprefix("./") for path in paths]
