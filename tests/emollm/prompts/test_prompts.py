"""Prompts and answers: the string that is trained is the string that is read; outside text stays text."""

import json

import pytest
import xgrammar
from hypothesis import given
from hypothesis import strategies as st

from emollm.errors import ConfigError
from emollm.prompts import TASKS, Answer, Task, answer_string, escape, grammar, parse, prompt_sha256, render
from emollm.records import Cue, Record, TextLine, Time, Turn

JSON_TASKS = [task for task in TASKS.values() if task.style != "text"]
words = st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=30).map(str.strip).filter(bool)
tenths = st.integers(0, 9999).map(lambda n: n / 10)
cues = st.builds(
    lambda m, t, times: Cue(modality=m, text=t, start_s=times[0], end_s=times[1]),
    st.sampled_from(["audio", "video", "text"]), words, st.tuples(tenths, tenths).map(sorted),
)  # fmt: skip
answers = st.builds(
    Answer,
    labels=st.lists(words, max_size=4, unique=True).map(tuple),
    cues=st.lists(cues, max_size=3).map(tuple),
    explanation=words,
    confidence=st.integers(0, 100).map(lambda n: n / 100),
)


def accepts(task, text):
    """Tell whether the grammar of the task accepts the whole text (a byte-level vocabulary stands for any tokenizer)."""
    info = xgrammar.TokenizerInfo(
        [bytes([b]) for b in range(256)] + [b"<end>"], xgrammar.VocabType.RAW, stop_token_ids=[256]
    )
    matcher = xgrammar.GrammarMatcher(xgrammar.GrammarCompiler(info).compile_grammar(grammar(task)))
    return matcher.accept_string(text) and matcher.accept_token(256)


@given(answers, st.sampled_from(JSON_TASKS))
def test_answer_string_is_read_back_and_allowed_by_the_grammar(answer, task):
    text = answer_string(answer, task)
    parsed = parse(text, task)
    assert parsed.status == "ok"
    assert parsed.answer.labels == answer.labels
    assert list(json.loads(text[text.index('{"labels') :])) == list(task.answer_keys)
    if "cues" in task.answer_keys:
        assert parsed.answer.cues == answer.cues
    if "explanation" in task.answer_keys or task.style == "think":
        kept = (
            answer.explanation if task.style != "think" else answer.explanation.translate(str.maketrans("<{}", "(()"))
        )
        assert parsed.answer.explanation == kept
    if "confidence" in task.answer_keys:
        assert parsed.answer.confidence == answer.confidence
    if len(answer.labels) <= 4:
        assert accepts(task, text)


def test_exact_answer_string():
    cue = Cue(modality="audio", text="voice is loud", start_s=0.4, end_s=2.1)
    answer = Answer(("furious",), (cue, Cue(modality="text", text="x")), "It is loud.", 0.8)
    expected = (
        '{"labels":["furious"],"cues":[{"modality":"audio","text":"voice is loud","start_s":0.4,"end_s":2.1},'
        '{"modality":"text","text":"x"}],"explanation":"It is loud.","confidence":0.8}'
    )
    assert answer_string(answer, TASKS["full"]) == expected
    assert answer_string(Answer(), TASKS["labels"]) == '{"labels":[]}'


def test_missing_part_of_an_answer_raises():
    with pytest.raises(ValueError, match="confidence"):
        answer_string(Answer(("sad",), (), "x"), TASKS["full"])


@pytest.mark.parametrize(
    ("text", "truncated", "status", "labels"),
    [
        ('Here you are:\n```json\n{"labels": ["sad", "sad "], "note": 1}\n```', False, "repaired", ("sad",)),
        ('{"labels":["sad","worried"],"cues":[{"mod', True, "truncated", ("sad", "worried")),
        ('{"labels":["sad","worr', True, "truncated", ("sad",)),
        ("The person is sad.", False, "failed", ()),
        ('{"labels":"sad"}', False, "failed", ()),
        ("", False, "failed", ()),
        ('<think>He frowns, so {"labels":["x"]}</think>{"labels":["angry"]}', False, "ok", ("angry",)),
        ('<think>He frowns, so {"labels":["x"]} and', True, "truncated", ()),
        ('<think>He frowns, so {"labels":["x"]} and', False, "failed", ()),
    ],
)
def test_other_text_is_marked(text, truncated, status, labels):
    parsed = parse(text, TASKS["labels"], truncated=truncated)
    assert (parsed.status, parsed.answer.labels) == (status, labels)


def test_closed_label_space():
    task = TASKS["labels"].with_labels(("happy", 'so "so"', "sad"))
    assert accepts(task, '{"labels":["sad","so \\"so\\""]}')
    assert not accepts(task, '{"labels":["angry"]}')
    assert parse('{"labels":["angry","Sad"]}', task).answer.labels == ("sad",)
    assert "Choose from: happy" in render(Record(id="a"), task, audio=False, video=False)[0]["content"][-1]["text"]


def test_grammar_refuses_what_is_no_answer():
    for text in ('{"labels":[1]}', '{"labels": ["sad"]}', '{"labels":["sad"],"x":1}', '{"labels":["a\nb"]}', "sad"):
        assert not accepts(TASKS["labels"], text)


def test_prompt_layout():
    record = Record(
        id="a",
        text=(TextLine(text="I am fine."),),
        time=Time(start_s=10, end_s=14, clock="source"),
        context=(
            Turn(speaker="Ann", text="The train is late.", emotion="worried", start_s=5, end_s=7),
            Turn(speaker="Bob", text="Later turn", emotion="calm", start_s=20, end_s=22),
        ),
    )
    (message,) = render(record, TASKS["labels"], audio=True, video=True)
    assert [part["type"] for part in message["content"]] == ["audio", "video", "text"]
    lines = message["content"][-1]["text"].split("\n")
    assert lines == ["Ann: The train is late.", "The person says: I am fine.", TASKS["labels"].question]
    text_only = render(record, TASKS["labels"], audio=False, video=False, transcript=False)
    assert text_only[0]["content"] == [{"type": "text", "text": TASKS["labels"].question}]
    oracle = Task("labels", "q", ("labels",), oracle_context=True)
    shown = render(record, oracle, audio=False, video=False)[0]["content"][0]["text"]
    assert "Ann (worried)" in shown
    assert "Later turn" in shown


def test_prompt_hash_follows_the_prompt():
    one = render(Record(id="a"), TASKS["labels"], audio=True, video=False)
    assert prompt_sha256(one) == prompt_sha256(render(Record(id="b"), TASKS["labels"], audio=True, video=False))
    assert prompt_sha256(one) != prompt_sha256(render(Record(id="a"), TASKS["labels"], audio=True, video=True))


CONTROL = (
    "<|clip|>",
    "<|im_end|>",
    "<|av_pad|>",
    "<|endoftext|>",
    "</s>",
    "[INST]",
    "<<SYS>>",
    "<think>",
    "<audio>",
    "<end_of_turn>",
)


@given(
    st.lists(st.sampled_from([*CONTROL, "a", " ", "<", "|", ">", "\n", "\u200b", "im_end"]), max_size=12).map("".join)
)
def test_no_control_token_survives_escaping(text):
    clean = escape(text)
    for token in CONTROL:
        assert token not in clean
    assert "\n" not in clean


def test_escape_keeps_ordinary_text_and_knows_extra_tokens():
    assert escape("I <3 you, 5 < 6 | x > y [sic]") == "I <3 you, 5 < 6 | x > y [sic]"
    assert "[CLS]" not in escape("a [CLS] b", ("[CLS]",))


def test_every_outside_text_of_a_prompt_is_escaped():
    bad = "<|im_end|><|clip|>"
    record = Record(id="a", text=(TextLine(text=bad),), context=(Turn(speaker=bad, text=bad),))
    task = TASKS["ask"].with_question(bad).with_labels((bad,))
    text = render(record, task, audio=False, video=False)[0]["content"][0]["text"]
    assert "<|" not in text


def test_task_keys_must_be_a_prefix():
    with pytest.raises(ConfigError, match="prefix"):
        Task("x", "q", ("labels", "confidence"))
