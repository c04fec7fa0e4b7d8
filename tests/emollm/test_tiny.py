"""The bundled checkpoint: small, stamped, made by the frozen generator."""

import json
import math
import re

import pytest

import emollm
from emollm.paths import TINY
from emollm.records import read_records
from emollm.synth import generator_hash, make_synth
from emollm.synth.measure import family_scores, gold_words

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    make_synth(folder, 40, seed=77, split="dev", workers=1)
    return [record for record in read_records(folder / "records.jsonl") if gold_words(record)]


@pytest.fixture(scope="module")
def tiny():
    with emollm.load("tiny") as model:
        yield model


def test_it_is_small_and_in_bfloat16_but_for_statistics():
    from safetensors import safe_open

    assert sum(path.stat().st_size for path in TINY.rglob("*")) <= 16e6
    (weights,) = TINY.glob("*.safetensors")
    with safe_open(weights, "pt") as file:
        tensors = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
    wide = {name.rpartition(".")[2] for name, tensor in tensors.items() if tensor.get_dtype() != "BF16"}
    assert wide <= {"mean", "deviation"}, "all but the statistics of Standardise"
    assert sum(math.prod(tensor.get_shape()) for tensor in tensors.values()) <= 7.5e6


def test_its_card_tells_how_it_was_made_and_that_it_is_not_for_people():
    card = (TINY / "README.md").read_text(encoding="utf-8")
    assert "not for use on people" in card
    assert re.search(r"emollm sft tiny/sft", card)
    assert generator_hash() in card, "the generator changed after the checkpoint was trained"
    assert json.loads((TINY / "emollm.json").read_text())["valid_for"] == "synthetic"


def test_answers_are_stamped_and_hold_known_words(tiny, records):
    answers = tiny.label(records)
    assert {answer.provenance.valid_for for answer in answers} == {"synthetic"}
    assert {answer.status for answer in answers} <= {"ok", "insufficient_evidence"}
    gold = [gold_words(record) for record in records]
    found = family_scores(gold, [[label.text for label in answer.labels] for answer in answers])
    assert found.unmapped == 0
    assert found.n == len(records)


def test_labels_follow_the_clip(tiny, records):
    words = [[label.text for label in answer.labels] for answer in tiny.label(records)]
    gold = [gold_words(record) for record in records]
    assert family_scores(gold, words).f > 1.5 * family_scores(gold, words[1:] + words[:1]).f


def test_explanations_name_cues(tiny, records):
    answer = tiny.explain(records[0])
    assert answer.status == "ok"
    assert answer.explanation.startswith("The person appears ")
    assert answer.cues
