"""`emollm explain`: one clip, in words."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from emollm.cli import options

EXAMPLES = """Examples:

  emollm explain clip.mp4

  emollm explain clip.mp4 -q "Why does she hesitate?"

  emollm explain clip.mp4 --transcript words.txt --json
"""


def explain(
    clip: Annotated[Path, typer.Argument(help="A media file.")],
    question: Annotated[
        str | None, typer.Option("-q", "--question", help="Ask this; the answer is printed while it is written.")
    ] = None,
    model: options.Model = "tiny",
    engine: options.Engine = options.EngineName.HF,
    base_url: options.BaseUrl = None,
    labels: options.Labels = None,
    transcript: options.Transcript = None,
    no_audio: options.NoAudio = False,
    no_video: options.NoVideo = False,
    seed: options.Seed = 0,
    temperature: options.Temperature = 0.0,
    json_: Annotated[bool, typer.Option("--json", help="Print the prediction as one JSON object.")] = False,
) -> None:
    """Explain what the person in a clip appears to express, and by which cues; or answer a question about the clip."""
    from emollm.api import Options, load
    from emollm.data.sources import record_of, with_transcript
    from emollm.errors import ConfigError
    from emollm.prompts import TASKS

    if question is not None and labels is not None:
        raise ConfigError("an answer in words has no labels to choose from", "--labels", "leave out -q or --labels")
    record = record_of(clip)
    if transcript is not None:
        (record,) = with_transcript([record], transcript)
    asked = Options(options.split_labels(labels), None, not no_audio, not no_video, seed, temperature)
    task = TASKS["explain"] if question is None else TASKS["ask"].with_question(question)
    request, sampling = asked.request(record, task), asked.sampling()
    with load(model, engine=engine.value, base_url=base_url) as opened:
        if question is not None and not json_:
            for piece in opened.engine.stream(request, sampling):
                typer.echo(_printable(piece), nl=False)
            typer.echo()
            return
        (answer,) = opened.engine.generate([request], sampling)
    if json_:
        from emollm.jsonl import to_line

        typer.echo(to_line(answer))
    else:
        from emollm.report.show import prediction_text

        typer.echo(_printable(prediction_text(answer)), err=answer.error is not None)
    if answer.error is not None:
        raise typer.Exit(1)


def _printable(text: str) -> str:
    """Return text without control characters, lines kept."""
    from emollm.report.tables import plain

    return "\n".join(plain(line) for line in text.split("\n"))
