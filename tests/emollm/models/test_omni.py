"""Omni families on tiny random checkpoints of the real architectures: positions, media, blocks, files."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import DynamicCache

from emollm.config_model import Omni
from emollm.errors import ConfigError, EmoError
from emollm.models.loading import load
from emollm.models.modeling import BLOCKS
from emollm.models.omni import FAMILIES, family_of, model_class
from emollm.models.omni.loading import load_omni
from emollm.models.omni.processor import split
from emollm.models.omni.tiny import tiny
from emollm.prompts import TASKS, render
from emollm.records import Record, TextLine

HEARING = [family for family in FAMILIES if family != "qwen2_5_vl"]
RNG = np.random.default_rng(0)
SOUND = (RNG.normal(size=16_000) * 0.1).astype(np.float32)
PICTURE = RNG.integers(0, 255, (4, 32, 48, 3), dtype=np.uint8)
CASES = ((SOUND, PICTURE, 1.0), (SOUND[:8000], None, 0.0), (None, PICTURE[:3], 2.0), (None, None, 0.0))
Row = tuple[Any, Any, float]


@cache
def made(family: str) -> tuple[Any, Any]:
    return tiny(family)


def rows_of(family: str) -> list[Row]:
    """Sound and picture, sound, picture, words alone: as far as the family takes them."""
    kinds = made(family)[1].modalities
    return [(a if "audio" in kinds else None, v if "video" in kinds else None, s) for a, v, s in CASES]


def batch(family: str, rows: list[Row], side: str = "left", processor: Any = None) -> dict[str, torch.Tensor]:
    processor = processor or made(family)[1]
    record = Record(id="r", text=(TextLine(text="well, hello"),))
    prompts = [
        processor.apply_chat_template(
            render(record, TASKS["labels"], audio=audio is not None, video=video is not None),
            tokenize=False,
            add_generation_prompt=True,
        )
        for audio, video, _ in rows
    ]
    audio, videos, seconds = zip(*rows, strict=True)
    return dict(processor(text=prompts, audio=audio, videos=videos, seconds=seconds, padding_side=side))


def last_logits(model: Any, inputs: dict[str, torch.Tensor], **options: Any) -> torch.Tensor:
    with torch.no_grad():
        return model(**inputs, logits_to_keep=1, **options).logits[:, -1]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_mixed_batch_says_what_its_rows_say_alone(family: str) -> None:
    model, rows = made(family)[0], rows_of(family)
    together = last_logits(model, batch(family, rows))
    alone = torch.cat([last_logits(model, batch(family, [row])) for row in rows])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize("family", FAMILIES)
def test_steps_with_a_cache_say_what_the_whole_says(family: str) -> None:
    model, rows = made(family)[0], rows_of(family)
    inputs, cache = batch(family, rows), DynamicCache()
    last_logits(model, inputs, past_key_values=cache, use_cache=True)
    new = torch.full((len(rows), 1), 7)
    mask = torch.cat([inputs["attention_mask"], torch.ones_like(new)], dim=1)
    stepped = last_logits(model, {"input_ids": new, "attention_mask": mask}, past_key_values=cache)
    whole = {**inputs, "input_ids": torch.cat([inputs["input_ids"], new], dim=1), "attention_mask": mask}
    torch.testing.assert_close(stepped, last_logits(model, whole), atol=1e-5, rtol=0)


@pytest.mark.parametrize("family", FAMILIES)
def test_one_clip_is_read_as_the_library_reads_it(family: str) -> None:
    """For a single row the library's own positions are right, so both must agree."""
    model, row = made(family)[0], rows_of(family)[0]
    inputs = batch(family, [row])
    library: dict[str, Any] = {key: value for key, value in inputs.items() if key != "video_grid_ms"}
    if "video_grid_ms" in inputs:
        seconds = inputs["video_grid_ms"] / 1000
        library |= (
            {
                "second_per_grid_ts": seconds,
                "mm_token_type_ids": (inputs["input_ids"] == model.config.video_token_id) * 2,
            }
            if family == "qwen2_5_vl"
            else {"video_second_per_grid": seconds, "use_audio_in_video": True}
        )
    with torch.no_grad():
        theirs = super(type(model).__mro__[1], model).forward(**library).logits[:, -1]
    torch.testing.assert_close(last_logits(model, inputs), theirs, atol=1e-5, rtol=0)


@pytest.mark.parametrize("family", FAMILIES)
def test_answers_depend_on_sound_picture_and_time(family: str) -> None:
    model, (audio, video, seconds) = made(family)[0], rows_of(family)[0]
    before = last_logits(model, batch(family, [(audio, video, seconds)]))
    changes = []
    if audio is not None:
        changes.append((audio * 0, video, seconds))
    if video is not None:
        changes += [(audio, 255 - video, seconds), (audio, video, 8 * seconds)]
    for change in changes:
        assert not torch.allclose(before, last_logits(model, batch(family, [change])), atol=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_blocks_share_all_parameters_out(family: str) -> None:
    model = made(family)[0]
    shared = [id(p) for name in BLOCKS for module in model.block(name) for p in module.parameters()]
    assert sorted(shared) == sorted(map(id, model.parameters()))
    for kind in ("audio", "video"):
        assert bool(model.block(f"{kind}_tower")) == bool(model.block(f"{kind}_adapter"))
        assert bool(model.block(f"{kind}_tower")) == (kind in made(family)[1].modalities)


@pytest.mark.parametrize("family", FAMILIES)
def test_placeholders_and_media_go_together(family: str) -> None:
    model, rows = made(family)[0], rows_of(family)
    inputs = batch(family, rows)
    for key in ("feature_attention_mask", "video_grid_thw"):
        if key in inputs:
            with pytest.raises(EmoError, match="placeholders"):
                model(**{name: value for name, value in inputs.items() if name != key})
            with pytest.raises(EmoError, match="placeholders"):
                model(**{**inputs, "input_ids": torch.full_like(inputs["input_ids"], 7)})


@pytest.mark.parametrize("family", FAMILIES)
def test_placeholders_are_no_more_than_was_said(family: str) -> None:
    model, processor = made(family)
    longest = ((np.tile(SOUND, 5), np.repeat(PICTURE, 5, axis=2), 5.0),)
    audio, video, seconds = longest[0]
    row = (
        audio if "audio" in processor.modalities else None,
        video if "video" in processor.modalities else None,
        seconds,
    )
    ids, most = batch(family, [row])["input_ids"], processor.pads_for(True, True)
    pads = sum(int((ids == getattr(model.config, f"{kind}_token_id")).sum()) for kind in processor.modalities)
    assert most - 4 <= pads + 2 * len(processor.modalities) <= most


@pytest.mark.parametrize("family", FAMILIES)
def test_media_come_back_row_by_row(family: str) -> None:
    rows = rows_of(family)
    inputs = batch(family, rows)
    hears, sees = [row[0] is not None for row in rows], [row[1] is not None for row in rows]
    for row, one in zip(rows, split(inputs, hears, sees), strict=True):
        alone = batch(family, [row])
        assert set(one) == set(alone) - {"input_ids", "attention_mask"}
        for key, value in one.items():
            kept = value[..., : alone[key].shape[-1]] if "feature" in key else value
            assert torch.equal(kept, alone[key]), key


@pytest.mark.parametrize(("family", "kind"), [("qwen2_5_vl", "audio"), ("qwen2_audio", "video")])
def test_a_message_with_what_a_family_lacks_is_refused(family: str, kind: str) -> None:
    with pytest.raises(ConfigError, match=f"takes no {kind}"):
        made(family)[1].apply_chat_template([{"role": "user", "content": [{"type": kind}]}], tokenize=False)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_folder_opens_here_and_in_the_library(family: str, omni_folder: Callable[[str], Path]) -> None:
    folder = omni_folder(family)
    assert family_of(folder) == family
    model, processor = load(folder)
    assert processor.look == made(family)[1].look
    expected = last_logits(made(family)[0], batch(family, rows_of(family)))
    torch.testing.assert_close(last_logits(model, batch(family, rows_of(family), processor=processor)), expected)
    library, info = model_class(family).__mro__[2].from_pretrained(folder, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"]
    assert type(library).__name__ == json.loads((folder / "config.json").read_text())["architectures"][0]


@pytest.mark.parametrize(("family", "extra"), [("qwen2_5_omni", "token2wav.x"), ("qwen3_omni", "code2wav.x")])
def test_a_hub_checkpoint_with_a_voice_opens_without_it(
    family: str, extra: str, omni_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    for file in omni_folder(family).iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = load_file(tmp_path / "model.safetensors")
    voiced = {f"thinker.{name}": tensor for name, tensor in weights.items()} | {
        "talker.x": torch.ones(1),
        extra: torch.ones(1),
    }
    save_file(voiced, tmp_path / "model.safetensors", {"format": "pt"})
    config = json.loads((tmp_path / "config.json").read_text())
    whole = {"model_type": FAMILIES[family][0], "thinker_config": config}
    (tmp_path / "config.json").write_text(json.dumps(whole))
    model = load_omni(tmp_path)[0]
    expected = last_logits(made(family)[0], batch(family, rows_of(family)))
    torch.testing.assert_close(last_logits(model, batch(family, rows_of(family))), expected)


def test_a_moment_of_sound_is_heard_and_a_window_beyond_the_tower_is_refused(
    omni_folder: Callable[[str], Path],
) -> None:
    for family in HEARING:
        inputs = batch(family, [(SOUND[:40], None, 0.0)])
        assert torch.isfinite(last_logits(made(family)[0], inputs)).all()
    with pytest.raises(ConfigError, match="hears 2 s at most, 30 s"):
        load_omni(omni_folder("qwen2_audio"), look=Omni())


def test_weights_that_do_not_fit_are_refused(omni_folder: Callable[[str], Path], tmp_path: Path) -> None:
    for file in omni_folder("qwen2_audio").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = load_file(tmp_path / "model.safetensors")
    weights.pop(next(name for name in weights if "multi_modal_projector" in name))
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(EmoError, match="1 missing"):
        load_omni(tmp_path)
