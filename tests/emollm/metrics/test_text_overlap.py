"""BLEU of a sentence and ROUGE-L by hand."""

from math import exp

import pytest

from emollm.metrics.text_overlap import rouge_l, sentence_bleu


@pytest.mark.parametrize(
    ("reference", "text", "bleu"),
    [
        ("the cat sat on the mat", "the cat sat on the mat", 1.0),
        # 1 to 4 in a row: 5 of 6, 3 of 5, 2 of 4, 1 of 3
        ("the cat sat on the mat", "the cat sat on a mat", (5 / 6 * 3 / 5 * 2 / 4 * 1 / 3) ** 0.25),
        ("a b c d e f g h", "a b c d", exp(1 - 8 / 4)),
        ("a b c d", "a b c d e f g h", (4 / 8 * 3 / 7 * 2 / 6 * 1 / 5) ** 0.25),
        ("a b c d", "a a a a", 0.0),
        ("a b c", "a b c", 0.0),
        ("a b c d", "", 0.0),
    ],
)
def test_bleu(reference: str, text: str, bleu: float):
    assert sentence_bleu(reference, text) == pytest.approx(bleu)


@pytest.mark.parametrize(
    ("reference", "text", "f1"),
    [
        ("Police killed the gunman.", "police kill the gunman", 3 / 4),
        ("police killed the gunman", "the gunman police killed", 2 / 4),
        ("a b c d e", "e c", 2 / 7),
        ("a", "", 0.0),
        ("...", "!", 0.0),
    ],
)
def test_rouge_l(reference: str, text: str, f1: float):
    assert rouge_l(reference, text) == pytest.approx(f1)
