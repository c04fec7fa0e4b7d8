"""`emollm data mix`: shares, caps, repeats, questions; the same call gives the same file."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from emollm.cli.main import app
from emollm.data.mix import apportion, load_mix
from emollm.records import (
    QA,
    ClassLabel,
    Cue,
    Description,
    Media,
    MediaRef,
    OpenLabel,
    Record,
    Targets,
    read_records,
    write_records,
)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two sources in folders of their own: 40 clips with a class, 10 with everything that `explain` needs."""
    monkeypatch.chdir(tmp_path)
    label = Targets(label=ClassLabel(space="meld7", name="anger"))
    write_records("a/a.jsonl", [Record(id=f"a:{i}", media=_video(f"clips/{i}.mp4"), targets=label) for i in range(40)])
    whole = Targets(
        labels_ov=(OpenLabel(text="irritated"),),
        cues=(Cue(modality="audio", text="voice is loud"),),
        description=(Description(text="A loud voice.", kind="reasoning", author="human"),),
        qa=(QA(question="Who is it?", answer="Ann"),),
    )
    write_records("b/b.jsonl", [Record(id=f"b:{i}", targets=whole) for i in range(10)])


def _video(path: str) -> Media:
    return Media(video=MediaRef(path=path))


def mix(config: dict[str, Any], *settings: str, code: int = 0) -> Any:
    Path("mix.yaml").write_text(yaml.safe_dump(config))
    result = CliRunner().invoke(app, ["data", "mix", "mix.yaml", *settings, "-o", "out/mixed.jsonl"])
    assert result.exit_code == code, result.output
    return result


def drawn() -> list[Record]:
    return list(read_records("out/mixed.jsonl"))


def sources() -> Counter[str]:
    return Counter(record.id[0] for record in drawn())


def test_everything_is_taken_once_by_default() -> None:
    mix({"sources": [{"records": "a/a.jsonl"}, {"records": "b/b.jsonl"}]})
    assert sorted(record.id for record in drawn()) == sorted(
        [f"a:{i}" for i in range(40)] + [f"b:{i}" for i in range(10)]
    )
    first = [record.id[0] for record in drawn()[:25]]
    assert {"a", "b"} == set(first), "sources are interleaved"


def test_media_are_found_from_the_new_place() -> None:
    mix({"sources": [{"records": "a/a.jsonl"}]})
    line = json.loads(Path("out/mixed.jsonl").read_text().splitlines()[0])
    assert line["media"]["video"]["path"].startswith("../a/clips/")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (["total=20"], {"a": 16, "b": 4}),
        (["total=20", "sources.1.weight=4"], {"a": 10, "b": 10}),
        (["total=20", "sources.0.cap=10"], {"a": 10, "b": 10}),
        (["total=30", "temperature=2"], {"a": 20, "b": 10}),
        (["total=20", "temperature=1000"], {"a": 10, "b": 10}),
    ],
)
def test_shares(settings: list[str], expected: dict[str, int]) -> None:
    mix({"sources": [{"records": "a/a.jsonl"}, {"records": "b/b.jsonl"}]}, *settings)
    assert sources() == expected
    assert len({record.id for record in drawn()}) == sum(expected.values()), (
        "nothing is drawn twice while there is more"
    )


def test_a_cap_limits_which_records_are_used() -> None:
    mix({"sources": [{"records": "a/a.jsonl", "cap": 5}], "total": 12})
    uses = Counter(record.id.split("#")[0] for record in drawn())
    assert sorted(uses.values()) == [2, 2, 2, 3, 3], "each of the five is used as often as the others, give or take one"
    copies = [record for record in drawn() if "#" in record.id]
    assert len(copies) == 7
    assert all(record.provenance.parents[-1] == record.id.split("#")[0] for record in copies)


def test_the_same_seed_gives_the_same_file_and_another_one_another() -> None:
    config = {"sources": [{"records": "a/a.jsonl", "tasks": {"labels": 1}}], "total": 10}
    texts = []
    for seed in (0, 0, 1):
        mix(config, f"seed={seed}")
        texts.append(Path("out/mixed.jsonl").read_text())
    assert texts[0] == texts[1] != texts[2]


def test_tasks_templates_and_labels_become_one_question() -> None:
    source = {"records": "b/b.jsonl", "tasks": {"labels": 1, "explain": 1, "ask": 1}, "labels": ["irritated", "calm"]}
    mix({"sources": [source], "templates": {"labels": ["One?", "Two?"]}, "total": 40})
    asked = [record.targets.qa for record in drawn()]
    assert all(len(qa) == 1 for qa in asked)
    by_task: dict[str, set[Any]] = {}
    for (qa,) in asked:
        by_task.setdefault(qa.task, set()).add((qa.question, qa.answer, qa.needs))
    closed = " Choose from: irritated, calm."
    assert by_task["labels"] == {(f"{q}?{closed}", '{"labels":["irritated"]}', ()) for q in ("One", "Two")}
    ((question, answer, needs),) = by_task["explain"]
    assert question.endswith(f"Name the cues.{closed}") and json.loads(answer)["explanation"] == "A loud voice."
    assert needs == ("audio",), "cues are taught only while their modality is there"
    assert by_task["ask"] == {("Who is it?", "Ann", ())}


def test_what_teaches_none_of_the_tasks_is_left_out_and_counted() -> None:
    result = mix({"sources": [{"records": "a/a.jsonl", "tasks": {"explain": 1}}, {"records": "b/b.jsonl"}]})
    assert sources() == {"b": 10}
    assert "40 teach none of the tasks" in result.output


def test_a_label_outside_the_closed_set_is_refused() -> None:
    result = mix({"sources": [{"records": "a/a.jsonl", "tasks": {"labels": 1}, "labels": ["joy"]}]}, code=2)
    assert "anger" in result.stderr and not Path("out/mixed.jsonl").exists()


def test_an_id_in_two_sources_is_refused() -> None:
    write_records("c.jsonl", [Record(id="a:7")])
    result = mix({"sources": [{"records": "a/a.jsonl"}, {"records": "c.jsonl"}]}, code=2)
    assert "'a:7' occurs twice" in result.stderr and not Path("out/mixed.jsonl").exists()


def test_all_that_is_wrong_with_a_mix_is_told_at_once() -> None:
    config = {"sources": [{"records": "a/a.jsonl", "wieght": 2}, {"records": "b/b.jsonl", "cap": 0}], "total": "many"}
    message = mix(config, code=2).stderr
    assert "did you mean `weight`" in message and "sources.1.cap" in message and "total" in message
    assert "did you mean `labels`" in mix({"sources": [{"records": "a/a.jsonl", "tasks": {"label": 1}}]}, code=2).stderr


@pytest.mark.parametrize("name", ["none.jsonl", "empty.jsonl"])
def test_sources_without_records_are_refused(name: str) -> None:
    Path("empty.jsonl").write_text("\n")
    assert name in mix({"sources": [{"records": name}]}, code=2).stderr


def test_the_example_in_the_documentation_is_a_mix() -> None:
    page = (Path(__file__).parents[3] / "docs" / "data.md").read_text(encoding="utf-8")
    Path("mix.yaml").write_text(page.split("```yaml\n")[1].split("```")[0])
    assert len(load_mix(Path("mix.yaml"), ["total=5", "sources.0.weight=1"]).sources) == 2


def test_apportion_gives_the_rest_to_the_largest_remainders() -> None:
    assert apportion([1, 1, 1], 10) == [4, 3, 3]
    assert apportion([5, 3, 2], 7) == [4, 2, 1]
    assert sum(apportion([0.1, 0.7, 0.2], 1001)) == 1001
