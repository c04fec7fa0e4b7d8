"""On a machine with a GPU: does the model run in bfloat16 at real sizes, and how fast. Figures belong in LOG.md.

    python benchmarks/gpu/check.py                 # Whisper-large, CLIP-L and Qwen2.5-7B shapes, random weights
    python benchmarks/gpu/check.py --size small    # small shapes, float32, also on a CPU: checks the script itself

Weights are random (no hub is needed): times and memory are those of the real shapes, answers mean nothing. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from emollm.models.build import Spec, build
from emollm.models.modeling import EmoForConditionalGeneration, parameters_by_block
from emollm.models.processor import EmoProcessor
from emollm.models.tokens import train_tokenizer

SIZES: dict[str, dict[str, dict[str, Any]]] = {
    "7b": {
        "audio": {
            "d_model": 1280,
            "encoder_layers": 32,
            "encoder_attention_heads": 20,
            "encoder_ffn_dim": 5120,
            "num_mel_bins": 128,
        },
        "video": {
            "hidden_size": 1024,
            "intermediate_size": 4096,
            "num_hidden_layers": 24,
            "num_attention_heads": 16,
            "patch_size": 14,
        },
        "text": {
            "hidden_size": 3584,
            "intermediate_size": 18944,
            "num_hidden_layers": 28,
            "num_attention_heads": 28,
            "num_key_value_heads": 4,
        },
    },
    "small": {
        "audio": {"d_model": 64, "encoder_layers": 1, "encoder_attention_heads": 2, "encoder_ffn_dim": 128},
        "video": {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 1, "num_attention_heads": 2},
        "text": {
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
        },
    },
}
SECONDS, SAMPLE_RATE_HZ, NEW_TOKENS = 5, 16000, 32


def main() -> None:
    """Build, run forward, backward and generation, print times."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--size", choices=sorted(SIZES), default="7b")
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    if args.size == "7b" and not torch.cuda.is_available():
        sys.exit("no GPU here: use --size small to check the script itself")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    print(json.dumps(measure(args.size, args.batch_size, args.rounds, device, dtype), indent=1))


def measure(size: str, batch_size: int, rounds: int, device: str, dtype: torch.dtype) -> dict[str, Any]:
    """Return times and memory of one size."""
    torch.manual_seed(0)
    model, processor = assemble(size, dtype)
    model.to(device)
    batch = make_batch(processor, batch_size, device, dtype)
    report: dict[str, Any] = {
        "size": size,
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
        "dtype": str(dtype),
        "parameters": sum(total for total, _ in parameters_by_block(model).values()),
        "batch_size": batch_size,
        "prompt_tokens": int(batch["input_ids"].shape[1]),
    }
    model.set_trainable({"audio_tower": "frozen", "video_tower": "frozen", "decoder": "frozen"})
    model.train()
    labels = batch["input_ids"].clone()

    def step() -> None:
        loss = model(**batch, labels=labels).loss
        if not torch.isfinite(loss):
            sys.exit(f"the loss is {loss}")
        loss.backward()
        model.zero_grad()

    report["adapter_step_s"] = median_s(step, rounds, device)
    model.eval()
    written = {"max_new_tokens": NEW_TOKENS, "min_new_tokens": NEW_TOKENS, "do_sample": False}
    with torch.inference_mode():
        report["prefill_s"] = median_s(lambda: model(**batch, logits_to_keep=1), rounds, device)
        report["generate_s"] = median_s(lambda: model.generate(**batch, **written), rounds, device)
    report["clips_per_s"] = batch_size / report["generate_s"]
    if device == "cuda":
        report["peak_memory_gb"] = torch.cuda.max_memory_allocated() / 1e9
    return report


def assemble(size: str, dtype: torch.dtype) -> tuple[EmoForConditionalGeneration, EmoProcessor]:
    """Build a model of real shapes with random weights."""
    shapes = SIZES[size]
    tokenizer = train_tokenizer(["the person appears calm"], 512)
    text = {"model_type": "qwen2", "max_position_embeddings": 4096, "vocab_size": 152064 if size == "7b" else 512}
    spec = Spec(
        audio={"model_type": "whisper", **shapes["audio"]},
        video={"model_type": "clip_vision_model", "image_size": 224, **shapes["video"]},
        text={**text, **shapes["text"]},
        tokenizer=tokenizer,
        dtype=dtype,
    )
    return build(spec)


def make_batch(processor: EmoProcessor, rows: int, device: str, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """Return a batch of clips with sound and picture, of noise."""
    rng = np.random.default_rng(0)
    prompt = processor.apply_chat_template(
        [
            {
                "role": "user",
                "content": [{"type": "audio"}, {"type": "video"}, {"type": "text", "text": "What is felt?"}],
            }
        ],
        tokenize=False,
        add_generation_prompt=True,
    )
    batch = processor(
        text=[prompt] * rows,
        audio=[rng.normal(size=SECONDS * SAMPLE_RATE_HZ).astype(np.float32) for _ in range(rows)],
        videos=[rng.integers(0, 256, (8, 224, 224, 3), dtype=np.uint8) for _ in range(rows)],
    )
    return {name: value.to(device, dtype if value.is_floating_point() else None) for name, value in batch.items()}


def median_s(call: Callable[[], Any], rounds: int, device: str) -> float:
    """Return the median wall time of a call after one warm-up."""
    times = []
    for _ in range(rounds + 1):
        started = time.perf_counter()
        call()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - started)
    return float(np.median(times[1:]))


if __name__ == "__main__":
    main()
