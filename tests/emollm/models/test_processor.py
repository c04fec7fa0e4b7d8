"""EmoProcessor and the chat template: expansion, alignment, pictures, refusals, round trip."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from emollm.errors import EmoError
from emollm.models.processor import EmoProcessor

AUDIO, VIDEO, TEXT = {"type": "audio"}, {"type": "video"}, {"type": "text", "text": "why"}
SOUND = np.zeros(1600, np.float32)
FRAMES = np.zeros((4, 32, 32, 3), np.uint8)


@pytest.mark.parametrize(
    ("blocks", "body"),
    [
        ([AUDIO, VIDEO, TEXT], "<|clip|>\nwhy"),
        ([TEXT, VIDEO, AUDIO], "<|clip|>\nwhy"),
        ([AUDIO, TEXT], "<|audio|>\nwhy"),
        ([VIDEO, TEXT, TEXT], "<|video|>\nwhy\nwhy"),
        ([TEXT], "why"),
        ("why", "why"),
    ],
)
def test_template_writes_the_chat_layout(processor: Any, blocks: Any, body: str) -> None:
    messages = [{"role": "system", "content": "be brief"}, {"role": "user", "content": blocks}]
    head = f"<|im_start|>system\nbe brief<|im_end|>\n<|im_start|>user\n{body}<|im_end|>\n"
    assert processor.apply_chat_template(messages, tokenize=False) == head
    asked = processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert asked == head + "<|im_start|>assistant\n"
    answered = processor.apply_chat_template([*messages, {"role": "assistant", "content": "ok"}], tokenize=False)
    assert answered == asked + "ok<|im_end|>\n"


def test_template_marks_the_answer_and_its_end_as_generated(processor: Any) -> None:
    messages = [{"role": "user", "content": "why"}, {"role": "assistant", "content": [{"type": "text", "text": "ok"}]}]
    tokenizer = processor.tokenizer
    made = tokenizer.apply_chat_template(
        messages, chat_template=processor.chat_template, return_dict=True, return_assistant_tokens_mask=True
    )
    kept = [token for token, mask in zip(made["input_ids"], made["assistant_masks"], strict=True) if mask]
    assert tokenizer.decode(kept) == "ok<|im_end|>"


def test_markers_stay_and_pads_follow(processor: Any) -> None:
    made = processor(text=["<|clip|>a", "<|audio|>a", "<|video|>a"], audio=[SOUND, SOUND, None],
                     videos=[FRAMES, None, FRAMES])  # fmt: skip
    texts = processor.tokenizer.batch_decode(made["input_ids"])
    pads = [4 + 6 + 2, 4, 6]
    assert [text.count("<|av_pad|>") for text in texts] == pads
    for text, marker, count in zip(texts, ("<|clip|>", "<|audio|>", "<|video|>"), pads, strict=True):
        assert marker + "<|av_pad|>" * count + "a" in text


def test_tensors_are_row_aligned_with_zeros_where_absent(processor: Any) -> None:
    wave = np.random.default_rng(0).normal(size=8000).astype(np.float32)
    made = processor(text=["x", "<|clip|>"], audio=[None, wave], videos=[None, FRAMES + 7])
    assert made["input_features"].shape == (2, 80, 100)
    assert made["pixel_values_videos"].shape == (2, 4, 3, 32, 32)
    for key in ("input_features", "input_features_mask", "pixel_values_videos", "video_frame_mask"):
        assert not made[key][0].any()
        assert made[key][1].any()
    assert made["input_features_mask"][1].tolist() == [True] * 50 + [False] * 50


def test_no_media_gives_no_media_tensors(processor: Any) -> None:
    assert set(processor(text=["x", "y"])) == {"input_ids", "attention_mask"}


def test_media_alone_can_be_processed(processor: Any) -> None:
    assert set(processor(audio=[SOUND])) == {"input_features", "input_features_mask"}
    assert set(processor(videos=[FRAMES])) == {"pixel_values_videos", "video_frame_mask"}


def test_frames_are_stretched_and_normalised(processor: Any) -> None:
    frames = np.zeros((4, 10, 50, 3), np.uint8)
    frames[..., 0] = 255
    pixels = processor(videos=[frames])["pixel_values_videos"][0]  # (frames, 3, 32, 32)
    mean, std = torch.tensor(processor.frame_mean), torch.tensor(processor.frame_std)
    wanted = (torch.tensor([1.0, 0.0, 0.0]) - mean) / std
    torch.testing.assert_close(pixels, wanted.view(1, 3, 1, 1).expand(4, 3, 32, 32), atol=1e-4, rtol=1e-4)


def test_an_edge_of_the_frame_is_kept(processor: Any) -> None:
    frames = np.zeros((4, 32, 96, 3), np.uint8)
    frames[:, :, :6] = 255
    pixels = processor(videos=[frames])["pixel_values_videos"][0]
    assert pixels[..., 0].min() > pixels[..., 16].max()


def test_long_clips_are_thinned_evenly_and_short_ones_masked(processor: Any) -> None:
    ramp = np.broadcast_to(np.arange(10, dtype=np.uint8)[:, None, None, None] * 20, (10, 32, 32, 3))
    made = processor(videos=[ramp, ramp[:3]])
    level = made["pixel_values_videos"][:, :, 0, 0, 0] * processor.frame_std[0] + processor.frame_mean[0]  # (2, frames)
    torch.testing.assert_close(level[0] * 255 / 20, torch.tensor([0.0, 3.0, 6.0, 9.0]), atol=1e-3, rtol=0)
    assert made["video_frame_mask"].tolist() == [[True] * 4, [True] * 3 + [False]]


@pytest.mark.parametrize(
    ("text", "audio", "videos"),
    [
        ("<|audio|>", None, None),
        ("no marker", SOUND, None),
        ("<|audio|>", None, FRAMES),
        ("<|audio|><|video|>", SOUND, FRAMES),
        ("<|clip|><|clip|>", SOUND, FRAMES),
        ("<|clip|><|av_pad|>", SOUND, FRAMES),
        ("<|av_pad|>", None, None),
    ],
)
def test_text_and_media_must_agree(processor: Any, text: str, audio: Any, videos: Any) -> None:
    with pytest.raises(EmoError, match="row 1 needs"):
        processor(text=["fine", text], audio=[None, audio], videos=[None, videos])


@pytest.mark.parametrize(
    "media",
    [
        {"audio": [np.zeros((2, 100), np.float32)]},
        {"audio": [np.zeros(0, np.float32)]},
        {"videos": [np.zeros((4, 3, 32, 32), np.uint8)]},
        {"videos": [np.zeros((4, 32, 32, 3), np.float32)]},
        {"videos": [np.zeros((0, 32, 32, 3), np.uint8)]},
    ],
)
def test_wrong_media_shapes_are_refused(processor: Any, media: dict[str, Any]) -> None:
    with pytest.raises(EmoError, match="of row 0"):
        processor(**media)


def test_rows_must_match_and_text_is_never_truncated(processor: Any) -> None:
    with pytest.raises(EmoError, match="rows"):
        processor(text=["a", "b"], audio=[SOUND])
    with pytest.raises(EmoError, match="truncates"):
        processor(text=["a"], truncation=True, max_length=1)


def test_a_tokenizer_without_media_tokens_is_refused(processor: Any) -> None:
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    plain = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE()))
    with pytest.raises(EmoError, match="does not know"):
        EmoProcessor(processor.feature_extractor, plain)


def test_saved_processor_makes_the_same_tensors(processor: Any, tmp_path: Any) -> None:
    processor.save_pretrained(tmp_path)
    again = EmoProcessor.from_pretrained(tmp_path)
    rows = {"text": ["<|clip|>why 1.25"], "audio": [np.ones(9000, np.float32)], "videos": [FRAMES + 3]}
    before, after = processor(**rows), again(**rows)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert again.chat_template == processor.chat_template
