"""`emollm chat`: talk about one clip. What a line does is in emollm/chat.py; here are the terminal and Ctrl-C."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emollm.cli import options

if TYPE_CHECKING:
    from emollm.chat import Session

EXAMPLES = """Examples:

  emollm chat clip.mp4

  emollm chat clip.mp4 --transcript words.txt --model runs/tiny-sft

  emollm chat clip.mp4 --model tiny --engine openai --base-url http://127.0.0.1:8000/v1
"""


def chat(
    clip: Annotated[Path, typer.Argument(help="A media file.")],
    model: options.Model = "tiny",
    engine: options.Engine = options.EngineName.HF,
    base_url: options.BaseUrl = None,
    transcript: options.Transcript = None,
    no_audio: options.NoAudio = False,
    no_video: options.NoVideo = False,
    seed: options.Seed = 0,
    temperature: options.Temperature = 0.0,
) -> None:
    """Ask about a clip, question after question; the clip is encoded once.

    /help lists the commands. Ctrl-C stops an answer, Ctrl-D ends the conversation.
    """
    from emollm.api import Options, open_engine
    from emollm.chat import Session
    from emollm.data.sources import record_of, with_transcript
    from emollm.media import probe

    record = record_of(clip)
    probe(clip)  # a file that is no clip is told before a model is opened
    if transcript is not None:
        (record,) = with_transcript([record], transcript)
    sampling = Options(temperature=temperature).sampling()
    opened = open_engine(model, 1, engine=engine.value, base_url=base_url)
    session = Session(opened, record, sampling, model=model, seed=seed, audio=not no_audio, video=not no_video)
    typer.echo(f"{clip}, answered by {model}; /help lists the commands, Ctrl-D ends.")
    try:
        while not session.ended:
            try:
                line = input("> ")
            except EOFError:
                typer.echo()
                return
            _answer(session, line)
    finally:
        session.engine.close()


def _answer(session: Session, line: str) -> None:
    """Print the answer to one line while it is written; what goes wrong is told, and the conversation goes on."""
    from emollm.errors import EmoError
    from emollm.report.scores import plain_lines

    try:
        for piece in session.reply(line):
            typer.echo(plain_lines(piece), nl=False)
    except EmoError as error:
        typer.echo(plain_lines(str(error)), err=True)
    except KeyboardInterrupt:
        typer.echo("\n(stopped)")
