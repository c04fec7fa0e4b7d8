"""What is taught follows what can be seen, heard and read."""

from emollm.prompts import TASKS, answer_string
from emollm.records import Record
from emollm.train.targets import ask, lesson, questions_of, teachable

ALL = ("audio", "video", "text")


def by_author(records: list[Record], author: str) -> Record:
    return next(r for r in records if len(r.targets.cues or ()) == 4 and r.targets.description[0].author == author)


def test_nothing_lost_teaches_the_record_as_it_is(records: list[Record]) -> None:
    record = by_author(records, "human")
    answer = lesson(record, TASKS["explain"], ALL).answer
    assert [cue.text for cue in answer.cues] == ["voice is high", "cheeks raised", "words suggest a mood"]
    assert answer.explanation == record.targets.description[0].text


def test_cues_of_a_lost_modality_are_not_taught(records: list[Record]) -> None:
    answer = lesson(by_author(records, "human"), TASKS["cues"], ("video", "text")).answer
    assert {cue.modality for cue in answer.cues} == {"video", "text"}


def test_generated_explanation_is_composed_anew(records: list[Record]) -> None:
    taught = lesson(by_author(records, "generator"), TASKS["explain"], ("audio",))
    assert taught.task.name == "explain"
    assert "voice is high" in (taught.answer.explanation or "")
    assert "cheeks" not in (taught.answer.explanation or "")


def test_human_explanation_that_leans_on_a_lost_modality_is_not_taught(records: list[Record]) -> None:
    taught = lesson(by_author(records, "human"), TASKS["explain"], ("audio",))
    assert taught.task.name == "cues" and taught.answer.explanation is None


def test_nothing_left_teaches_insufficient_evidence(records: list[Record]) -> None:
    for author in ("human", "generator"):
        answer = lesson(by_author(records, author), TASKS["explain"], ()).answer
        assert answer.labels == () and answer.cues == ()
        assert answer.explanation is None or "too little" in answer.explanation


def test_questions_need_their_modality(records: list[Record]) -> None:
    human, generated = by_author(records, "human"), by_author(records, "generator")
    assert questions_of(human, ("audio", "text")) == [0]
    assert questions_of(human, ("video", "text")) == []
    assert questions_of(generated, ("video", "text")) == [1], "the composed answer can follow what is left"
    assert "voice" not in (ask(generated, 1, ("video", "text")).answer.explanation or "")


def test_a_record_teaches_only_what_it_knows(records: list[Record]) -> None:
    record = records[0]
    bare = record.model_copy(update={"targets": record.targets.model_copy(update={"cues": None, "labels_ov": None})})
    assert teachable(record, TASKS["explain"], ALL) and not teachable(record, TASKS["full"], ALL)
    assert not teachable(bare, TASKS["labels"], ALL)


def test_what_tells_of_one_stream_is_no_explanation(records: list[Record]) -> None:
    record = by_author(records, "human")
    told = record.targets.description[0].model_copy(update={"kind": "prosody", "text": "The voice is high."})
    measured = record.model_copy(update={"targets": record.targets.model_copy(update={"description": (told,)})})
    assert not teachable(measured, TASKS["explain"], ALL)
    assert teachable(measured, TASKS["cues"], ALL)


def test_thought_comes_before_the_labels_and_tells_what_is_left(records: list[Record]) -> None:
    record = by_author(records, "human")
    taught = lesson(record, TASKS["think"], ("audio", "text"))
    text = answer_string(taught.answer, taught.task)
    assert text.startswith("<think>") and text.index("voice is high") < text.index("</think>") < text.index('{"labels"')
    assert "cheeks" not in text
    assert not any(label in text[: text.index("</think>")] for label in taught.answer.labels)


def test_thought_of_a_record_without_cues_is_its_explanation(records: list[Record]) -> None:
    targets = by_author(records, "human").targets
    record = records[0].model_copy(update={"targets": targets.model_copy(update={"cues": None})})
    assert lesson(record, TASKS["think"], ALL).answer.explanation == targets.description[0].text
    bare = record.model_copy(update={"targets": record.targets.model_copy(update={"description": ()})})
    assert teachable(bare, TASKS["labels"], ALL) and not teachable(bare, TASKS["think"], ALL)
