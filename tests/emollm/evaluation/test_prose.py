"""Labels read from free text, and their scores, which are marked as extracted."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from emollm.evaluation.prose import labels_in, sentiment_of
from tests.emollm.evaluation.conftest import CLASSES, results

TEXTS = {"happy": "She is plainly delighted, not sad.", "sad": "He sounds sorrowful.", "angry": "An irate man."}


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("He sounds very angry, not sad; later he is calm.", ("angry", "calm")),
        ("She doesn't look happy. Sad rather.", ("sad",)),
        ("He walks to the table, made of wood.", ()),
        ("Angry, ANGRY and angry!", ("angry",)),
    ],
)
def test_words_that_are_not_negated_count_once(text: str, labels: tuple[str, ...]) -> None:
    assert labels_in(text) == labels


def test_sentiment_is_the_balance_of_valence() -> None:
    assert [sentiment_of(words) for words in (["happy"], ["sad", "angry", "happy"], ["happy", "sad"], ["zzz"])] == [
        "positive",
        "negative",
        "neutral",
        "neutral",
    ]


def test_extracted_scores_are_marked(call: Callable[..., Result], leaf: Path, records: Path, tmp_path: Path) -> None:
    rows = [{"id": f"c{i}", "text": TEXTS[CLASSES[i % 3]] if i < 21 else "He walks."} for i in range(24)]
    file = tmp_path / "theirs.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    options = ("--data", records, "--predictions", file, "-o", tmp_path / "out", "--draws", 20)
    result = call("run", leaf, *options, "--extract", "lexicon")
    assert result.exit_code == 0, result.output
    (run,) = results(tmp_path / "out")["runs"]
    assert run["answers"] == "extracted:lexicon"
    row = next(line for line in result.stdout.splitlines() if line.startswith("little "))
    assert "  extracted:lexicon  " in row and "native" not in result.stdout
    assert run["scores"][0]["values"]["acc"]["value"] == 21 / 24 and run["counts"]["insufficient_evidence"] == 3
    assert call("compare", tmp_path / "out", tmp_path / "out", "--draws", 20).exit_code == 0
