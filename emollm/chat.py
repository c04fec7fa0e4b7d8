"""A conversation about one clip: lines go in, text comes out. `emollm chat` is this class with a terminal around it.

    session = Session(engine, record_of("clip.mp4"), model="tiny")
    for piece in session.reply("Why does she hesitate?"):
        ...

A line that starts with `/` is a command, any other line is a question, asked with the questions and answers before it. Changing what the
model may see, hear or read forgets them: they were about other evidence. `/labels` and `/why` ask for an answer of their own, and leave the
conversation as it is. Everything that was said can be saved, forgotten or not.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from emollm import __version__
from emollm.config_yaml import nearest
from emollm.engines import Engine, Request, Sampling
from emollm.errors import ConfigError, EmoError
from emollm.paths import whole_file
from emollm.prompts import TASKS, Exchange, Task
from emollm.records import MediaRef, Record, TextLine
from emollm.report.show import prediction_text

FORGOTTEN = "The conversation starts anew.\n"


class Session:
    """What was said about a clip, and what the model may see, hear and read of it.

    Args:
        engine: Who answers.
        record: The clip.
        sampling: How answers are drawn.
        model: Name of the model, for the saved file.
        seed: Of sampling.
        audio: Let the model hear.
        video: Let the model see.
    """

    def __init__(
        self,
        engine: Engine,
        record: Record,
        sampling: Sampling | None = None,
        *,
        model: str = "",
        seed: int = 0,
        audio: bool = True,
        video: bool = True,
    ) -> None:
        self.engine, self.record, self.sampling = engine, record, sampling or Sampling()
        self.model, self.seed = model, seed
        self.given = {"video": video, "audio": audio, "transcript": True}
        self.history: tuple[Exchange, ...] = ()
        self.log: list[dict[str, Any]] = []
        self.ended = False
        self.commands: dict[str, tuple[Callable[[str], Iterator[str]], str]] = {
            "/video": (self._video, "[FILE | on | off]  show, change or switch what the model sees"),
            "/audio": (self._audio, "[FILE | on | off]  the same for what it hears"),
            "/transcript": (self._transcript, "[WORDS | on | off]  the same for what it reads"),
            "/labels": (self._labels, "[a,b,c]  which emotions the person appears to express (one of these)"),
            "/why": (self._why, "labels, the cues for them, and an explanation"),
            "/reset": (self._reset, "forget questions and answers"),
            "/save": (self._save, "FILE  write everything that was said as JSON"),
            "/help": (self._help, "these lines"),
            "/quit": (self._quit, "end"),
        }

    def reply(self, line: str) -> Iterator[str]:
        """Answer one line, piece by piece.

        Raises:
            EmoError: There is no such command, or the clip cannot be used.
        """
        name, _, argument = line.strip().partition(" ")
        if not name.startswith("/"):
            return self._ask(line.strip()) if name else iter(())
        if name not in self.commands:
            raise ConfigError(f"there is no command {name}{nearest(name, self.commands)}", fix="/help lists them")
        return self.commands[name][0](argument.strip())

    def _ask(self, question: str) -> Iterator[str]:
        """Stream an answer; it is remembered when it is whole."""
        answer = ""
        for piece in self.engine.stream(self._request(TASKS["ask"].with_question(question)), self.sampling):
            answer += piece
            yield piece
        yield "\n"
        self.history += (Exchange(question, answer.strip()),)
        self.log.append({"question": question, "answer": answer.strip(), "given": self._summary()})

    def _labels(self, argument: str) -> Iterator[str]:
        labels = tuple(label for part in argument.split(",") if (label := " ".join(part.split())))
        yield from self._predict(TASKS["labels"].with_labels(labels) if labels else TASKS["labels"])

    def _why(self, argument: str) -> Iterator[str]:
        yield from self._predict(TASKS["explain"])

    def _predict(self, task: Task) -> Iterator[str]:
        (prediction,) = self.engine.generate([self._request(task)], self.sampling)
        self.log.append({"prediction": prediction.to_dict(), "given": self._summary()})
        yield prediction_text(prediction) + "\n"

    def _video(self, argument: str) -> Iterator[str]:
        yield from self._switch("video", argument)

    def _audio(self, argument: str) -> Iterator[str]:
        yield from self._switch("audio", argument)

    def _transcript(self, argument: str) -> Iterator[str]:
        yield from self._switch("transcript", argument)

    def _switch(self, kind: str, argument: str) -> Iterator[str]:
        """Show what the model is given of one kind, or change it."""
        if argument in {"on", "off"}:
            self.given[kind] = argument == "on"
        elif kind == "transcript" and argument:
            self.record = self.record.model_copy(update={"text": (TextLine(text=argument),)})
        elif argument:
            if not Path(argument).is_file():
                raise EmoError("no such file", argument, f"give a media file, or /{kind} on, or /{kind} off")
            media = self.record.media.model_copy(update={kind: MediaRef(path=argument)})
            self.record = self.record.model_copy(update={"media": media})
        yield f"{kind}: {self._summary()[kind]}\n"
        if argument:
            yield from self._reset("")

    def _reset(self, argument: str) -> Iterator[str]:
        self.history = ()
        yield FORGOTTEN

    def _save(self, argument: str) -> Iterator[str]:
        """Write the conversation; nothing is overwritten."""
        if not argument or Path(argument).exists():
            what = "exists already" if argument else "a file is needed"
            raise EmoError(what, argument or None, "/save FILE, with the name of a new file")
        about = {"schema": "emollm.chat/1", "emollm": __version__, "clip": self.record.id, "model": self.model}
        settings = {"sampling": self.sampling.to_dict(), "seed": self.seed}
        with whole_file(Path(argument)) as out:
            json.dump({**about, **settings, "said": self.log}, out, ensure_ascii=False, indent=1)
        yield f"{argument}: {len(self.log)} answers\n"

    def _help(self, argument: str) -> Iterator[str]:
        yield from (f"{name:<12}{text}\n" for name, (_, text) in self.commands.items())

    def _quit(self, argument: str) -> Iterator[str]:
        self.ended = True
        yield ""

    def _request(self, task: Task) -> Request:
        task = task.after(self.history) if task.style == "text" else task
        return Request(
            self.record.id,
            self.record,
            task,
            self.seed,
            audio=self.given["audio"],
            video=self.given["video"],
            transcript=self.given["transcript"],
        )

    def _summary(self) -> dict[str, str]:
        """Return what the model is given of each kind, in words."""
        media, line = self.record.media, self.record.transcript
        whole = {
            "video": media.video.path if media.video else "none",
            "audio": media.audio.path if media.audio else "the sound of the video" if media.video else "none",
            "transcript": line.text if line else "none",
        }
        return {kind: text if self.given[kind] else "off" for kind, text in whole.items()}
