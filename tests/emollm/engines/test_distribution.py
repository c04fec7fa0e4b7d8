"""How a model spreads over labels: counted and read rightly, whatever engine answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from emollm.cli.main import app
from emollm.engines import Request, Sampling
from emollm.engines.distribution import Distributed
from emollm.engines.fake import FakeEngine
from emollm.errors import ConfigError
from emollm.jsonl import read_rows
from emollm.prompts import TASKS
from emollm.records import PredictedLabel, Prediction, Record, TextLine

SPACE = ("calm", "worried", "angry")
CLOSED = TASKS["labels"].with_labels(SPACE)


class Drawn(FakeEngine):
    """Names labels by the seed, as a table says; keeps what it was asked."""

    table: tuple[tuple[str, ...], ...] = (("calm",), ("worried", "angry"), (), ("calm",))

    def generate(self, requests: Iterable[Request], sampling: Sampling) -> Iterator[Prediction]:
        self.samplings = [*getattr(self, "samplings", []), sampling]
        for request in requests:
            (answer,) = super().generate([replace(request, evidence=None)], sampling)
            named = self.table[request.seed % len(self.table)] if sampling.temperature else ("angry",)
            yield answer.model_copy(update={"labels": tuple(PredictedLabel(text=name) for name in named)})


class Lettered(FakeEngine):
    """Likes a label, and the letter A whatever it stands for."""

    def first_token_probs(self, requests: Sequence[Request], texts: Sequence[str]) -> dict[str, list[float]]:
        self.questions = [request.task.question for request in requests]
        found = {}
        for request in requests:
            options = request.task.question.split("Choose one: ")[1].split(". Answer")[0].split(", ")
            likes = [
                0.3 * option.endswith("worried") + 0.2 * (letter == "A")
                for letter, option in zip(texts, options, strict=False)
            ]
            found[request.id] = [like + 0.01 for like in likes]
        return found


def request(id_: str = "r", task: Any = CLOSED) -> Request:
    return Request(id_, Record(id=id_, text=(TextLine(text="x"),)), task)


def test_samples_are_counted_and_the_answer_stays() -> None:
    engine = Drawn()
    (answer,) = Distributed(engine, "samples:4").generate([request()], Sampling())
    assert [label.text for label in answer.labels] == ["angry"]
    assert answer.distribution.kind == "samples"
    assert answer.distribution.probs == pytest.approx({"calm": 2 / 3, "worried": 1 / 6, "angry": 1 / 6})
    assert [sampling.temperature for sampling in engine.samplings] == [0, 1]


def test_letters_are_turned_so_that_none_wins_by_its_place() -> None:
    engine = Lettered()
    answers = list(Distributed(engine, "choices").generate([request("a"), request("b")], Sampling()))
    assert len(engine.questions) == 2 * len(SPACE)
    assert {question.split("(A) ")[1].split(",")[0] for question in engine.questions} == set(SPACE)
    for answer in answers:
        like = 0.2 / 3 + 0.01
        whole = 3 * like + 0.3
        assert answer.distribution.unmasked_mass == pytest.approx(whole)
        expected = {"calm": like / whole, "worried": (like + 0.3) / whole, "angry": like / whole}
        assert answer.distribution.probs == pytest.approx(expected)


def test_errors_have_no_distribution_and_are_not_asked_again() -> None:
    engine = FakeEngine(fail=["bad"])
    found = {a.id: a for a in Distributed(engine, "samples:3").generate([request("bad"), request("good")], Sampling())}
    assert found["bad"].distribution is None
    assert sum(found["good"].distribution.probs.values()) == pytest.approx(1)
    assert len(engine.asked) == 2 + 3


def test_what_an_engine_or_a_question_cannot_give_is_refused() -> None:
    for kind in ("samples", "samples:1", "samples:x", "letters"):
        with pytest.raises(ConfigError, match="samples:N"):
            Distributed(FakeEngine(), kind)
    with pytest.raises(ConfigError, match="does not tell"):
        Distributed(FakeEngine(), "choices")
    with pytest.raises(ConfigError, match="--labels"):
        list(Distributed(Lettered(), "choices").generate([request(task=TASKS["labels"])], Sampling()))


def test_runs_with_and_without_a_distribution_are_different_runs() -> None:
    plain = FakeEngine().identity
    assert Distributed(FakeEngine(), "samples:2").identity == {**plain, "distribution": "samples:2"}


def test_label_tells_the_distribution(random_model: Path, make_clip: Any, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    call = ["label", str(make_clip("a.wav")), "--model", str(random_model), "--labels", ",".join(SPACE), "-o", str(out)]
    result = CliRunner().invoke(app, [*call, "--distribution", "choices"])
    assert result.exit_code == 0, result.output
    (row,) = read_rows(out, Prediction)
    assert row.distribution.kind == "choices"
    assert set(row.distribution.probs) == set(SPACE)
    assert sum(row.distribution.probs.values()) == pytest.approx(1)
    assert 0 < row.distribution.unmasked_mass < 1
