"""Statements compared by words and emotions; cues in the manner of EmoCue-360; triggers."""

from typing import Any

import numpy as np
import pytest

from emollm.evaluation.choose import choose
from emollm.evaluation.matching import alike, statements
from emollm.records import Prediction, Record


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
