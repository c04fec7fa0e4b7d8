"""`emollm data export`: each format is what its reader expects, and gives back the rows by id."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from emollm.cli.main import app
from emollm.data.export import FORMATS, read_back
from emollm.plugins import load_module
from emollm.records import (
    QA,
    ClassLabel,
    Cue,
    Distribution,
    Media,
    MediaRef,
    OpenLabel,
    Preference,
    Record,
    RecordProvenance,
    Speaker,
    Targets,
    TextLine,
    Turn,
    Vad,
    read_records,
    write_records,
)

CHAT = [name for name in FORMATS if name != "hf"]
RECORDS = [
    Record(
        id="x:train:å/1",
        dataset="x",
        split="train",
        media=Media(video=MediaRef(path="clips/1.mp4")),
        text=(TextLine(text="Nei <video>, 不要", lang="nb"),),
        speaker=Speaker(id="Ann"),
        context=(Turn(id="x:train:0", speaker="Bo", text="Well?", emotion="joy"),),
        targets=Targets(
            labels_ov=(OpenLabel(text="irritated"), OpenLabel(text="hurt")),
            distribution=(Distribution(space="s", kind="votes", probs={"anger": 0.7, "joy": 0.3}, n=10),),
            vad=Vad(valence=-0.25, scale=(-1, 1)),
            cues=(Cue(modality="audio", text="voice is loud", start_s=0.4, end_s=2.0),),
            qa=(QA(question="Who?", answer="Ann"), QA(question="Why?", answer="It broke.", task="cause")),
            preference=Preference(a="calm", b="angry", chosen="b", n_raters=3),
        ),
        provenance=RecordProvenance(parents=("y:test:9",), row=12),
    ),
    Record(
        id="x:train:2",
        media=Media(audio=MediaRef(path="sound/2.wav"), images=(MediaRef(path="a.png"), MediaRef(path="b.png"))),
        targets=Targets(label=ClassLabel(space="meld7", name="joy")),
    ),
    Record(id="x:train:3", media=Media(video=MediaRef(path="clips/3.mp4", has_audio=False)), targets=Targets()),
]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_records("in/records.jsonl", RECORDS)


def export(to: str, *arguments: str, code: int = 0) -> Any:
    result = CliRunner().invoke(app, ["data", "export", "in/records.jsonl", "--to", to, "-o", f"out/{to}", *arguments])
    assert result.exit_code == code, result.output
    return result


def lines(path: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("to", CHAT)
def test_rows_come_back_by_id(to: str, tmp_path: Path) -> None:
    result = export(to)
    assert f"2 rows for {to}" in result.output and "left out: 1 cannot teach `labels`" in result.output
    first, second = read_back(Path("out", to), to)
    assert (first.id, second.id) == ("x:train:å/1", "x:train:2")
    assert (first.answer, second.answer) == ('{"labels":["irritated","hurt"]}', '{"labels":["joy"]}')
    assert first.text.startswith("Bo: Well?\nThe person says: Nei < video>, 不要\nWhich emotions")
    assert "joy" not in first.text, "gold emotions of the dialogue are never shown"
    place = tmp_path / "in"
    assert (first.video, first.audio, first.images, first.sound_in_video) == (f"{place}/clips/1.mp4", None, (), True)
    assert (second.video, second.audio, second.sound_in_video) == (None, f"{place}/sound/2.wav", False)
    assert second.images == (f"{place}/a.png", f"{place}/b.png")
    assert Targets.model_validate_json(first.targets) == RECORDS[0].targets, (
        "what the format has no place for rides along"
    )
    assert (first.dataset, first.split, first.task) == ("x", "train", "labels")


@pytest.mark.parametrize("to", CHAT)
def test_free_questions_become_rows_of_their_own(to: str) -> None:
    export(to, "--task", "ask")
    rows = list(read_back(Path("out", to), to))
    assert [(row.id, row.question, row.task, row.answer) for row in rows] == [
        ("x:train:å/1", 0, "ask", "Ann"),
        ("x:train:å/1", 1, "cause", "It broke."),
    ]
    assert [row.text.splitlines()[-1] for row in rows] == ["Who?", "Why?"]


@pytest.mark.parametrize("to", ["trl", "ms-swift", "llama-factory"])
def test_pairs(to: str) -> None:
    export(to, "--pairs")
    (row,) = read_back(Path("out", to), to)
    assert (row.answer, row.rejected) == ("angry", "calm")


def test_whole_records_come_back_from_parquet() -> None:
    export("hf")
    before = {record.id: record for record in read_records("in/records.jsonl")}
    for record in read_back(Path("out/hf"), "hf"):
        expected = before.pop(record.id)
        assert Path(record.media.images[0].path if record.media.images else "x").name in {"a.png", "x"}
        for kind in ("video", "audio"):
            one, other = getattr(record.media, kind), getattr(expected.media, kind)
            assert (one and Path(one.path).resolve()) == (other and Path(other.path).resolve())
        assert record.model_copy(update={"media": Media()}) == expected.model_copy(update={"media": Media()})
    assert not before


@pytest.mark.slow
def test_datasets_reads_the_parquet_with_its_types() -> None:
    datasets = pytest.importorskip("datasets")
    export("hf")
    rows = datasets.load_dataset("parquet", data_files="out/hf/hf.parquet", split="train", cache_dir="cache")
    assert rows[0]["targets"]["distribution"][0]["probs"] == pytest.approx({"anger": 0.7, "joy": 0.3})
    assert rows[0]["media"]["video"]["path"] == "../../in/clips/1.mp4" and rows[1]["media"]["video"] is None
    assert rows.features["targets"] == datasets.Json()


def test_ms_swift_rows_have_a_placeholder_for_each_file() -> None:
    export("ms-swift")
    for row in lines("out/ms-swift/ms_swift.jsonl"):
        user = row["messages"][0]["content"]
        for column in ("images", "videos", "audios"):
            assert user.count(f"<{column[:-1]}>") == len(row[column])
        assert {"id", "answer", "target", "text"}.isdisjoint(row), "names that ms-swift gives a meaning to"


def test_sound_of_a_video_is_named_when_asked_for() -> None:
    export("ms-swift", "--sound-files")
    first = lines("out/ms-swift/ms_swift.jsonl")[0]
    assert first["audios"] == first["videos"] and first["messages"][0]["content"].startswith("<video>\n<audio>\n")


def test_llama_factory_knows_the_data_set() -> None:
    export("llama-factory", "--pairs")
    (entry,) = json.loads(Path("out/llama-factory/dataset_info.json").read_text()).values()
    (row,) = lines(f"out/llama-factory/{entry['file_name']}")
    assert entry["ranking"] is True and entry["formatting"] == "sharegpt"
    assert set(entry["columns"].values()) <= set(row)
    assert row["chosen"] == {"role": "assistant", "content": "angry"}
    assert [message["role"] for message in row["messages"]] == ["user"]


def test_llava_hears_the_video() -> None:
    export("llava")
    first, second = json.loads(Path("out/llava/llava.json").read_text())
    assert first["conversations"][0]["value"].startswith("<video>\n<audio>\n") and "audio" not in first
    assert second["conversations"][0]["value"].startswith("<image>\n<image>\n<audio>\n") and second["audio"]
    assert [turn["from"] for turn in first["conversations"]] == ["human", "gpt"]


def test_verl_has_a_ground_truth_for_each_prompt() -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    export("verl")
    first = pq.read_table("out/verl/verl.parquet").to_pylist()[0]
    assert first["reward_model"] == {"style": "rule", "ground_truth": '{"labels":["irritated","hurt"]}'}
    assert first["data_source"] == "x" and first["prompt"][0]["content"].startswith("<video>\n")
    assert first["extra_info"]["emo_id"] == "x:train:å/1" and first["videos"][0]["video"].endswith("clips/1.mp4")


def test_a_task_of_lmms_eval_scores_with_our_functions() -> None:
    export("lmms-eval")
    text = Path("out/lmms-eval/lmms_eval.yaml").read_text()
    functions = load_module(Path("out/lmms-eval/utils.py"))
    used = {word.split("utils.")[1] for word in text.split() if word.startswith("utils.")}
    assert used == set(functions.__all__) and "task: lmms_eval\n" in text
    docs = lines("out/lmms-eval/docs.jsonl")
    assert functions.doc_to_messages(docs[0])[0]["content"][0] == {"type": "video", "url": docs[0]["videos"][0]}
    assert functions.doc_to_text(docs[0], {"post_prompt": "!"}).endswith("labels.!")
    answers = ['{"labels":["Hurt","bored"]}', "no idea"]
    results = [functions.process_results(doc, [answer]) for doc, answer in zip(docs, answers, strict=True)]
    pairs = [result["f_exact"] for result in results]
    assert functions.f_exact(pairs) == pytest.approx(0.25), "precision and recall are 1/2 of the first, 0 of the second"
    assert functions.unreadable(pairs) == 0.5
    assert functions.accuracy_exact(pairs) == 0
    right = [functions.process_results(doc, [doc["answer"]])["f_exact"] for doc in docs]
    assert functions.f_exact(right) == functions.accuracy_exact(right) == 1


def test_a_task_of_lmms_eval_scores_as_we_score_its_log() -> None:
    open_labels = [RECORDS[0], RECORDS[0].model_copy(update={"id": "x:train:4"})]
    write_records("in/records.jsonl", open_labels)
    export("lmms-eval")
    functions = load_module(Path("out/lmms-eval/utils.py"))
    rows = [
        {"doc": doc, "filtered_resps": [text]}
        for doc, text in zip(
            lines("out/lmms-eval/docs.jsonl"), ['{"labels":["furious","bored"]}', "no idea"], strict=True
        )
    ]
    Path("samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    there = functions.fs([functions.process_results(row["doc"], row["filtered_resps"])["fs"] for row in rows])
    call = ["score", "samples.jsonl", "in/records.jsonl", "--metric", "fs", "-o", "report.json"]
    result = CliRunner().invoke(app, call)
    assert result.exit_code == 0, result.output
    here = json.loads(Path("report.json").read_text())
    assert 0 < there < 1 and there == pytest.approx(here["scores"][0]["values"]["f"]["value"], abs=1e-12)


def test_parts_of_files_are_refused_all_counted() -> None:
    parts = [
        Record(id=f"p{i}", media=Media(video=MediaRef(path="long.mp4", start_s=i)), targets=RECORDS[1].targets)
        for i in range(3)
    ]
    write_records("in/records.jsonl", parts)
    message = export("llava", code=2).stderr
    assert "3 records" in message and "p0" in message and not Path("out/llava").exists()
    export("hf")
    assert next(iter(read_back(Path("out/hf"), "hf"))).media.video.start_s == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mswift"], "did you mean `ms-swift`"),
        (["trl", "--task", "explane"], "did you mean `explain`"),
        (["llava", "--pairs"], "no place for pairs"),
        (["trl", "--task", "explain"], "nothing to export"),
    ],
)
def test_wrong_calls_leave_nothing_behind(arguments: list[str], message: str) -> None:
    assert message in export(*arguments, code=2).stderr
    assert not Path("out").exists() or not any(Path("out").iterdir())
