"""Chat layouts and control tokens of each family of decoders."""

from __future__ import annotations

from typing import Any

import pytest
from tokenizers.processors import TemplateProcessing

from emollm.errors import ConfigError
from emollm.models.build import build, tiny_spec
from emollm.models.decoders import DECODERS
from emollm.models.tokens import train_tokenizer
from emollm.prompts import escape

FAMILIES = pytest.mark.parametrize("name", sorted(DECODERS))
TALK = [
    {"role": "system", "content": "be brief"},
    {"role": "user", "content": [{"type": "text", "text": "why"}, {"type": "video"}, {"type": "audio"}]},
    {"role": "assistant", "content": "ok"},
]
LAYOUTS = {
    "qwen2": "<|im_start|>system\nbe brief<|im_end|>\n<|im_start|>user\n<|clip|>\nwhy<|im_end|>\n"
    "<|im_start|>assistant\nok<|im_end|>\n",
    "llama": "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nbe brief<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\n<|clip|>\nwhy<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\nok<|eot_id|>",
}
LAYOUTS["qwen3"] = LAYOUTS["qwen2"]


def render(name: str, messages: list[dict[str, Any]], **options: Any) -> Any:
    tokenizer = train_tokenizer(["be brief why ok"], 300, name)
    return tokenizer, tokenizer.apply_chat_template(messages, chat_template=DECODERS[name].chat_template, **options)


@FAMILIES
def test_turns_are_written_in_the_layout_of_the_family(name: str) -> None:
    assert render(name, TALK, tokenize=False)[1] == LAYOUTS[name]
    asked = render(name, TALK[:2], tokenize=False, add_generation_prompt=True)[1]
    assert LAYOUTS[name].startswith(asked)
    assert asked.endswith(("assistant\n", "<|end_header_id|>\n\n"))


@FAMILIES
def test_the_answer_and_its_end_are_what_is_learned(name: str) -> None:
    tokenizer, made = render(name, TALK, return_dict=True, return_assistant_tokens_mask=True)
    kept = [token for token, mask in zip(made["input_ids"], made["assistant_masks"], strict=True) if mask]
    assert tokenizer.decode(kept) == "ok" + DECODERS[name].stop_tokens[0]


@FAMILIES
def test_text_from_outside_cannot_hold_control_tokens(name: str) -> None:
    tokenizer = train_tokenizer(["x"], 300, name)
    for token in DECODERS[name].control_tokens:
        assert len(tokenizer(token)["input_ids"]) == 1
        assert not set(tokenizer(escape(f"a {token} b"))["input_ids"]) & set(tokenizer.all_special_ids)


@FAMILIES
def test_answers_stop_at_the_tokens_of_the_family(name: str) -> None:
    sizes = {**tiny_spec().text, "model_type": name, "head_dim": 16, "vocab_size": 400}
    tokenizer = train_tokenizer(["x"], 300, name)
    model, processor = build(tiny_spec(decoder=name, text=sizes, tokenizer=tokenizer))
    stops = processor.tokenizer.convert_tokens_to_ids(list(DECODERS[name].stop_tokens))
    assert model.generation_config.eos_token_id == stops
    assert model.generation_config.pad_token_id == stops[1]
    assert set(stops) <= set(processor.tokenizer.convert_tokens_to_ids(list(DECODERS[name].control_tokens)))


def test_the_tokenizer_of_another_family_is_refused() -> None:
    sizes = {**tiny_spec().text, "model_type": "llama"}
    with pytest.raises(ConfigError, match="lacks <|begin_of_text|>".replace("|", r"\|")):
        build(tiny_spec(decoder="llama", text=sizes))


def llama_like_metas() -> Any:
    """A tokenizer that begins each text itself and names no padding token, as Meta's do."""
    tokenizer = train_tokenizer(["why"], 300, "llama")
    begin = "<|begin_of_text|>"
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"{begin} $A", special_tokens=[(begin, tokenizer.convert_tokens_to_ids(begin))]
    )
    tokenizer.pad_token = None
    return tokenizer


def test_llama_prompts_begin_once_and_are_padded() -> None:
    sizes = {**tiny_spec().text, "model_type": "llama", "head_dim": 16, "vocab_size": 400}
    _, processor = build(tiny_spec(decoder="llama", text=sizes, tokenizer=llama_like_metas()))
    prompts = [
        processor.apply_chat_template([{"role": "user", "content": text}], tokenize=False)
        for text in ("why", "why why")
    ]
    ids = processor(text=prompts)["input_ids"]
    begin, end = processor.tokenizer.convert_tokens_to_ids(["<|begin_of_text|>", "<|end_of_text|>"])
    assert (ids == begin).sum(dim=1).tolist() == [1, 1]
    assert processor.tokenizer.pad_token_id == end and end in ids[0]
