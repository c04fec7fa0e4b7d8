"""Labels that a language model reads from answers in free words: what `emollm eval extract` does, as a function.

    results = extract_labels(read_results(folder), ask, engine.identity, Path("runs/eval/mer-by-qwen"))

The texts are those of an evaluation with `--extract lexicon`, whose answers are kept; they are scored again, under `extracted:MODEL`.
Published scores have such a step (AffectGPT, https://arxiv.org/abs/2501.16566, appendix E: Qwen2.5-7B-Instruct at temperature 0.7,
unseeded, so that two runs differ); here it is greedy, the form of its answer is enforced, and its prompt is ours. Its model and the hash of
the prompt stand in `extractor`. For closed sets, sentiment among them, the extractor chooses one of the labels.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emollm.engines import Request, Sampling
from emollm.errors import ConfigError, EmoError
from emollm.evaluation.asking import FOLDER, Ask, read_answers
from emollm.evaluation.benchmarks import load_benchmark
from emollm.evaluation.prose import LEXICON
from emollm.evaluation.runner import Call, run_benchmark
from emollm.jsonl import write_rows
from emollm.prompts import TASKS, Task
from emollm.records import Prediction, Record, Turn

SAMPLING = Sampling(max_new_tokens=200)
OPEN = (
    "Which emotions does the text say that the main person shows? Give those that it names or plainly tells, as short words; "
    "none if it tells none."
)
CLOSED = (
    "Which one does the text say that the main person shows? Give the one label that fits best; none if it tells none."
)


@dataclass(frozen=True)
class _Texts:
    """Takes texts of an earlier evaluation, and asks an extractor about each; as `AskEngine` to who asks."""

    source: Path
    folder: Path
    ask: Ask
    spaces: Mapping[str, tuple[str, ...]]

    def __call__(self, name: str, requests: Sequence[Request]) -> list[Prediction]:
        """Return the texts' predictions with the labels that the extractor read, in the order of the requests.

        Raises:
            EmoError: Texts are gone, or the extractor failed on some.
        """
        path = self.source / FOLDER / f"{name}.jsonl"
        texts = read_answers(path)
        if missing := [request.id for request in requests if request.id not in texts]:
            what = f"{len(missing)} text(s) are gone, such as {missing[0]}"
            raise EmoError(what, str(path), "run the benchmark again")
        task = _task(self.spaces[name.partition(".")[0]])
        told = [texts[request.id] for request in requests]
        asked = [_request(text, task) for text in told if text.status != "error" and text.explanation]
        read = {one.id: one for one in self.ask(f"{name}.read", asked)}
        if failed := [id_ for id_, one in read.items() if one.status == "error"]:
            what = f"the extractor failed on {len(failed)} text(s), such as {failed[0]}"
            raise EmoError(what, str(self.folder), "the same command asks these again")
        answers = [_labelled(text, read[text.id]) if text.id in read else text for text in told]
        write_rows(self.folder / FOLDER / f"{name}.jsonl", answers)
        return answers


def extract_labels(
    source: Mapping[str, Any],
    ask: Ask,
    identity: Mapping[str, Any],
    folder: Path,
    draws: int = 1000,
    tell: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Score the texts of an evaluation by labels that a language model reads from them; return the results, which are in `folder`.

    Args:
        source: Results of an evaluation with free text.
        ask: Asks the extractor, and keeps what it says.
        identity: The extractor's engine, model and settings.
        folder: Folder of the new evaluation.
        draws: Bootstrap draws.
        tell: Called with a line about progress.

    Raises:
        ConfigError: The evaluation has no texts.
        EmoError: Texts or records are gone, or the extractor fails; what it said is kept.
    """
    call = source["call"]
    if call["extract"] != LEXICON:
        raise ConfigError("its answers are labels, not texts", source["folder"], "run it with --extract lexicon")
    if Path(source["folder"]).resolve() == folder.resolve():
        raise ConfigError("the new evaluation would overwrite its texts", str(folder), "name another folder")
    benchmark = load_benchmark(source["benchmark"]["source"])
    spaces = {name: part.labels for name, part in benchmark.spec.parts.items()}
    again = Call(
        data=tuple(Path(file["path"]) for file in source["data"]),
        folder=folder,
        extract=str(identity["model"]),
        draws=draws,
        given=tuple(call["given"]),
        seeds=tuple(call["seeds"]),
        variants=tuple(call["variants"]),
        wheels=tuple(call["wheels"]),
        embeddings=call.get("embeddings", ""),
        limit=call["limit"],
        allow_missing=call["allow_missing"],
        selected_on=call["selected_on"],
        reproduce_paper=call["reproduce_paper"],
    )
    prompt = hashlib.sha256(f"{OPEN}|{CLOSED}".encode()).hexdigest()
    extractor = {"model": dict(identity), "prompt_sha256": prompt, "texts": str(Path(source["folder"]).resolve())}
    notes = {"leaks": source.get("leaks"), "extractor": extractor}
    texts = _Texts(Path(source["folder"]), folder, ask, spaces)
    return run_benchmark(benchmark, texts, again, source["model"], tell, notes)


def _task(space: tuple[str, ...]) -> Task:
    task = TASKS["labels"]
    return task.with_question(CLOSED).with_labels(space) if space else task.with_question(OPEN)


def _request(text: Prediction, task: Task) -> Request:
    turn = Turn(speaker="Text", text=text.explanation or "")
    return Request(text.id, Record(id=text.id, context=(turn,)), task, audio=False, video=False)


def _labelled(text: Prediction, read: Prediction) -> Prediction:
    update = {"labels": read.labels, "parse": "repaired", "status": "ok" if read.labels else "insufficient_evidence"}
    return text.model_copy(update=update)
