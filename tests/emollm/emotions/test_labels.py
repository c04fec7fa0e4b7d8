"""Label lists are read as the published scores read them, quirks included."""

import numpy as np
import pytest

from emollm.emotions.labels import answer_problem, mer2024_labels, reference_labels
from emollm.errors import EmoError


@pytest.mark.parametrize(
    ("answer", "labels"),
    [
        ("[happy, sad]", ["happy", "sad"]),
        ("['Happy', \"Sad\"]", ["happy", "sad"]),
        (" happy ,sad\n", ["happy", "sad"]),
        ("happy", ["happy"]),
        ("", []),
        ("[]", []),
        (None, []),
        (float("nan"), []),
        (["Happy, sad", " 'x' "], ["happy, sad", "'x'"]),
        (np.array(["Happy", "sad"]), ["happy", "sad"]),
        ("[don't care]", ["don", "t care"]),
        ("[don\u2019t care]", ["don\u2019t care"]),
        ("[happy] ", ["happy]"]),
        ("[[happy]]", ["[happy]"]),
        ("[],happy", ["]", "happy"]),
        ("happy; sad/angry and glad.", ["happy; sad/angry and glad."]),
        ("[happy,, '', sad]", ["happy", "sad"]),
    ],
)
def test_reference_parser(answer: object, labels: list[str]) -> None:
    assert reference_labels(answer) == labels  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("answer", "labels"),
    [
        ("['happy', \"Sad\"]", ["happy", "sad"]),
        ("The labels are ['let down'] or ['sad']", ["let down"]),
        ("[happy, sad]", ["happy, sad"]),
        ("['happy, sad']", ["happy, sad"]),
        ("'happy'", ["happy"]),
        (["Happy"], ["happy"]),
    ],
)
def test_mer2024_parser(answer: str | list[str], labels: list[str]) -> None:
    assert mer2024_labels(answer) == labels


@pytest.mark.parametrize("answer", ["[", 3, True, {"a": 1}, ["happy", None], [["happy"]]])
def test_what_is_no_label_list_is_refused(answer: object) -> None:
    assert answer_problem(answer, strict=False)
    with pytest.raises(EmoError, match="1 label lists cannot be read"):
        reference_labels(answer)  # type: ignore[arg-type]


@pytest.mark.parametrize("answer", ["[happy", "happy]", "][", "[[happy]]", "[happy] and more"])
def test_brackets_that_do_not_pair_are_a_problem_in_files(answer: str) -> None:
    assert answer_problem(answer)
    assert answer_problem(answer, strict=False) is None


@pytest.mark.parametrize("answer", ["", "[]", "[happy, sad]", " [happy] ", "happy, sad", None, ["happy"], ()])
def test_label_lists_are_no_problem(answer: object) -> None:
    assert answer_problem(answer) is None
