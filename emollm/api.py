"""The Python API.

    import emollm

    model = emollm.load("tiny")
    answer = model.explain("clip.mp4")
    print([label.text for label in answer.labels], answer.explanation, answer.cues, answer.to_dict())

    for answer in model.label(["a.mp4", "clips/"], labels=("calm", "worried")):
        print(answer.id, answer.status, answer.labels)

An answer is a `Prediction` (emollm/records.py). It says what a person *appears* to express; `status` tells an answer from insufficient
evidence and from an error, and a clip that cannot be used is an answer with status `error`, not an exception.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from emollm.data.sources import find_records, record_of
from emollm.engines import Engine, Request, Sampling
from emollm.engines.checkpoints import find_checkpoint
from emollm.errors import ConfigError
from emollm.prompts import TASKS, Task
from emollm.records import Prediction, Record, TextLine

Clip = str | Path | Record


@dataclass(frozen=True)
class Options:
    """How clips are asked about.

    Attributes:
        labels: Closed set of labels; None for open vocabulary.
        transcript: What the person says, for one clip.
        audio: Let the model hear.
        video: Let the model see.
        seed: For sampling.
        temperature: 0 is greedy.
    """

    labels: tuple[str, ...] | None = None
    transcript: str | None = None
    audio: bool = True
    video: bool = True
    seed: int = 0
    temperature: float = 0.0

    def request(self, record: Record, task: Task) -> Request:
        """Return the request about a record."""
        if self.transcript is not None:
            others = tuple(line for line in record.text if line.kind != "transcript")
            record = record.model_copy(update={"text": (TextLine(text=self.transcript), *others)})
        if self.labels is not None:
            task = task.with_labels(tuple(self.labels))
        return Request(record.id, record, task, self.seed, self.audio, self.video)

    def sampling(self) -> Sampling:
        """Return how answers are drawn."""
        return Sampling(temperature=self.temperature)


class Model:
    """An open model; `with emollm.load("tiny") as model` closes it at the end.

    Args:
        engine: Who answers.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def label(self, clips: Clip | Iterable[Clip], task: str = "labels", **options: object) -> list[Prediction]:
        """Return one answer for each clip, in the order of the clips.

        Args:
            clips: Media files, folders, globs, records files (JSONL) or records; one or several.
            task: `labels`, `cues`, `explain` or `full`.
            options: Fields of `Options`.
        """
        chosen = Options(**options)  # type: ignore[arg-type]
        records = list(_records([clips] if isinstance(clips, (str, Path, Record)) else clips))
        if chosen.transcript is not None and len(records) != 1:
            raise ConfigError(f"a transcript belongs to one clip, not to {len(records)}", fix="name one clip")
        requests = [chosen.request(record, json_task(task)) for record in records]
        found = {answer.id: answer for answer in self.engine.generate(requests, chosen.sampling())}
        return [found[record.id] for record in records]

    def explain(self, clip: Clip, question: str | None = None, **options: object) -> Prediction:
        """Return labels, cues and an explanation for one clip; with a question, the answer to it as `explanation`.

        Args:
            clip: A media file or a record.
            question: Any question about the clip.
            options: Fields of `Options`.
        """
        chosen = Options(**options)  # type: ignore[arg-type]
        task = TASKS["explain"] if question is None else TASKS["ask"].with_question(question)
        (answer,) = self.engine.generate([chosen.request(_record(clip), task)], chosen.sampling())
        return answer

    def stream(self, clip: Clip, question: str, **options: object) -> Iterator[str]:
        """Yield the answer to a question about one clip piece by piece.

        Raises:
            EmoError: The clip cannot be used.
        """
        chosen = Options(**options)  # type: ignore[arg-type]
        request = chosen.request(_record(clip), TASKS["ask"].with_question(question))
        return self.engine.stream(request, chosen.sampling())

    def close(self) -> None:
        """Free what the model holds."""
        self.engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def load(
    model: str | Path = "tiny",
    *,
    batch_size: int = 8,
    device: str | None = None,
    engine: str = "hf",
    base_url: str | None = None,
) -> Model:
    """Open a model.

    Args:
        model: `tiny` (the bundled one), a run folder, a checkpoint folder, or a hub name; for `openai` its name at the server.
        batch_size: Clips answered at once.
        device: Where `hf` runs it; None takes the GPU if there is one.
        engine: `hf` (transformers), `vllm`, or `openai` (a server).
        base_url: The server's address up to `/v1`, for `openai`.

    Raises:
        ConfigError: There is no such model, or the engine cannot run here.
    """
    return Model(open_engine(model, batch_size, device, engine, base_url))


def open_engine(
    model: str | Path,
    batch_size: int = 8,
    device: str | None = None,
    engine: str = "hf",
    base_url: str | None = None,
    distribution: str | None = None,
    adapter: Path | None = None,
) -> Engine:
    """Open the engine alone; see `load`. A name that is wrong is told before the heavy imports.

    With `distribution` (`samples:16`, `choices`) answers also tell how the model spreads over labels (engines/distribution.py);
    `adapter` is the folder of a LoRA adapter of the model, for `vllm`.
    """
    if distribution is not None:
        from emollm.engines.distribution import Distributed

        return Distributed(open_engine(model, batch_size, device, engine, base_url, adapter=adapter), distribution)
    if adapter is not None and engine != "vllm":
        fix = "add --engine vllm, or merge it: emollm merge"
        raise ConfigError("adapters are put on their model by vLLM", f"--adapter {adapter}", fix)
    if engine == "openai":
        from emollm.engines.openai import OpenAIEngine

        return OpenAIEngine(str(model), base_url, batch_size)
    if base_url is not None:
        raise ConfigError(
            f"engine {engine!r} runs on this machine and has no server", "--base-url", "add --engine openai"
        )
    checkpoint = find_checkpoint(model)
    from emollm.models.omni import family_of

    is_omni = family_of(checkpoint.path) is not None
    if engine == "vllm" and is_omni:
        from emollm.engines.vllm_omni import VLLMOmniEngine

        return VLLMOmniEngine(checkpoint, batch_size, adapter)
    if engine == "vllm":
        from emollm.engines.vllm import VLLMEngine

        return VLLMEngine(checkpoint, batch_size, adapter)
    if is_omni:
        from emollm.engines.omni import OmniEngine

        return OmniEngine(checkpoint, batch_size, device)
    from emollm.engines.hf import HFEngine

    return HFEngine(checkpoint, batch_size, device)


def label(
    clips: Clip | Iterable[Clip], model: str | Path = "tiny", task: str = "labels", **options: object
) -> list[Prediction]:
    """Open a model, label clips, close it; see `Model.label`."""
    with load(model) as opened:
        return opened.label(clips, task, **options)


def explain(clip: Clip, question: str | None = None, model: str | Path = "tiny", **options: object) -> Prediction:
    """Open a model, explain one clip, close it; see `Model.explain`."""
    with load(model) as opened:
        return opened.explain(clip, question, **options)


def json_task(name: str) -> Task:
    """Return a task whose answer has labels.

    Raises:
        ConfigError: There is no such task.
    """
    known = [task.name for task in TASKS.values() if task.style != "text"]
    if name not in known:
        raise ConfigError(f"there is no task {name!r} that gives labels", fix=f"tasks: {', '.join(known)}")
    return TASKS[name]


def _record(clip: Clip) -> Record:
    return clip if isinstance(clip, Record) else record_of(clip)


def _records(clips: Iterable[Clip]) -> Iterator[Record]:
    for clip in clips:
        yield from [clip] if isinstance(clip, Record) else find_records([clip])
