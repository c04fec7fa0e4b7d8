"""`emollm eval baseline`: the most frequent answer, and a linear probe on a frozen tower."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from typer.testing import Result

from emollm.evaluation.probe import TowerStates, ridge_classes
from emollm.evaluation.results import predictions_of, read_results
from emollm.paths import cache_dir
from emollm.records import Record, write_records
from tests.emollm.evaluation.conftest import CLASSES, answers, record, results

Call = Callable[..., Result]


def test_the_most_frequent_label_is_learnt_from_training_clips(
    call: Call, leaf: Path, records: Path, tmp_path: Path
) -> None:
    train = [record(f"t{i}", "sad" if i < 3 else "angry", split="train") for i in range(5)]
    train.append(record("u", "unheard of", split="train"))
    write_records(tmp_path / "train.jsonl", train)
    options = ("--data", records, "--train", tmp_path / "train.jsonl", "-o", tmp_path / "out", "--draws", 10)
    result = call("baseline", leaf, *options)
    assert result.exit_code == 0, result.output
    found = read_results(tmp_path / "out")
    (run,) = found["runs"]
    assert {one.labels[0].text for one in predictions_of(found, run)} == {"sad"}
    assert run["scores"][0]["values"]["acc"]["value"] == pytest.approx(1 / 3)
    assert (found["model"]["model"], len(found["model"]["train"][0]["sha256"])) == ("constant", 64)
    assert "constant" in (tmp_path / "out" / "report.html").read_text()
    leaking = call("baseline", leaf, "--data", records, "--train", records, "-o", tmp_path / "leak")
    assert leaking.exit_code == 2 and "24 clip(s) that are asked about" in leaking.stderr
    assert (
        call(
            "baseline", leaf, "--data", records, "--train", records, "--split", "train", "-o", tmp_path / "b"
        ).exit_code
        == 0
    )


def test_clips_with_folds_learn_from_the_other_folds(call: Call, leaf: Path, tmp_path: Path) -> None:
    leaf.write_text(
        leaf.read_text().replace("    metrics: [classes, valence]", "    metrics: [classes]\n    folds: true")
    )
    rows = [record(f"c{i}", CLASSES[i % 2], fold=1 + i % 2) for i in range(24)]
    write_records(tmp_path / "r.jsonl", rows)
    options = ("--data", tmp_path / "r.jsonl", "--train", tmp_path / "r.jsonl", "-o", tmp_path / "out", "--draws", 10)
    assert call("baseline", leaf, *options).exit_code == 0
    found = read_results(tmp_path / "out")
    answers = predictions_of(found, found["runs"][0])
    assert [one.labels[0].text for one in answers[:2]] == ["sad", "happy"], "each fold has one class, the other one's"


def test_open_vocabulary_gets_a_list_as_long_as_gold(call: Call, leaf: Path, tmp_path: Path) -> None:
    text = leaf.read_text().replace("    labels: [happy, sad, angry]\n", "").replace("[classes, valence]", "[fs]")
    leaf.write_text(text.replace("    clips: 24\n", ""))
    lists = [["sad", "calm"], ["sad", "worried"], ["joy", "calm"]]
    rows = [
        record(f"c{i}", "x", targets={"labels_ov": [{"text": one} for one in words]}) for i, words in enumerate(lists)
    ]
    train = [Record.model_validate(row.model_dump() | {"id": f"t{i}", "split": "train"}) for i, row in enumerate(rows)]
    write_records(tmp_path / "r.jsonl", rows)
    write_records(tmp_path / "t.jsonl", train)
    options = ("--data", tmp_path / "r.jsonl", "--train", tmp_path / "t.jsonl", "-o", tmp_path / "out", "--draws", 5)
    assert call("baseline", leaf, *options).exit_code == 0
    found = read_results(tmp_path / "out")
    assert {label.text for label in predictions_of(found, found["runs"][0])[0].labels} == {"sad", "calm"}


def test_a_linear_layer_finds_what_is_linear() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=90)
    x = np.eye(3)[y] @ rng.normal(size=(3, 200)) + 0.3 * rng.normal(size=(90, 200))
    named, strength = ridge_classes(x[:60], y[:60], list(range(60)))
    assert (named(x[60:]) == y[60:]).mean() > 0.9 and strength > 0
    shuffled, _ = ridge_classes(x[:60], rng.permutation(y[:60]), list(range(60)))
    assert (shuffled(x[60:]) == y[60:]).mean() < 0.7


def test_a_probe_on_a_frozen_tower(
    call: Call, leaf: Path, make_clip: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Noise and silence are told apart by the states of a random HuBERT, which are kept for the next run."""
    import torch
    from transformers import HubertConfig, HubertModel, Wav2Vec2FeatureExtractor

    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    convolution = {"conv_dim": [8] * 7, "num_conv_pos_embeddings": 8, "num_conv_pos_embedding_groups": 2}
    config = HubertConfig(**sizes, **convolution, feat_extract_norm="layer", do_stable_layer_norm=True, conv_bias=True)
    HubertModel(config).save_pretrained(tmp_path / "tower")
    Wav2Vec2FeatureExtractor(do_normalize=False, return_attention_mask=True).save_pretrained(tmp_path / "tower")
    rows = []
    for i in range(12):
        loud = i % 2
        path = make_clip(f"{i}.wav", seconds=0.4 + i / 100, loudness=0.3 if loud else 0.0)
        row = record(f"c{i}", CLASSES[loud], split="test" if i < 4 else "train", speaker=f"s{i}")
        rows.append(Record.model_validate(row.model_dump() | {"media": {"audio": {"path": str(path)}}}))
    write_records(tmp_path / "r.jsonl", rows)
    options = ("--data", tmp_path / "r.jsonl", "--train", tmp_path / "r.jsonl", "--split", "train", "--allow-missing")
    result = call(
        "baseline", leaf, *options, "--tower", f"hubert={tmp_path / 'tower'}", "-o", tmp_path / "out", "--draws", 5
    )
    assert result.exit_code == 0, result.output
    found = results(tmp_path / "out")
    assert found["runs"][0]["given"] == "a" and found["runs"][0]["scores"][0]["values"]["acc"]["value"] == 1.0
    assert len(found["model"]["weights_sha256"]) == 64
    with closing(sqlite3.connect(cache_dir() / "probe_states.sqlite")) as kept:
        named = {path for (path,) in kept.execute("SELECT path FROM states")}
    assert str(tmp_path / "0.wav") in named, "rows name their file: purge finds them"
    encoded: list[str] = []
    monkeypatch.setattr(TowerStates, "__call__", lambda _, record: encoded.append(record.id))
    again = call("baseline", leaf, *options, "--tower", f"hubert={tmp_path / 'tower'}", "-o", tmp_path / "again")
    assert again.exit_code == 0 and encoded == [], "all states were kept"
    assert results(tmp_path / "again")["runs"][0]["value"] == found["runs"][0]["value"]
    make_clip("0.wav", seconds=0.7, loudness=0.2)
    call("baseline", leaf, *options, "--tower", f"hubert={tmp_path / 'tower'}", "-o", tmp_path / "changed")
    assert encoded == ["c0"], "other bytes are another clip"
    for wrong, told in (
        ("hubert", "names no checkpoint"),
        ("hubrt=x", "did you mean 'hubert'"),
        (f"hubert={tmp_path}", ""),
    ):
        refused = call("baseline", leaf, *options, "--tower", wrong, "-o", tmp_path / "no")
        assert refused.exit_code == 2 and told in refused.stderr


def test_an_omni_model_without_training_stands_beside_ones_own(
    call: Call, leaf: Path, records: Path, omni_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    said = answers(tmp_path / "mine.jsonl", {f"c{i}": ["sad"] for i in range(24)})
    mine = tmp_path / "mine"
    asked = ("--data", records, "--draws", 5)
    run = call("run", leaf, *asked, "--predictions", said, "--ablate", "t", "--limit", 4, "-o", mine)
    assert run.exit_code == 0, run.output
    folder = omni_folder("qwen2_5_omni")
    (tmp_path / "look.yaml").write_text(
        f"method: label\nname: look\nmodel: {{path: {folder}, omni: {{audio_window_s: 2.0}}}}\n"
    )
    out = ("--beside", mine, "-o", tmp_path / "out")
    result = call("baseline", leaf, *asked, "--zero-shot", tmp_path / "look.yaml", *out)
    assert result.exit_code == 0, result.output
    found, own = results(tmp_path / "out"), results(mine)
    (ours,), (theirs,) = found["runs"], own["runs"]
    assert found["model"]["model"] == f"zero-shot {folder.name}" and found["model"]["engine"] == "hf"
    assert len(found["model"]["weights_sha256"]) == 64
    assert (ours["ids"], ours["given"]) == (theirs["ids"], "t"), "the same clips, the same modalities"
    table = result.stdout.rsplit("\n\n", 1)[1].splitlines()
    assert [line.split("  ")[0] for line in table] == ["model", "mine.jsonl", f"zero-shot {folder.name}"]
    assert call("compare", mine, tmp_path / "out").exit_code == 0


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--zero-shot", "tiny"], "no pretrained omni model"),
        (["--zero-shot", "tiny", "--tower", "hubert=x"], "learns from no clips"),
        ([], "no clips to learn from"),
    ],
)
def test_calls_that_cannot_be_meant(call: Call, leaf: Path, records: Path, options: list[str], told: str) -> None:
    result = call("baseline", leaf, "--data", records, *options)
    assert result.exit_code == 2 and told in result.stderr
