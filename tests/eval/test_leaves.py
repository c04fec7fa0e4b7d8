"""Leaves on a few clips of what the readers write: MME-Emotion's sets of labels, EIBench's pictures, clips that conflict."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from emollm.cli.main import app
from emollm.jsonl import write_rows
from emollm.records import Prediction, Record, write_records

PROVENANCE = {"model": "m", "engine": "fake", "emollm": "0"}


def score(
    name: str, folder: Path, rows: list[dict[str, Any]], said: dict[str, dict[str, Any]], *options: str
) -> Result:
    """Score answers by a leaf; the results are in `folder/out`."""
    write_records(folder / "r.jsonl", [Record.model_validate({"dataset": name, **row}) for row in rows])
    given = {"task": "explain", "status": "ok", "provenance": PROVENANCE}
    answers = [Prediction.model_validate({"id": id_, **given, **one}) for id_, one in said.items()]
    write_rows(folder / "p.jsonl", answers)
    call = [
        "eval",
        "run",
        name,
        "--data",
        str(folder / "r.jsonl"),
        "--predictions",
        str(folder / "p.jsonl"),
        "--draws",
        "20",
    ]
    return CliRunner().invoke(app, [*call, "-o", str(folder / "out"), *options])


def runs(folder: Path) -> dict[str, Any]:
    return {run["part"]: run for run in json.loads((folder / "out" / "results.json").read_text())["runs"]}


def labels(*words: str) -> dict[str, Any]:
    return {"labels": [{"text": word} for word in words]}


def test_mme_emotion_asks_each_clip_among_its_own_labels(tmp_path: Path) -> None:
    rows, said = [], {}
    for task, answer, named in (
        ("ER-Lab", "sad", ["sad"]),
        ("SA", "positive", ["negative"]),
        ("ML-ER", "anger, fear", ["fear"]),
    ):
        for number in range(2):
            qa = [{"question": "", "answer": answer, "choices": ["sad", "positive", "negative", "anger", "fear"]}]
            truth = [{"text": word} for word in answer.split(", ")]
            rows.append({"id": f"{task}{number}", "subset": task, "targets": {"qa": qa, "labels_ov": truth}})
            said[f"{task}{number}"] = labels(*(named if number else answer.split(", ")))
    result = score("mme_emotion", tmp_path, rows, said, "--allow-missing")
    assert result.exit_code == 0, result.output
    found = runs(tmp_path)
    assert {part: run["value"] for part, run in found.items()} == {"er_lab": 1.0, "sa": 0.5, "ml_er": 0.5}
    assert found["ml_er"]["scores"][0]["values"]["jaccard"]["value"] == 0.75


def test_eibench_looks_for_triggers(tmp_path: Path) -> None:
    rows = [
        {
            "id": f"c{number}",
            "split": "test-basic",
            "media": {"images": [{"path": "c.jpg"}]},
            "targets": {
                "cause": [{"text": "lost the race"}],
                "qa": [{"question": "Why?", "answer": "1. lost the race"}],
            },
        }
        for number in range(2)
    ]
    said = {"c0": {"explanation": "He lost the race."}, "c1": {"explanation": "It rains."}}
    assert score("eibench", tmp_path, rows, said).exit_code == 2, "1,615 pictures are the set"
    result = score("eibench", tmp_path, rows, said, "--allow-missing")
    assert result.exit_code == 0, result.output
    assert runs(tmp_path)["basic"]["value"] == pytest.approx(0.5)


def test_conflicting_clips_stand_side_by_side(tmp_path: Path) -> None:
    rows, said = [], {}
    for subset, named in (("video_aligned", "happy"), ("audio_aligned", "sad"), ("consistent", "happy")):
        for number in range(2):
            label = {"space": "t", "name": "happy"}
            rows.append({"id": f"{subset}{number}", "subset": subset, "targets": {"label": label}})
            said[f"{subset}{number}"] = labels(named)
    result = score("ca_mer", tmp_path, rows, said, "--ablate", "avt")
    assert result.exit_code == 0, result.output
    values = {part: run["value"] for part, run in runs(tmp_path).items()}
    assert values == {"video_aligned": 1.0, "audio_aligned": 0.0, "consistent": 1.0}


def test_a_single_picture_is_shown_as_a_clip(tmp_path: Path) -> None:
    from PIL import Image

    from emollm.engines.evidence import MediaSettings, gather
    from emollm.evaluation.benchmarks import load_benchmark
    from emollm.evaluation.questions import requests_of

    for suffix in ("jpg", "png"):
        Image.new("RGB", (64, 48), (200, 30, 30)).save(tmp_path / f"c.{suffix}")
        qa = [{"question": "Why is she sad?", "answer": "1. lost"}]
        row = {"id": "c", "media": {"images": [{"path": str(tmp_path / f"c.{suffix}")}]}, "targets": {"qa": qa}}
        part = load_benchmark("eibench").spec.parts["basic"]
        (request,) = requests_of(part, [Record.model_validate(row)], "v", 0, "plain") or []
        assert request.task.question == "Why is she sad?" and request.task.style == "text"
        seen = gather(request, MediaSettings(4, 64, 1.0, 16000))
        assert seen.frames is not None and seen.frames.shape[1:] == (48, 64, 3) and not seen.is_empty
        assert abs(seen.frames.mean((0, 1, 2)) - (200, 30, 30)).max() < 8


def test_emobench_m_reads_emotion_and_intent_and_leaves_reasons_out_of_the_mean(tmp_path: Path) -> None:
    def asked(subset: str, number: int, answer: str) -> dict[str, Any]:
        return {"id": f"{subset}{number}", "subset": subset, "targets": {"qa": [{"question": "?", "answer": answer}]}}

    reason = "The audience laughed because he fell off the chair."
    rows = [asked("MC-EIU", n, "{'emotion label': 'sad', 'intent label': 'questioning'}") for n in range(3)]
    rows += [asked("smile", 0, reason), asked("smile", 1, reason), asked("MOSI", 0, "positive")]
    said = {
        "MC-EIU0": {"explanation": "{'emotion label': 'Sad', 'intent label': 'questioning'}"},
        "MC-EIU1": {"explanation": "Sadness; she is agreeing."},
        "MC-EIU2": {"explanation": "She is questioning him."},
        "smile0": {"explanation": reason},
        "smile1": {"explanation": "It rains."},
        "MOSI0": labels("positive"),
    }
    result = score("emobench_m", tmp_path, rows, said, "--allow-missing")
    assert result.exit_code == 0, result.output
    found = runs(tmp_path)
    both = {name: one["value"] for name, one in found["mc_eiu"]["scores"][0]["values"].items()}
    thirds = [both["both_acc"], both["emotion_acc"], both["intent_acc"]]
    assert thirds == pytest.approx([1 / 3, 2 / 3, 2 / 3])
    assert found["mc_eiu"]["scores"][0]["details"]["without_emotion_or_intent"] == 1
    assert (found["mosi"]["value"], found["smile"]["value"]) == (1.0, 0.5)
    (row,) = json.loads((tmp_path / "out" / "results.json").read_text())["summary"]
    assert row["value"] is None and row["over"].startswith("mean of 2 of 12"), "nine sets are missing"


def test_a_part_beside_the_mean(tmp_path: Path) -> None:
    leaf = """
title: Two
about: x
measures_not: x
version: 1
paper: https://example.org
data: x
mean: true
parts:
  one: {records: {dataset: two, subset: one}, metrics: [classes]}
  other: {records: {dataset: two, subset: other}, metrics: [classes], averaged: false}
"""
    (tmp_path / "two.yaml").write_text(leaf)
    rows = [{"id": part, "subset": part, "dataset": "two", "targets": {"label": {"space": "s", "name": "sad"}}}
            for part in ("one", "other")]  # fmt: skip
    result = score(str(tmp_path / "two.yaml"), tmp_path, rows, {"one": labels("sad"), "other": labels("happy")})
    assert result.exit_code == 0, result.output
    (row,) = json.loads((tmp_path / "out" / "results.json").read_text())["summary"]
    assert (row["value"], row["parts"], row["over"]) == (
        1.0,
        {"one": 1.0, "other": 0.0},
        "mean of 1 of 1 part(s), 1 seed(s)",
    )
