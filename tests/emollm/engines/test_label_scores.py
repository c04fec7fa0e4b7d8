"""Scores of labels come from their own tokens."""

import math

from emollm.engines.label_scores import label_scores


def score(tokens: list[tuple[str, float]]) -> tuple[dict[str, float], float | None]:
    texts = [text for text, _ in tokens]
    return label_scores(
        "".join(texts), range(len(texts)), [prob for _, prob in tokens], lambda ids: "".join(texts[i] for i in ids)
    )


def test_a_score_is_the_geometric_mean_of_its_tokens() -> None:
    scores, confidence = score(
        [('{"labels":["', 0.1), ("ca", 0.5), ("lm", 0.32), ('"', 0.1), (',"', 0.1), ("sad", 0.9), ('"]}', 0.1)]
    )
    assert math.isclose(scores["calm"], 0.4)
    assert math.isclose(scores["sad"], 0.9)
    assert math.isclose(confidence, (0.5 + 0.32 + 0.9) / 3)


def test_a_token_that_holds_the_quote_too_counts() -> None:
    scores, _ = score([('{"labels":["ca', 0.25), ('lm"]}', 1.0)])
    assert math.isclose(scores["calm"], 0.5)


def test_escapes_are_read_and_other_texts_do_not_count() -> None:
    scores, confidence = score(
        [('{"labels":["', 1.0), ('a\\"b', 0.5), ('"],"cues":[],"explanation":"', 0.1), ("calm", 0.2), ('"}', 0.1)]
    )
    assert scores == {'a"b': 0.5}
    assert confidence == 0.5


def test_no_labels_no_confidence() -> None:
    assert score([('{"labels":[]}', 0.9)]) == ({}, None)
