"""Descriptions against descriptions: emotions by concept, words in common."""

import numpy as np
import pytest

from emollm.evaluation.choose import choose
from emollm.records import Prediction, Record


def test_emotions_count_by_concept_and_words_as_they_stand() -> None:
    texts = [("She is indignant and sad.", "The man sounds angry."), ("He walks.", "He walks home."), ("Sad.", None)]
    (chosen,) = choose(["description"])
    records, answers = [], []
    for i, (told, written) in enumerate(texts):
        both = [{"text": "...", "kind": "reasoning", "author": "human", "lang": "zh"}]
        both.append({"text": told, "kind": "reasoning", "author": "human", "lang": "en"})
        records.append(Record.model_validate({"id": f"c{i}", "targets": {"description": both}}))
        row = {"id": f"c{i}", "task": "explain", "status": "ok", "explanation": written}
        made = {"provenance": {"model": "m", "engine": "e", "emollm": "0"}}
        answers.append(Prediction.model_validate(row | made))
    gold = [chosen.metric.gold(record) for record in records]
    prepared = chosen.metric.prepare(gold, [chosen.metric.answer(a, r) for a, r in zip(answers, records, strict=True)])
    found = prepared.statistics(np.arange(3))
    # precisions 1 and 0, recalls 1/2 and 0 over the two clips whose gold names an emotion
    assert (found["emotion_p"], found["emotion_r"]) == (0.5, 0.25)
    assert found["emotion_f"] == pytest.approx(2 * 0.5 * 0.25 / 0.75)
    assert found["word_f1"] == pytest.approx((0 + 2 * 2 / 5 + 0) / 3)
    assert prepared.details == {"gold_names_an_emotion": 2}
    assert chosen.metric.gold(Record(id="x")) is None
