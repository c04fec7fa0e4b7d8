"""Records and predictions: what is written reads back equal; what is wrong is named by file, line and field."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from emollm.errors import EmoError
from emollm.jsonl import read_rows, to_line, write_rows
from emollm.records import (
    Cue,
    Distribution,
    Failure,
    Media,
    MediaRef,
    OpenLabel,
    PredictedLabel,
    Prediction,
    Provenance,
    Record,
    Sentiment,
    Targets,
    TextLine,
    Turn,
    Vad,
    read_records,
    write_records,
)

words = st.text(min_size=1, max_size=20)
seconds = st.floats(0, 1e5, allow_nan=False)
shares = st.floats(0, 1)
spans = st.tuples(seconds, seconds).map(sorted)
cues = st.builds(
    lambda m, t, s: Cue(modality=m, text=t, start_s=s[0], end_s=s[1]),
    st.sampled_from(["audio", "video", "text"]),
    words,
    spans,
)
distributions = st.builds(
    Distribution,
    space=words,
    kind=words,
    probs=st.dictionaries(words, shares, max_size=3),
    n=st.none() | st.integers(0, 50),
)
targets = st.builds(
    Targets,
    labels_ov=st.none() | st.lists(st.builds(OpenLabel, text=words, lang=st.none() | words), max_size=3).map(tuple),
    distribution=st.lists(distributions, max_size=2).map(tuple),
    vad=st.none() | st.builds(Vad, valence=st.none() | st.floats(-1, 1), scale=st.just((-1.0, 1.0))),
    sentiment=st.none()
    | st.builds(Sentiment, value=st.none() | st.floats(-1, 1), by_modality=st.none() | st.just({"T": 0.5, "A": None})),
    cues=st.none() | st.lists(cues, max_size=3).map(tuple),
)
records = st.builds(
    Record,
    id=words,
    split=st.none() | words,
    fold=st.none() | st.integers(0, 10),
    media=st.builds(Media, video=st.none() | st.builds(MediaRef, path=words)),
    text=st.lists(st.builds(TextLine, text=words), max_size=2).map(tuple),
    context=st.lists(st.builds(Turn, text=words, emotion=st.none() | words), max_size=2).map(tuple),
    targets=targets,
)
source = Provenance(model="tiny", engine="fake", emollm="0")
predictions = st.builds(
    Prediction,
    id=words,
    task=words,
    status=st.sampled_from(["ok", "insufficient_evidence"]),
    labels=st.lists(st.builds(PredictedLabel, text=words, score=st.none() | shares), max_size=3).map(tuple),
    cues=st.lists(cues, max_size=2).map(tuple),
    raw=st.none() | st.text(max_size=30),
    provenance=st.just(source),
)


@given(records)
def test_record_line_reads_back_equal(record):
    line = to_line(record)
    assert "\n" not in line
    assert Record.model_validate(json.loads(line)) == record


@given(predictions)
def test_prediction_line_reads_back_equal_and_has_every_field(prediction):
    data = json.loads(to_line(prediction))
    assert Prediction.model_validate(data) == prediction
    assert {"id", "status", "labels", "raw", "error", "key", "construct", "schema"} <= set(data)


@settings(max_examples=20)
@given(rows=st.lists(records, max_size=4, unique_by=lambda r: r.id))
def test_file_round_trip(rows, tmp_path_factory):
    path = tmp_path_factory.mktemp("records") / "records.jsonl"
    assert write_rows(path, rows) == len(rows)
    assert list(read_rows(path, Record)) == rows


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('{"id": "a", "fold": "x"}', ["records.jsonl:2", "fold", "integer", "'x'"]),
        ('{"id": "a", "emotoin": 1}', ["records.jsonl:2", "emotoin", "unknown field"]),
        ('{"id": "a", "media": {"video": {"path": ""}}}', ["records.jsonl:2", "media.video.path"]),
        ('{"id": "a", "context": [{"text": "x", "start_s": 3, "end_s": 1}]}', ["records.jsonl:2", "end_s 1.0 lies before start_s 3.0"]),
        ('{"id": "a", "fold": "x", "split": 3}', ["fold", "split"]),
        ('{"id": ', ["records.jsonl:2", "not a JSON object"]),
        ("[1]", ["records.jsonl:2", "(the whole line)"]),
    ],
)  # fmt: skip
def test_wrong_line_is_named(tmp_path, line, expected):
    path = tmp_path / "records.jsonl"
    path.write_text('{"id": "good"}\n' + line + "\n")
    with pytest.raises(EmoError) as error:
        list(read_records(path))
    for part in expected:
        assert part in str(error.value)


def test_missing_file_says_so(tmp_path):
    with pytest.raises(EmoError, match="no such file"):
        list(read_records(tmp_path / "none.jsonl"))


def test_duplicate_id_raises(tmp_path):
    path = tmp_path / "records.jsonl"
    path.write_text('{"id": "a"}\n{"id": "a"}\n')
    with pytest.raises(EmoError, match="occurs twice"):
        list(read_records(path))


def test_bom_and_blank_lines_are_read(tmp_path):
    path = tmp_path / "records.jsonl"
    path.write_text('\ufeff{"id": "a"}\n\n{"id": "b"}\n', encoding="utf-8")
    assert [record.id for record in read_records(path)] == ["a", "b"]


def test_media_paths_are_relative_to_the_file(tmp_path):
    write_records(tmp_path / "records.jsonl", [Record(id="a", media=Media(video=MediaRef(path="media/a.mp4")))])
    (record,) = read_records(tmp_path / "records.jsonl")
    assert record.media.video.path == str(tmp_path / "media/a.mp4")


def test_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "records.jsonl"
    write_records(path, [Record(id="old")])

    def rows():
        yield Record(id="new")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_rows(path, rows())
    assert [record.id for record in read_records(path)] == ["old"]
    assert [p.name for p in tmp_path.iterdir()] == ["records.jsonl"]


def test_error_rows_and_confidences_are_consistent():
    with pytest.raises(ValidationError, match="go together"):
        Prediction(id="a", task="labels", status="error", provenance=source)
    with pytest.raises(ValidationError, match="go together"):
        Prediction(id="a", task="labels", status="ok", confidence=0.5, provenance=source)
    row = Prediction(
        id="a", task="labels", status="error", error=Failure(code="not_media", what="x"), provenance=source
    )
    assert json.loads(to_line(row))["error"]["code"] == "not_media"


def test_transcript_prefers_the_official_one():
    lines = (TextLine(text="heard", kind="asr"), TextLine(text="said"), TextLine(text="title", kind="title"))
    assert Record(id="a", text=lines).transcript.text == "said"
    assert Record(id="a", text=lines[:1]).transcript.kind == "asr"
    assert Record(id="a").transcript is None
