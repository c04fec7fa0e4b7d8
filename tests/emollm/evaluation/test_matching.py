"""Statements compared by words and emotions; cues in the manner of EmoCue-360; triggers."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from emollm.cli.main import app
from emollm.evaluation.choose import choose
from emollm.evaluation.matching import alike, statements
from emollm.jsonl import write_rows
from emollm.records import Prediction, Record, write_records
from tests.emollm.evaluation.conftest import results


def test_sentences_and_lists_become_statements() -> None:
    assert statements("He shouts. Why? 1.5 m away; near\n2. She weeps.") == [
        "He shouts.",
        "Why?",
        "1.5 m away;",
        "near",
        "She weeps.",
    ]
    assert statements("他笑了。他很高兴") == ["他笑了。", "他很高兴"]
    assert statements(" \n ") == []


def test_words_count_by_stem_and_emotions_by_concept() -> None:
    others = ["She walks", "indignant", "furious", "a car", "not angry"]
    found = alike(["He walked.", "angry"], others)
    assert found[0].tolist() == [1.0, 0.0, 0.0, 0.0, 0.0]
    # of three each: word, concept, sector; two in common with a word of the concept, one with one of the sector
    assert found[1].tolist()[:4] == pytest.approx([0.0, 2 / 3, 1 / 3, 0.0])
    assert found[1, 4] == pytest.approx(2 * 1 / (3 + 2)), "negated, the word alone is in common"
    assert alike([], ["x"]).shape == (0, 1) and alike(["the"], ["the"])[0, 0] == 0


def said(labels: list[str], cues: list[dict[str, Any]], explanation: str | None = None) -> Prediction:
    row = {"id": "x", "task": "full", "status": "ok", "labels": [{"text": one} for one in labels], "cues": cues}
    made = {"explanation": explanation, "provenance": {"model": "m", "engine": "e", "emollm": "0"}}
    return Prediction.model_validate(row | made)


def cue(modality: str, text: str) -> dict[str, Any]:
    return {"modality": modality, "text": text}


def scored(metric: str, records: list[Record], answers: list[Prediction]) -> tuple[dict[str, float], Any]:
    (chosen,) = choose([metric])
    gold = [chosen.metric.gold(record) for record in records]
    prepared = chosen.metric.prepare(gold, [chosen.metric.answer(a, r) for a, r in zip(answers, records, strict=True)])
    return dict(prepared.statistics(np.arange(len(records)))), prepared.details


def test_cues_are_matched_softly_kind_by_kind() -> None:
    first = {"labels_ov": [{"text": "sad"}], "cues": [cue("video", "tears"), cue("audio", "the text says no")]}
    second = {"labels_ov": [{"text": "joy"}], "cues": [cue("audio", "loud laugh")]}
    records = [Record.model_validate({"id": name, "targets": one}) for name, one in (("a", first), ("b", second))]
    answers = [said(["sad"], [cue("video", "tears"), cue("video", "a hat")]), said([], [cue("audio", "loud laugh")])]
    found, details = scored("soft-cues", records, answers)
    assert (found["visual_precision"], found["visual_recall"]) == (0.5, 1.0)
    assert found["visual_f1"] == pytest.approx(2 / 3) and found["auditory_f1"] == 1.0
    assert found["emotional_f1"] == 0.5, "no label at all scores 0"
    assert found["f1"] == pytest.approx((2 / 3 + 1 + 0.5) / 3)
    assert details == {"visual_scored": 1, "auditory_scored": 1, "emotional_scored": 2}, "a text heard is no sound"


def test_triggers_are_looked_for_in_the_sentences_of_an_answer() -> None:
    (chosen,) = choose(["triggers"])
    cause = [{"text": "lost the race"}, {"text": "broken trophy"}]
    record = Record.model_validate({"id": "a", "targets": {"cause": cause}})
    found, _ = scored("triggers", [record], [said([], [], "He lost the race. It rains.")])
    assert (found["recall"], found["precision"]) == (0.5, 0.5)
    assert chosen.metric.gold(Record.model_validate({"id": "b", "targets": {"cause": [{"utterance": "x"}]}})) is None


def test_sentences_of_a_description_are_looked_for_in_the_answer() -> None:
    text = {"text": "He shouts. He is sad.", "kind": "reasoning", "author": "human"}
    record = Record.model_validate({"id": "a", "targets": {"description": [text]}})
    found, details = scored("soft-description", [record], [said([], [], "He shouts.")])
    assert (found["recall"], found["precision"], details) == (0.5, 1.0, {"clips_scored": 1})


def test_an_encoder_stands_in_the_name_of_the_score_and_in_results(
    call: Callable[..., Result], encoder: Path, tmp_path: Path
) -> None:
    rows = [
        Record.model_validate({"id": f"c{i}", "dataset": "emocue", "targets": {"labels_ov": [{"text": word}],
                               "cues": [cue("video", "she weeps")]}})
        for i, word in enumerate(("sad", "angry"))
    ]  # fmt: skip
    answers = [said(["sad"], [cue("video", "he shouts")]).model_copy(update={"id": row.id}) for row in rows]
    write_records(tmp_path / "r.jsonl", rows)
    write_rows(tmp_path / "p.jsonl", answers)
    asked = ("--data", tmp_path / "r.jsonl", "--predictions", tmp_path / "p.jsonl", "--draws", 5)
    by_words, by_encoder = tmp_path / "words", tmp_path / "by"
    assert call("run", "emocue", *asked, "-o", by_words).exit_code == 0
    result = call("run", "emocue", *asked, "--embeddings", encoder, "-o", by_encoder)
    assert result.exit_code == 0, result.output
    assert "soft-cues [encoder] f1" in result.output
    plain, soft = (results(folder)["runs"][0]["scores"][0] for folder in (by_words, by_encoder))
    assert (plain["encoder"], plain["values"]["visual_f1"]["value"]) == (None, 0.0)
    assert soft["encoder"]["name"] == "encoder" and len(soft["encoder"]["weights_sha256"]) == 64
    assert 0 < soft["values"]["visual_f1"]["value"] < 1 and soft["values"]["emotional_f1"]["value"] > 0.5
    compared = call("compare", by_words, by_encoder)
    assert compared.exit_code == 2 and "scored by other metrics (soft-cues and soft-cues [encoder])" in compared.stderr
    again = CliRunner().invoke(app, ["score", *map(str, (tmp_path / "p.jsonl", tmp_path / "r.jsonl")), "--metric",
                                     "soft-cues", "--embeddings", str(encoder), "-o", str(tmp_path / "s.json")])  # fmt: skip
    assert again.exit_code == 0, again.output
    (row,) = json.loads((tmp_path / "s.json").read_text())["scores"]
    assert row["values"]["f1"]["value"] == soft["values"]["f1"]["value"] and row["encoder"] == soft["encoder"]


def test_an_encoder_without_statements_is_refused(
    call: Callable[..., Result], leaf: Path, records: Path, encoder: Path, tmp_path: Path
) -> None:
    result = call("run", leaf, "--data", records, "--predictions", records, "--embeddings", encoder)
    assert result.exit_code == 2 and "no metric of the benchmark matches statements" in result.stderr
