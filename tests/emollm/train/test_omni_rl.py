"""`emollm grpo` on a tiny omni checkpoint: what it hears and sees reaches every pass, once a clip, and the adapter alone learns."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from emollm.cli.main import app
from emollm.config import load_recipe
from emollm.config_grpo import GrpoRecipe
from emollm.errors import ConfigError
from emollm.models.loading import load
from emollm.models.omni import model_class
from emollm.models.omni.processor import MEDIA_KEYS
from emollm.prompts import TASKS
from emollm.records import Record
from emollm.run import read_metrics
from emollm.train.examples import Example
from emollm.train.grpo import train
from emollm.train.omni_rl import REWARDED, OmniMemory, prompts_of
from emollm.train.sft import build_model, make_collator
from tests.emollm.train.test_grpo import assert_same, go_on, rollouts, write_recipe

FAMILY = "qwen2_5_omni"
FROZEN = dict.fromkeys(("audio_tower", "video_tower", "audio_adapter", "video_adapter", "fusion"), "frozen")
OMNI: dict[str, Any] = {
    "blocks": {**FROZEN, "decoder": "lora"}, "max_prompt_length": 1024, "save": {"every_steps": 2, "keep": 2, "dtype": "float32"},
}  # fmt: skip
PLACEHOLDERS = ("audio_token_id", "video_token_id", "audio_start_token_id", "vision_start_token_id")


@dataclass
class Seen:
    """First passes over prompts (ids and media), and clips that towers encoded, of one run."""

    run: Path
    passes: list[dict[str, torch.Tensor]] = field(default_factory=list)
    encoded: dict[str, int] = field(default_factory=lambda: {"audio": 0, "video": 0})


@pytest.fixture(scope="module")
def seen(omni_folder: Callable[[str], Path], records_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """A watched run of four steps, two for each sample, in two passes each; the model would sample placeholders if it were let."""
    folder, model = tmp_path_factory.mktemp("omni_grpo"), model_class(FAMILY)
    seen = Seen(folder / "run")
    states, forward = model.states, model.forward

    def spy(
        self: Any, input_ids: Any = None, mask: Any = None, at: Any = None, cache: Any = None, **inputs: Any
    ) -> Any:
        cache = inputs.pop("past_key_values", cache)
        if cache is None or cache.get_seq_length() == 0:
            seen.passes.append(
                {"input_ids": input_ids, **{name: inputs[name] for name in MEDIA_KEYS if name in inputs}}
            )
        mask, at = inputs.pop("attention_mask", mask), inputs.pop("position_ids", at)
        return states(self, input_ids, mask, at, cache, **inputs)

    @wraps(forward)  # sampling looks at the signature
    def likes_placeholders(self: Any, *args: Any, **kwargs: Any) -> Any:
        out = forward(self, *args, **kwargs)
        for name in PLACEHOLDERS:
            out.logits[..., getattr(self.config, name)] += 1e4
        return out

    def counting(kind: str) -> Callable[..., Any]:
        encode = getattr(model, f"get_{kind}_features")

        def count(self: Any, features: torch.Tensor, sizes: torch.Tensor, **options: Any) -> Any:
            seen.encoded[kind] += len(sizes)
            return encode(self, features, sizes, **options)

        return count

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model, "states", spy)
        patch.setattr(model, "forward", likes_placeholders)
        for kind in seen.encoded:
            patch.setattr(model, f"get_{kind}_features", counting(kind))
        path = write_recipe(folder, omni_folder(FAMILY), records_file, **OMNI)
        result = CliRunner().invoke(app, ["grpo", str(path)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return seen


def shown(config: Any, one: dict[str, torch.Tensor]) -> list[tuple[bool, bool, tuple[int, ...]]]:
    """Return for each row of a pass whether it has placeholders of sound and picture, and what stands for its media."""
    sounds, pictures = (
        iter(one[name][:, 0].tolist() if name in one else []) for name in ("input_features", "pixel_values_videos")
    )
    rows = []
    for ids in one["input_ids"]:
        hears, sees = (bool((ids == getattr(config, name)).any()) for name in PLACEHOLDERS[:2])
        rows.append((hears, sees, tuple(int(next(one)) for one, here in ((sounds, hears), (pictures, sees)) if here)))
    assert not [*sounds, *pictures], "media of rows without placeholders"
    return rows


# ---------------------------------------------------------------- media


def test_media_reach_every_forward(seen: Seen) -> None:
    """Two samples of 16 answers; their old and reference log-probabilities in two chunks each; four steps of two passes."""
    assert [len(one["input_ids"]) for one in seen.passes] == 2 * [16, *[8] * 4, *[8] * 4]
    config = load(seen.run / "checkpoints" / "final")[0].config
    rows = [row for one in seen.passes for row in shown(config, one)]
    assert {(hears, sees) for hears, sees, _ in rows} >= {(True, True)}
    assert all(len(media) == hears + sees for hears, sees, media in rows)


def test_each_row_keeps_its_clip(seen: Seen) -> None:
    """TRL shuffles and splits a batch: what stands for a row's media must go with its prompt, in every pass."""
    model, processor = load(seen.run / "checkpoints" / "final")
    for first in (0, 9):
        found: dict[str, set[tuple[int, ...]]] = {}
        for one in seen.passes[first : first + 9]:
            for ids, (_, _, media) in zip(one["input_ids"], shown(model.config, one), strict=True):
                prompt = processor.tokenizer.decode(ids).split("<|im_start|>assistant")[0]
                found.setdefault(prompt[prompt.index("<|im_start|>") :], set()).add(media)
        assert len(found) > 1 and all(len(rows) == 1 for rows in found.values()), found


def test_towers_run_once_a_clip(seen: Seen) -> None:
    firsts = [seen.passes[first] for first in (0, 9)]
    for kind, name in (("audio", "input_features"), ("video", "pixel_values_videos")):
        assert seen.encoded[kind] == sum(len(one[name].unique()) for one in firsts if name in one) > 0


@pytest.mark.parametrize("family", REWARDED)
def test_recalled_states_are_the_towers_own(
    family: str, omni_folder: Callable[[str], Path], records_file: Path, records: list[Record], tmp_path: Path
) -> None:
    """Rows in any order, with and without modalities, get the hidden states that their own media give, in sampling, too."""
    recipe = load_recipe(write_recipe(tmp_path, omni_folder(family), records_file, **OMNI), kind=GrpoRecipe)
    _, model, processor = build_model(recipe.as_sft, records)
    prompts = prompts_of(make_collator(recipe.as_sft, records, processor), TASKS["labels"])
    examples = [
        Example(6, "labels", audio="absent", video="absent"),
        Example(0, "labels"),
        Example(4, "labels", video="absent"),
    ]
    clips = [prompts.resolve(one) for one in [*examples, Example(5, "labels", audio="absent")]]
    ids, media = prompts.inputs_of(clips)
    order = [3, 1, 0, 1, 2]
    texts = [{"input_ids": torch.tensor([ids[n]]), "attention_mask": torch.ones(1, len(ids[n]))} for n in order]
    batch = processor.join([{**text, **media[n]} for text, n in zip(texts, order, strict=True)], "left")
    words = {name: values for name, values in batch.items() if name not in MEDIA_KEYS}
    with torch.no_grad():
        direct = model.states(**batch).last_hidden_state
        with OmniMemory(model, processor) as memory:
            memory.hold(media)
            recalled = model.states(**words, **memory.rows(order)).last_hidden_state
            sampled = model.generate(
                **words,
                **memory.rows(order),
                max_new_tokens=3,
                output_logits=True,
                return_dict_in_generate=True,
                eos_token_id=-1,
            )
        answers = {
            "input_ids": sampled.sequences,
            "attention_mask": torch.nn.functional.pad(words["attention_mask"], (0, 3), value=1),
        }
        logits = model(**{**batch, **answers}).logits[:, -4:-1]
        after = model.states(**batch).last_hidden_state
    real = batch["attention_mask"].bool()
    assert torch.allclose(direct[real], recalled[real], atol=1e-5) and torch.equal(direct, after)
    torch.testing.assert_close(torch.stack(sampled.logits, dim=1), logits, atol=1e-4, rtol=0)
    hears = "audio" in processor.modalities
    assert [len(memory.rows([clip])) for clip in range(4)] == [0, 3 + 2 * hears, 2 * hears, 3]


# ---------------------------------------------------------------- learning


def test_the_first_step_is_at_the_reference(seen: Seen) -> None:
    """Dropout is off although LoRA asks for it, and the reference is the model without its adapter."""
    kl = [row["kl"] for row in read_metrics(seen.run)]
    assert kl[0] == 0 and kl[1] > 0


def test_placeholders_are_never_sampled(seen: Seen) -> None:
    """The run would have stopped: placeholders without media are refused by the model."""
    rows = rollouts(seen.run)
    assert len(rows) == 2 * 16 and len({row["text"] for row in rows}) > 2


def test_the_decoder_alone_learns_and_labels_again(
    seen: Seen, omni_folder: Callable[[str], Path], records_file: Path, tmp_path: Path
) -> None:
    call = ["merge", str(seen.run / "checkpoints" / "policy"), "-o", str(tmp_path / "merged"), "--dtype", "float32"]
    assert CliRunner().invoke(app, call, catch_exceptions=False).exit_code == 0
    base, final, merged = (
        load(path)[0].state_dict()
        for path in (omni_folder(FAMILY), seen.run / "checkpoints" / "final", tmp_path / "merged")
    )
    changed = {name.split(".")[0] for name in base if not torch.equal(base[name], final[name])}
    assert changed == {"model"}
    for name in base:
        torch.testing.assert_close(merged[name], final[name], atol=1e-5, rtol=0)
    clip = str(records_file.parent / "media" / "0.mp4")
    result = CliRunner().invoke(app, ["label", clip, "--model", str(seen.run), "--format", "jsonl"])
    assert result.exit_code == 0 and "parse" in json.loads(result.stdout), result.output


@pytest.mark.parametrize(
    ("family", "changes"),
    [
        (FAMILY, {"blocks": {**FROZEN, "decoder": "full"}, "lora": None, "learning_rate": 1e-3}),
        ("qwen2_5_vl", {}),
    ],
)
def test_a_full_decoder_and_another_family_leave_their_reference(
    family: str, changes: dict[str, Any], omni_folder: Callable[[str], Path], records_file: Path, tmp_path: Path
) -> None:
    short = {"gradient_accumulation": 1, "max_steps": 2, "save": {"dtype": "float32"}}
    path = write_recipe(tmp_path, omni_folder(family), records_file, **(OMNI | short | changes))
    kl = [row["kl"] for row in read_metrics(train(load_recipe(path, kind=GrpoRecipe)))]
    assert abs(kl[0]) < 1e-9 < kl[1]


def test_a_cut_run_goes_on_exactly(seen: Seen, tmp_path: Path) -> None:
    assert_same(seen.run, go_on(seen.run, tmp_path))


# ---------------------------------------------------------------- what is checked before


def test_validate_tells_prompts_and_memory(
    omni_folder: Callable[[str], Path], records_file: Path, tmp_path: Path
) -> None:
    path = write_recipe(tmp_path, omni_folder(FAMILY), records_file, **OMNI)
    good = CliRunner().invoke(app, ["validate", str(path)])
    assert good.exit_code == 0, good.output
    assert "prompts: 4 clips a step, 4 answers each" in good.output and "memory: about" in good.output
    bad = CliRunner().invoke(app, ["validate", str(path), "blocks.audio_adapter=full"])
    assert bad.exit_code == 2 and "runs with its tower" in bad.output


def test_what_an_omni_backbone_cannot_do_is_refused(
    omni_folder: Callable[[str], Path], records_file: Path, tmp_path: Path
) -> None:
    path = write_recipe(tmp_path, omni_folder(FAMILY), records_file, **OMNI)
    changes = ["blocks.audio_adapter=full", "blocks.video_adapter=full"]
    with pytest.raises(ConfigError, match=r"2 problem\(s\) with an omni backbone"):
        train(load_recipe(path, changes, GrpoRecipe))
    with pytest.raises(ConfigError, match="the model is none"):
        train(load_recipe(path, ["model.path=tiny", "model.omni={frames: 8}"], GrpoRecipe))
    with pytest.raises(ConfigError, match="qwen2_audio"):
        train(load_recipe(path, [f"model.path={omni_folder('qwen2_audio')}"], GrpoRecipe))
    assert not (tmp_path / "run").exists()
