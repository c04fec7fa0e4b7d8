"""`emollm data annotate`: recipes against a scripted server; nothing is asked twice, people are not overruled, what fails is counted."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from typer.testing import CliRunner

from emollm.cli.main import app
from emollm.jsonl import read_rows
from emollm.records import (
    Description,
    OpenLabel,
    Prediction,
    Quality,
    Record,
    Targets,
    TextLine,
    Turn,
    read_records,
    write_records,
)

CROWD = """
method: annotate
name: crowd
models: {a: {model: one}, b: {model: two}, c: {model: three}}
steps:
  - {name: heard, sees: [text], reads: [prosody], by: [a], ask: Describe the voice.}
  - {name: said, sees: [], reads: [heard], by: [b], answer: labels, ask: Name emotions.}
  - {name: crowd, sees: [text], by: [a, c], answer: labels, ask: Name emotions.}
result: {labels: [said, crowd], agreement: 0.6, description: heard}
"""


class Server:
    """Answers each chat by `reply(model, question)`; keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.keys: set[str | None] = set()
        self.reply: Callable[[str, str], str | int] = lambda model, question: "{}"
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.answer(200, {"data": [{"id": name} for name in ("one", "two", "three")]})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                question = body["messages"][-1]["content"][-1]["text"]
                outer.asked.append((body["model"], question))
                outer.keys.add(self.headers["Authorization"])
                said = outer.reply(body["model"], question)
                if isinstance(said, int):
                    self.answer(said, {"error": "no"})
                    return
                choice = {"message": {"content": said}, "finish_reason": "stop"}
                self.answer(200, {"choices": [choice], "usage": {"prompt_tokens": 10, "completion_tokens": 3}})

            def answer(self, status: int, value: Any) -> None:
                self.send_response(status)
                self.end_headers()
                self.wfile.write(json.dumps(value).encode())

            def log_message(self, *arguments: Any) -> None:
                """Say nothing."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"
        Thread(target=self.http.serve_forever, daemon=True).start()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EMOLLM_API_KEY", "secret-key")
    made = Server()
    yield made
    made.http.shutdown()
    made.http.server_close()


def calls(name: str) -> list[Prediction]:
    """Return the answers of a step, model and vote, whatever the settings."""
    files = [path for path in Path("out.calls").glob(f"{name}.*.jsonl") if ".bad." not in path.name]
    return [row for path in files for row in read_rows(path, Prediction)]


def words(name: str, text: str = "well", **fields: Any) -> Record:
    return Record(id=name, text=(TextLine(text=text),), **fields)


def labels(*names: str) -> str:
    return json.dumps({"labels": names}, separators=(",", ":"))


def crowd(model: str, question: str) -> str:
    """One describes; all of them label: angry, in three words, and what only one of them says."""
    if "Describe" in question:
        return "It shakes." if "markedly" in question else "It is flat."
    return labels(*{"one": ("angry", "hopeful"), "two": ("irate",), "three": ("mad",)}[model])


def annotate(server: Server, recipe: str, records: list[Record], *settings: str, code: int = 0) -> tuple[dict, str]:
    Path("recipe.yaml").write_text(recipe)
    write_records("records.jsonl", records)
    call = ["data", "annotate", "recipe.yaml", "records.jsonl", "-o", "out.jsonl", "--base-url", server.url, *settings]
    result = CliRunner().invoke(app, call)
    assert result.exit_code == code, result.output
    return ({one.id: one for one in read_records("out.jsonl")} if Path("out.jsonl").exists() else {}), result.output


def test_a_crowd_agrees_on_labels(server: Server) -> None:
    server.reply = crowd
    measured = Targets(description=(Description(text="voice is loud (markedly)", kind="prosody", author="x"),))
    found, output = annotate(server, CROWD, [words("a"), words("b", targets=measured)])
    targets = found["b"].targets
    assert [label.text for label in targets.labels_ov] == ["irate"]  # of three words as often said, the first
    (spread,) = targets.distribution
    assert (spread.kind, spread.n, spread.space) == ("model_votes", 3, "annotate:crowd")
    assert sorted(spread.probs.values()) == [0.25, 0.75]
    told = targets.description[-1]
    assert told.text == "It shakes." and told.author.startswith("model:one annotate:crowd@")
    assert found["b"].quality.label_origin == "model" and found["b"].quality.agreement == 1.0
    assert found["b"].quality.flags[0] in told.author
    assert ("two", "heard: It is flat.\nName emotions.") in server.asked  # what it reads, and no word of the clip
    assert "2 annotated; 8 calls, 0 reused, 0 failed, 104 tokens" in output


def test_the_key_is_sent_and_nowhere_written(server: Server, tmp_path: Path) -> None:
    server.reply = crowd
    annotate(server, CROWD, [words("a")])
    assert server.keys == {"Bearer secret-key"}
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"secret-key" in path.read_bytes()]


def test_nothing_is_asked_twice_and_what_failed_is_asked_again(server: Server) -> None:
    server.reply = lambda model, question: 400 if model == "two" and "flat" in question else crowd(model, question)
    records = [words("a"), words("b", "oh")]
    _, output = annotate(server, CROWD, records, code=1)
    assert len(server.asked) == 4 and "2 failed" in output and "a: " in output  # nobody votes on what nobody labelled
    assert "status 400" in output and not Path("out.jsonl").read_text()
    server.asked.clear()
    server.reply = crowd
    found, output = annotate(server, CROWD, records)
    assert sorted(who for who, _ in server.asked) == ["one", "one", "three", "three", "two", "two"]
    assert "6 calls, 2 reused, 0 failed" in output
    assert found.keys() == {"a", "b"}
    assert json.loads(Path("out.report.json").read_text())["tokens_in_all"] == {
        "prompt_tokens": 80,
        "completion_tokens": 24,
    }
    server.asked.clear()
    annotate(server, CROWD.replace("Name emotions.}\nresult", "Which ones.}\nresult"), records)
    assert {who for who, _ in server.asked} == {"one", "three"}  # the last step alone has another question
    rows = calls("said.b.0")
    assert {row.provenance.model for row in rows} == {"two"} and {row.id for row in rows} == {"a", "b"}


def test_a_record_without_an_answer_or_agreement_is_left_out(server: Server) -> None:
    def reply(model: str, question: str) -> str | int:
        if "Describe" in question and "broken" in question:
            return 400
        if "odd" in question and model != "two":
            return labels({"one": "sad", "three": "proud"}[model]) if "Describe" not in question else "It is odd."
        return crowd(model, question)

    server.reply = reply
    found, output = annotate(server, CROWD, [words("a"), words("b", "broken"), words("c", "odd")], code=1)
    assert found.keys() == {"a"}
    assert "1 annotated" in output and "1 failed" in output and "1 without agreement" in output
    assert "b: " in output and "status 400" in output


def test_people_are_not_overruled(server: Server) -> None:
    server.reply = crowd
    mine = Targets(labels_ov=(OpenLabel(text="calm"),))
    human = words("a", targets=mine, quality=Quality(label_origin="human", flags=("checked",)))
    found, output = annotate(server, CROWD, [human])
    again, _ = annotate(server, CROWD, list(found.values()))
    assert again["a"] == found["a"]
    assert found["a"].targets.labels_ov == mine.labels_ov and found["a"].quality.label_origin == "human"
    assert found["a"].quality.flags[0] == "checked" and len(found["a"].quality.flags) == 2
    assert len(found["a"].targets.distribution) == 1 and "1 kept their own labels" in output


def test_words_alone_are_shown_and_gold_of_the_dialogue_is_not(server: Server) -> None:
    server.reply = lambda model, question: labels("anger") if "Give one" in question else "He is not amused."
    before = (Turn(speaker="Bea", text="You are late.", emotion="disgust"),)
    found, _ = annotate_shipped(server, "text_only", words("a", "so what", context=before))
    assert [label.text for label in found["a"].targets.labels_ov] == ["anger"]
    first, *_, last = [question for _, question in server.asked]
    assert (
        "Bea: You are late." in first
        and "The person says: so what" in first
        and "disgust" not in first.split("Choose")[0]
    )
    assert "reason: He is not amused.\nfirst: anger\n" in last


def annotate_shipped(server: Server, name: str, *records: Record, settings: tuple[str, ...] = ()) -> tuple[dict, str]:
    write_records("records.jsonl", records)
    call = ["data", "annotate", f"annotate/{name}", "records.jsonl", "-o", "out.jsonl", "--base-url", server.url]
    result = CliRunner().invoke(app, [*call, "--model", "one", *settings])
    assert result.exit_code == 0, result.output
    return {one.id: one for one in read_records("out.jsonl")}, result.output


def test_votes_are_drawn_with_other_seeds_and_become_soft_labels(server: Server) -> None:
    said = iter([("sad",), ("sad", "tired"), ("sad",), ("proud",), ("sad",), ("sad",), ("sad",)])
    server.reply = lambda model, question: labels(*next(said))
    found, _ = annotate_shipped(server, "votes", words("a"))
    (spread,) = found["a"].targets.distribution
    assert spread.n == 7 and spread.probs["sad"] == pytest.approx(6 / 8) and len(spread.probs) == 3
    assert [label.text for label in found["a"].targets.labels_ov] == ["sad"]
    assert [row.provenance.seed for n in range(7) for row in calls(f"vote.default.{n}")] == list(range(7))


@pytest.mark.parametrize(
    ("name", "models"),
    [("multi_agent", ("hears", "looks", "writes")), ("self_ask", ()), ("crowd", ("hears", "looks", "both", "reads"))],
)
def test_shipped_recipes_run_from_end_to_end(server: Server, name: str, models: tuple[str, ...]) -> None:
    """Each step's answer reaches the later ones; words are all that this record has, so nothing is heard or seen."""
    server.reply = lambda model, question: (
        labels("sad") if question.endswith("appear to express?") else f"told {len(server.asked)}"
    )
    settings = tuple(f"models.{who}.model={('one', 'two', 'three')[i % 3]}" for i, who in enumerate(models))
    if models:
        settings += ("steps.0.sees=[text]", "steps.1.sees=[text]")
    found, _ = annotate_shipped(
        server, name, words("a", targets=Targets(labels_ov=(OpenLabel(text="worn out"),))), settings=settings
    )
    assert any("told 1" in question for _, question in server.asked)
    assert found["a"].targets.description[0].text.startswith("told")
    if name != "crowd":
        assert any("worn out" in question for _, question in server.asked)


def test_our_engine_annotates_as_a_server_does(
    random_model: Path, make_clip: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from emollm.data.sources import record_of

    monkeypatch.chdir(tmp_path)
    write_records("records.jsonl", [record_of(make_clip("a.mp4"))])
    call = [
        "data",
        "annotate",
        "annotate/votes",
        "records.jsonl",
        "-o",
        "out.jsonl",
        "--engine",
        "hf",
        "--model",
        str(random_model),
    ]
    result = CliRunner().invoke(app, [*call, "steps.0.votes=2", "steps.0.choices=[calm, angry]", "result.agreement=0"])
    assert "2 calls, 0 reused" in result.output, result.output
    rows = [row for n in range(2) for row in calls(f"vote.default.{n}")]
    assert len(rows) == 2 and all(row.provenance.engine == "hf" for row in rows)


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("reads: [heard]", "reads: [herd]", "`herd` that step said reads is unknown (did you mean `heard`?)"),
        ("sees: [], reads: [heard]", "sees: []", "nothing is given"),
        ("by: [b]", "by: [d]", "model `d` of step said is unknown"),
        ("labels: [said, crowd]", "labels: [heard]", "labels of `heard` is unknown"),
        ("description: heard", "description: said", "description is unknown"),
        ("name: said", "name: heard", "the name `heard` is taken"),
        (", by: [b]", ", votes: 3, by: [b]", "`votes` at temperature 0"),
        (", by: [a], ask", ", choices: [x, y], by: [a], ask", "`choices` are labels"),
        ("agreement: 0.6", "agreement: 6", "result.agreement"),
    ],
)
def test_a_wrong_recipe_is_told_before_anything_is_asked(server: Server, old: str, new: str, what: str) -> None:
    assert old in CROWD
    found, output = annotate(server, CROWD.replace(old, new, 1), [words("a")], code=2)
    assert what in output and "recipe.yaml" in output and not server.asked and not found
    assert not list(Path().glob("out*"))
