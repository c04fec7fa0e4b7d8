"""Answers of other projects become predictions; what is prose stays prose, and is said to be."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emollm.errors import EmoError
from emollm.evaluation.extraction import Outputs, read_outputs, read_text

PROSE = "In the video, the man lowers his head and sighs, which suggests that he has given up."


def lines(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def labels(outputs: Outputs) -> dict[str, list[str]]:
    return {one.id: [label.text for label in one.labels] for one in outputs.predictions}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"labels":["happy","calm"]}', ["happy", "calm"]),
        ('Sure! {"labels": ["happy"], "cues": []}', ["happy"]),
        ("<think>He smiles, so [sad] is out.</think>\n<answer>happy</answer>", ["happy"]),
        ("<answer>sad</answer> no: <answer>Happy, calm</answer>", ["happy", "calm"]),
        ("['happy', 'calm']", ["happy", "calm"]),
        ("[]", []),
        ("Happy.", ["happy"]),
        ("happy, deeply moved", ["happy", "deeply moved"]),
        ("The character's emotional state is happy, calm.", ["happy", "calm"]),
        ("The most likely label is angry.", ["angry"]),
        ("['torn between two wishes', 'calm']", ["torn between two wishes", "calm"]),
        ("The character's sentiment state is positive.", ["positive"]),
    ],
)
def test_labels_in_texts(text: str, expected: list[str]) -> None:
    found = read_text(text)
    assert list(found.answer.labels) == expected
    assert found.status in ("ok", "repaired")


@pytest.mark.parametrize(
    "text", [PROSE, "He leaves; his emotional state is unclear.", "", "[[happy]]", "<answer></answer>"]
)
def test_prose_gives_no_labels(text: str) -> None:
    found = read_text(text)
    assert (found.status, found.answer.labels, found.answer.explanation) == ("failed", (), text)


def test_cues_and_confidence_of_our_answer_string_are_kept() -> None:
    text = '{"labels":["sad"],"cues":[{"modality":"audio","text":"sobs"}],"explanation":"He sobs.","confidence":0.7}'
    found = read_text(text)
    assert found.status == "ok" and found.answer.cues[0].text == "sobs" and found.answer.confidence == 0.7


def test_affectgpt_texts(tmp_path: Path) -> None:
    texts = {"sample_1": "The character's emotional state is happy, calm.", "sample_2": PROSE}
    np.savez_compressed(tmp_path / "results.npz", name2reason=texts)
    found = read_outputs(tmp_path / "results.npz")
    assert found.format == "affectgpt" and labels(found) == {"sample_1": ["happy", "calm"], "sample_2": []}
    assert [one.parse for one in found.predictions] == ["repaired", "failed"]
    assert found.predictions[1].explanation == PROSE


@pytest.mark.parametrize("kind", [object, str])
def test_affectgpt_label_lists(tmp_path: Path, kind: type) -> None:
    items = np.array(["['happy', 'calm']", "[]"], dtype=kind)
    np.savez(tmp_path / "epoch-openset.npz", filenames=np.array(["a", "b"], dtype=kind), fileitems=items)
    found = read_outputs(tmp_path / "epoch-openset.npz")
    assert labels(found) == {"a": ["happy", "calm"], "b": []}
    assert [one.status for one in found.predictions] == ["ok", "insufficient_evidence"]


def test_emotion_llama_lines(tmp_path: Path) -> None:
    (tmp_path / "answers.txt").write_text("sample_1 120 happy -10\nsample_2 98 sad\nsample_3 angry\n")
    found = read_outputs(tmp_path / "answers.txt")
    assert labels(found) == {"sample_1": ["happy"], "sample_2": ["sad"]}
    assert len(found.problems) == 1 and "answers.txt:3" in str(found.problems[0])


def test_lmms_eval_samples(tmp_path: Path) -> None:
    logged = {
        "doc_id": 7,
        "target": "x",
        "filtered_resps": ["<answer>sad</answer>"],
        "f_exact": {"id": "clip-7", "gold": ["sad"]},
    }
    found = read_outputs(lines(tmp_path / "samples.jsonl", logged, {"doc": {"emo_id": "clip-8"}, "resps": [["happy"]]}))
    assert found.format == "lmms-eval" and labels(found) == {"clip-7": ["sad"], "clip-8": ["happy"]}


def test_ms_swift_results(tmp_path: Path) -> None:
    row = {"response": '{"labels":["sad"]}', "labels": "happy", "messages": [], "emo_id": "clip-7", "id": 3}
    found = read_outputs(lines(tmp_path / "result.jsonl", row))
    assert found.format == "ms-swift" and labels(found) == {"clip-7": ["sad"]}, "its `labels` are gold, not the answer"


def test_rows_without_id_or_text_are_problems_with_their_line(tmp_path: Path) -> None:
    rows = [{"doc_id": 0, "resps": ["sad"]}, {"id": "b", "resps": []}, {"id": "c", "resps": ["sad"]}]
    found = read_outputs(lines(tmp_path / "s.jsonl", *rows))
    assert labels(found) == {"c": ["sad"]}
    assert ["no id" in str(found.problems[0]), "no text" in str(found.problems[1])] == [True, True]
    assert "s.jsonl:1" in str(found.problems[0]) and "s.jsonl:2" in str(found.problems[1])


def test_what_is_not_known_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text("")
    np.savez(tmp_path / "features.npz", weights=np.zeros(3))
    (tmp_path / "b.csv").write_text("name,label\na,happy\n")
    for name, told in (
        ("a.xml", "unknown kind"),
        ("features.npz", "holds weights"),
        ("b.csv", "no column openset"),
        ("no.txt", "cannot be read"),
    ):
        with pytest.raises(EmoError, match=told):
            read_outputs(tmp_path / name)
