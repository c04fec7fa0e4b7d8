"""DPO on TRL learns from what it hears and sees on both sides of a pair, and each thing that TRL does silently wrong is guarded."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file
from transformers import Trainer
from typer.testing import CliRunner

from emollm.cli.main import app
from emollm.config import load_recipe
from emollm.config_dpo import DpoRecipe
from emollm.errors import ConfigError, EmoError
from emollm.models.loading import load
from emollm.models.modeling import MEDIA_KEYS
from emollm.pairs import read_pairs
from emollm.records import Record, write_records
from emollm.run import read_metrics
from emollm.train.dpo import train
from emollm.train.multimodal_dpo import MultimodalDPOTrainer
from tests.emollm.train.conftest import Watch

OPPOSITE = {"voice is high": "voice is low", "cheeks raised": "lip corners turned down"}


@pytest.fixture(scope="module")
def start(built: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random model, saved as a run that is finished."""
    folder = tmp_path_factory.mktemp("start") / "checkpoints" / "final"
    built.model.save_pretrained(folder)
    built.processor.save_pretrained(folder)
    return folder.parent.parent


@pytest.fixture(scope="module")
def pairs_file(records: list[Record], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pairs of all kinds, made by the command; sad clips have cues of their own, and each clip knows its streams."""
    folder = tmp_path_factory.mktemp("pairs")
    rows = []
    for record in records:
        if any(label.text == "sad" for label in record.targets.labels_ov or ()):
            cues = tuple(
                cue.model_copy(update={"text": OPPOSITE.get(cue.text, cue.text)}) for cue in record.targets.cues or ()
            )
            record = record.model_copy(update={"targets": record.targets.model_copy(update={"cues": cues})})
        video = record.media.video
        if video is not None and not any(cue.modality == "audio" for cue in record.targets.cues or ()):
            silent = int(record.id[-2:]) % 8 == 7  # of conftest's cases; the other one has no sound track
            media = record.media.model_copy(update={"video": video.model_copy(update={"has_audio": silent})})
            record = record.model_copy(update={"media": media})
        rows.append(record)
    write_records(folder / "records.jsonl", rows)
    out = folder / "pairs.jsonl"
    result = CliRunner().invoke(app, ["data", "make-preferences", str(folder / "records.jsonl"), "-o", str(out)])
    assert result.exit_code == 0, result.output
    return out


def write_recipe(folder: Path, start: Path, pairs_file: Path, **changes: Any) -> Path:
    """LoRA beside adapters, four steps of two forward passes of four pairs."""
    kept = {"audio_tower": "frozen", "video_tower": "frozen"}
    recipe = {
        "method": "dpo",
        "name": "run",
        "model": {"path": str(start)},
        "data": {"train": [str(pairs_file)]},
        "blocks": {**kept, "audio_adapter": "full", "video_adapter": "full", "fusion": "full", "decoder": "lora"},
        "lora": {"rank": 4, "alpha": 8, "dropout": 0.5},
        "text_prior": 0.0,
        "batch_size": 4,
        "gradient_accumulation": 2,
        "max_steps": 4,
        "learning_rate": 0.003,
        "warmup_ratio": 0.0,
        "save": {"dtype": "float32"},
        "precision": "float32",
        "output": str(folder),
    }
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump({**recipe, **changes}), encoding="utf-8")
    return path


FULL = {
    "blocks": {
        **dict.fromkeys(("audio_tower", "video_tower", "video_adapter", "fusion"), "frozen"),
        "audio_adapter": "full",
        "decoder": "full",
    },
    "lora": None,
    "learning_rate": 0.001,
    "save": {"every_steps": 2, "keep": 2, "dtype": "float32"},
}


@pytest.fixture(scope="module")
def finished(start: Path, pairs_file: Path, watched: Watch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder after `emollm dpo`: LoRA beside adapters."""
    folder = tmp_path_factory.mktemp("lora")
    result = CliRunner().invoke(app, ["dpo", str(write_recipe(folder, start, pairs_file))], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert str(folder / "run") in result.output
    return folder / "run"


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "checkpoints" / "final" / "model.safetensors")


# ---------------------------------------------------------------- media


def test_media_reach_policy_and_reference_on_both_sides(finished: Path, watched: Watch) -> None:
    """Four steps of two passes, each through the reference and the policy, eight rows: four pairs, both sides."""
    assert [one["learns"] for one in watched.passes] == [False, True] * 8
    assert len({one["model"] for one in watched.passes if one["learns"]}) == 1
    assert len({one["model"] for one in watched.passes}) == 2, "the reference is a model of its own"
    assert all(len(one["input_ids"]) == 8 for one in watched.passes)
    assert [name for one in watched.passes for name in MEDIA_KEYS if one[name] is None] == []


def test_policy_and_reference_see_the_same(finished: Path, watched: Watch) -> None:
    for reference, policy in zip(watched.passes[::2], watched.passes[1::2], strict=True):
        assert all(torch.equal(reference[name], policy[name]) for name in ("input_ids", *MEDIA_KEYS))


def test_sides_of_a_pair_show_what_its_kind_says(finished: Path, watched: Watch) -> None:
    """Pairs over answers have one clip and two texts, pairs over media one text and two clips."""
    over_media = 0
    for one in watched.passes:
        texts, media = one["input_ids"], torch.cat([one[name] for name in MEDIA_KEYS], dim=1)
        for row in range(4):
            same_text, same_clip = (torch.equal(part[row], part[row + 4]) for part in (texts, media))
            assert same_text != same_clip
            over_media += same_text
    assert 0 < over_media < 4 * len(watched.passes)


def test_towers_run_once_a_clip_and_batch(finished: Path, watched: Watch) -> None:
    """For 16 rows of two models, as many clips as differ."""
    wanted = {"audio": 0, "video": 0}
    for one in watched.passes[::2]:
        for name, number, there in (("audio", *MEDIA_KEYS[:2]), ("video", *MEDIA_KEYS[2:])):
            wanted[name] += len({int(n) for n, yes in zip(one[number], one[there], strict=True) if yes})
    assert watched.encoded == wanted and all(wanted.values())


# ---------------------------------------------------------------- what a run leaves


def test_the_run_folder_is_whole(finished: Path, tmp_path: Path) -> None:
    assert (finished / "plots" / "policy.png").read_bytes().startswith(b"\x89PNG")
    card = (finished / "README.md").read_text(encoding="utf-8")
    assert "rafailov2023dpo" in card and "chaubey2026avere" in card and "hu2022lora" in card and "pairs, muted" in card
    saved = load_file(finished / "checkpoints" / "policy" / "adapter_model.safetensors")
    assert any("lora_" in name for name in saved) and any(".fusion." in name for name in saved)
    call = ["merge", str(finished / "checkpoints" / "policy"), "-o", str(tmp_path / "merged"), "--dtype", "float32"]
    result = CliRunner().invoke(app, call)
    assert result.exit_code == 0, result.output
    merged, final = load_file(tmp_path / "merged" / "model.safetensors"), weights(finished)
    assert all(torch.allclose(merged[name], final[name], atol=1e-5) for name in final)


def test_metrics_rows(finished: Path) -> None:
    rows = read_metrics(finished)
    assert [row["step"] for row in rows] == [1, 2, 3, 4]
    assert {"loss", "margin", "accuracy", "logp_chosen", "logp_rejected", "learning_rate"} <= set(rows[0])
    assert any(name.startswith("preferred/") for name in rows[0])


def test_the_first_step_is_at_the_reference(finished: Path) -> None:
    """Dropout is off although LoRA asks for it, so the margin of the first step is 0 (loss: log 2), and then it is not."""
    rows = read_metrics(finished)
    assert rows[0]["margin"] == pytest.approx(0, abs=1e-5) and rows[0]["loss"] == pytest.approx(0.693147, abs=1e-4)
    assert abs(rows[1]["margin"]) > 1e-4


def test_towers_stay_and_blocks_learn(finished: Path, start: Path) -> None:
    before, after = weights(start), weights(finished)
    same = {name for name in before if torch.equal(before[name], after[name])}
    assert {name for name in before if ".audio_tower." in name or ".video_tower." in name} <= same
    learnt = {name for name in before if ".fusion." in name or ("language_model" in name and "q_proj.weight" in name)}
    assert learnt and not learnt & same


# ---------------------------------------------------------------- learning


@pytest.mark.slow
def test_it_learns_which_clip_an_answer_fits(start: Path, pairs_file: Path, tmp_path: Path) -> None:
    """Text and prompt are the same on both sides: without media on either, the margin could not move."""
    swapped = tmp_path / "swapped.jsonl"
    lines = pairs_file.read_text().splitlines()
    swapped.write_text("".join(line + "\n" for line in lines if '"kind":"swapped"' in line))
    assert len(list(read_pairs(swapped))) >= 8
    changes = {"data": {"train": [str(swapped)]}, "max_steps": 20, "gradient_accumulation": 1, "batch_size": 8}
    rows = read_metrics(train(load_recipe(write_recipe(tmp_path, start, swapped, **changes), kind=DpoRecipe)))
    assert rows[-1]["margin"] > 0.5
    for name in ("accuracy", "preferred/swapped"):
        assert sum(row[name] for row in rows[-5:]) / 5 > 0.8


def test_what_words_suggest_must_be_outdone(start: Path, pairs_file: Path, tmp_path: Path) -> None:
    """At the first step policy and reference agree, so the margin is the penalty alone: its weight times what words tell."""
    margins = []
    for place, text_prior in enumerate((0.1, 0.2)):
        folder = tmp_path / str(place)
        folder.mkdir()
        path = write_recipe(folder, start, pairs_file, text_prior=text_prior, max_steps=1)
        margins.append(read_metrics(train(load_recipe(path, kind=DpoRecipe)))[0]["margin"])
    assert margins[0] != 0 and margins[1] == pytest.approx(2 * margins[0], rel=1e-3)


def test_the_penalty_does_not_touch_pairs_over_media(start: Path, pairs_file: Path, tmp_path: Path) -> None:
    muted = tmp_path / "muted.jsonl"
    muted.write_text("".join(f"{line}\n" for line in pairs_file.read_text().splitlines() if '"kind":"muted"' in line))
    path = write_recipe(tmp_path, start, muted, text_prior=0.5, max_steps=1)
    assert read_metrics(train(load_recipe(path, kind=DpoRecipe)))[0]["margin"] == pytest.approx(0, abs=1e-5)


def test_the_usual_loss_is_added(start: Path, pairs_file: Path, tmp_path: Path) -> None:
    path = write_recipe(tmp_path, start, pairs_file, sft_weight=0.5, max_steps=1)
    (row,) = read_metrics(train(load_recipe(path, kind=DpoRecipe)))
    assert row["loss"] > 0.7, "log 2, and half of what a token of a random model costs"


# ---------------------------------------------------------------- resume and refusals


def test_a_cut_run_goes_on_exactly(start: Path, pairs_file: Path, tmp_path: Path) -> None:
    """In full and with LoRA: as many steps, the same weights, the same numbers."""
    for name, changes in (("full", FULL), ("lora", {"save": FULL["save"]})):
        folder = tmp_path / name
        folder.mkdir()
        whole = train(load_recipe(write_recipe(folder, start, pairs_file, **changes), kind=DpoRecipe))
        cut = folder / "again" / "run"
        shutil.copytree(whole, cut)
        shutil.rmtree(cut / "checkpoints" / "final")
        shutil.rmtree(cut / "checkpoints" / "policy" / "checkpoint-4")
        recipe = load_recipe(whole / "config.yaml", ["resume=auto", f"output={folder / 'again'}"], DpoRecipe)
        assert train(recipe) == cut
        one, other = weights(whole), weights(cut)
        assert all(torch.equal(one[key], other[key]) for key in one)
        losses = [[(row["step"], row["loss"]) for row in read_metrics(run)] for run in (whole, cut)]
        assert losses[0] == losses[1] and len(losses[0]) == 4
        with pytest.raises(ConfigError, match="the run is finished"):
            train(recipe)
        with pytest.raises(ConfigError, match="another beta"):
            train(load_recipe(whole / "config.yaml", ["resume=auto", "beta=0.5"], DpoRecipe))


def test_a_step_that_could_not_be_saved_is_not_there(
    start: Path, pairs_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full while the second step is saved; the run goes on from the first."""
    save = {"every_steps": 1, "keep": 2, "dtype": "float32"}
    path = write_recipe(tmp_path, start, pairs_file, save=save, max_steps=2)
    write, calls = Trainer._save_optimizer_and_scheduler, iter((True, False))

    def full(self: Any, folder: str) -> None:
        if not next(calls):
            raise OSError(28, "No space left on device", folder)
        write(self, folder)

    with monkeypatch.context() as patch, pytest.raises(EmoError, match="the disk is full"):
        patch.setattr(Trainer, "_save_optimizer_and_scheduler", full)
        train(load_recipe(path, kind=DpoRecipe))
    policy = tmp_path / "run" / "checkpoints" / "policy"
    assert [folder.name for folder in policy.iterdir()] == ["checkpoint-1"]
    train(load_recipe(path, ["resume=auto"], DpoRecipe))
    assert [row["step"] for row in read_metrics(tmp_path / "run")] == [1, 2]


def test_pairs_that_are_too_long_are_refused(start: Path, pairs_file: Path, tmp_path: Path) -> None:
    path = write_recipe(tmp_path, start, pairs_file, max_prompt_length=16)
    with pytest.raises(ConfigError, match="prompts longer than 16 tokens"):
        train(load_recipe(path, kind=DpoRecipe))
    assert not (tmp_path / "run").exists(), "nothing is made before all is known to fit"


def test_records_are_no_pairs(start: Path, records_file: Path, tmp_path: Path) -> None:
    path = write_recipe(tmp_path, start, records_file)
    with pytest.raises(EmoError, match="kind"):
        train(load_recipe(path, kind=DpoRecipe))


def test_a_reference_is_never_trl_s_own(start: Path, pairs_file: Path, tmp_path: Path, monkeypatch: Any) -> None:
    """TRL would read it again from the name in the configuration, or add a second adapter."""
    seen: list[Any] = []
    original = MultimodalDPOTrainer.__init__

    def spy(self: Any, **options: Any) -> None:
        original(self, **options)
        seen.append((self.ref_model, options["ref_model"], list(getattr(self.model, "peft_config", {}))))

    monkeypatch.setattr(MultimodalDPOTrainer, "__init__", spy)
    train(load_recipe(write_recipe(tmp_path, start, pairs_file, max_steps=1), kind=DpoRecipe))
    ((used, given, adapters),) = seen
    assert used is given and adapters == ["default"]


def test_validate_checks_a_recipe(start: Path, pairs_file: Path, tmp_path: Path) -> None:
    path = write_recipe(tmp_path, start, pairs_file)
    good = CliRunner().invoke(app, ["validate", str(path)])
    assert good.exit_code == 0, good.output
    count = len(list(read_pairs(pairs_file)))
    for line in (f"pairs: {count} pairs: hallucinated_cue", "lengths: of the first", "memory: about"):
        assert f"ok           {line}" in good.output
    assert not (tmp_path / "run").exists(), "nothing is trained"
    bad = CliRunner().invoke(app, ["validate", str(path), "max_prompt_length=16"])
    assert bad.exit_code == 2 and f"{count} prompts longer than 16 tokens" in bad.output


@pytest.mark.slow
def test_two_processes(start: Path, pairs_file: Path, tmp_path: Path) -> None:
    """Started with torchrun, both learn, and one of them writes."""
    path = write_recipe(tmp_path, start, pairs_file, max_steps=2)
    call = ["-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", "29543", "-m", "emollm.cli.main"]
    threads = {**os.environ, "OMP_NUM_THREADS": "1"}
    result = subprocess.run([sys.executable, *call, "dpo", str(path)], capture_output=True, text=True, env=threads)
    assert result.returncode == 0, result.stderr[-3000:]
    assert [row["step"] for row in read_metrics(tmp_path / "run")] == [1, 2]
    load(tmp_path / "run" / "checkpoints" / "final")
