"""Labelling side by side with what it is measured against, in one run (what the gateway costs: gateway.py).

    python benchmarks/serving.py [label] [engines] [--clips 200] [--engine-clips 64] [--rounds 3]

label    `emollm label` on mp4 clips with the bundled checkpoint against a plain loop (decode, encode, generate for each clip), both with
         and without the clips in the media cache. The project keeps: at least 3 times less CPU with the cache, and without it at most 1.2
         times decoding alone and the engine alone taken together. Start-up, measured by runs over two clips, is stated apart.
engines  Random weights (104 M parameters), clips decoded beforehand, free answers of one length: transformers one by one and in
         batches, and vLLM with its running batch; then two questions about each clip one after the other, and each in a pass of its
         own. The project keeps: vLLM at least 5 times as fast as one by one and 2 times as batches.

Each candidate runs in a process of its own, with one thread unless OMP_NUM_THREADS says otherwise. Figures are medians of CPU seconds of
all its processes, and of wall seconds; ratios are of CPU seconds. vLLM runs in its own environment, and is left out where there is none.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice, product
from pathlib import Path
from typing import Any

from emollm.engines import Request, Sampling
from emollm.engines.evidence import gather
from emollm.media import decode
from emollm.media.cache import ClipCache
from emollm.prompts import TASKS, render
from emollm.records import read_records, write_records
from emollm.synth import make_synth

SERVE_PYTHON = Path(__file__).parents[1] / ".venv-serve" / "bin" / "python"
BATCH, FEW = 16, 2
SAMPLING = Sampling(max_new_tokens=24, constrained=False)
Cost = dict[str, float]
Runs = dict[str, list[Cost]]


def main() -> None:
    """Run the parts and print one JSON object."""
    parser = argparse.ArgumentParser()
    parser.add_argument("parts", nargs="*", default=list(PARTS), help=f"of {', '.join(PARTS)}; default: all")
    parser.add_argument("--clips", type=int, default=16, help="for label")
    parser.add_argument("--engine-clips", type=int, default=4)
    parser.add_argument("--records", type=Path, help="clips to use instead of newly made synthetic ones")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        name, *arguments = json.loads(given.one)
        print(json.dumps(CANDIDATES[name](*arguments)))
        return
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["EMOLLM_CACHE"] = str(Path(folder, "cache"))
        print(json.dumps({part: PARTS[part](Path(folder), given) for part in given.parts}, indent=1))


# ---- label


def compare_label(folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    """Return what the command, the plain loop and the stages cost."""
    clips, few = take_clips(folder, given.clips, given.records), folder / "few.jsonl"
    write_records(few, islice(read_records(clips), FEW))
    command(clips, folder / "filling.jsonl", "--keep-decoded")
    runs = apart("alone", clips, given.rounds)
    for turn, (kind, flags) in product(range(given.rounds), (("cold", []), ("warm", ["--keep-decoded"]))):
        whole = command(clips, folder / f"{kind}{turn}.jsonl", *flags)
        start_up = command(few, folder / f"few_{kind}{turn}.jsonl", *flags)
        rest = {key: (whole[key] - start_up[key]) * given.clips / (given.clips - FEW) for key in whole}
        runs.setdefault(f"label_{kind}", []).append(rest)
        runs.setdefault("label_start_up", []).append(start_up)
    stages = zip(runs["decode"], runs["engine"], strict=True)
    runs["decode+engine"] = [{key: one[key] + two[key] for key in one} for one, two in stages]
    return report(runs, "plain_warm/label_warm", "plain_cold/label_cold", "label_cold/decode+engine")


def command(clips: Path, out: Path, *flags: str) -> Cost:
    """Run `emollm label`; return what it and its processes cost."""
    call = [sys.executable, "-m", "emollm", "label", str(clips), "-o", str(out), *flags]
    start = time.monotonic()
    process = subprocess.Popen(call, stderr=subprocess.PIPE)
    told = process.stderr.read() if process.stderr else b""
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(told.decode())
    return {"cpu_s": used.ru_utime + used.ru_stime, "wall_s": time.monotonic() - start}


def alone(clips: str, rounds: int) -> Runs:
    """Label in a plain loop, without and with the cache; decode all clips; answer all questions about decoded ones."""
    from emollm.api import open_engine

    engine: Any = open_engine("tiny")
    runs = Runs()
    for _ in range(rounds):
        for name, read in (("plain_cold", decode), ("plain_warm", ClipCache().decode)):
            with timed(runs, name):
                plain_loop(clips, engine.model, engine.processor, read)
        with timed(runs, "decode"):
            ready = decoded(clips, engine.media)
        with timed(runs, "engine"):
            for _ in engine.generate(ready, Sampling()):
                pass
    return runs


def plain_loop(clips: str, model: Any, processor: Any, read: Callable[..., Any]) -> None:
    """Decode, encode and generate clip by clip, as scripts that come with models do."""
    import torch

    for record in read_records(clips):
        clip = read(record.media.video.path, frames=processor.num_frames, max_side_px=512)
        messages = render(record, TASKS["labels"], audio=clip.audio is not None, video=clip.frames is not None)
        text = processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        inputs = processor(text=[text], audio=[clip.audio], videos=[clip.frames])
        with torch.inference_mode():
            ids = model.generate(**inputs, do_sample=False, max_new_tokens=400)
        processor.tokenizer.decode(ids[0], skip_special_tokens=True)


# ---- engines


def compare_engines(folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    """Return what answers to questions about the same clips cost under each engine."""
    clips, model = take_clips(folder, given.engine_clips, given.records), folder / "model"
    runs = apart("transformers", model, clips, given.rounds)
    if not SERVE_PYTHON.is_file():
        return {**report(runs), "vllm": "left out: make setup-serve"}
    runs |= apart("vllm", model, clips, given.rounds, python=SERVE_PYTHON)
    return report(runs, "one_by_one/vllm", "batches/vllm", "vllm_apart/vllm_grouped")


def random_model(folder: str) -> Any:
    """Save a model with random weights, and open it."""
    import torch

    from emollm.engines.checkpoints import Checkpoint
    from emollm.engines.hf import HFEngine
    from emollm.models.build import build, tiny_spec

    text = {
        "model_type": "qwen2", "vocab_size": 400, "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12,
        "num_attention_heads": 12, "num_key_value_heads": 4, "max_position_embeddings": 1024, "tie_word_embeddings": True,
    }  # fmt: skip
    torch.manual_seed(0)
    for part in build(tiny_spec(text=text)):
        part.save_pretrained(folder)
    return HFEngine(Checkpoint(Path(folder), "random"), device="cpu")


def with_transformers(folder: str, clips: str, rounds: int) -> Runs:
    """Answer with `model.generate`: clip by clip, and in batches."""
    import torch

    engine, runs, length = random_model(folder), Runs(), SAMPLING.max_new_tokens
    rows = [engine._row(request, SAMPLING) for request in decoded(clips, engine.media)]
    for _, (name, batch) in product(range(rounds), (("one_by_one", 1), ("batches", BATCH))):
        with timed(runs, name), torch.inference_mode():
            for start in range(0, len(rows), batch):
                inputs = engine._inputs(rows[start : start + batch])
                engine.model.generate(**inputs, do_sample=False, max_new_tokens=length, min_new_tokens=length)
    return runs


def with_vllm(folder: str, clips: str, rounds: int) -> Runs:
    """Answer with vLLM: one question about each clip, two that follow each other, and two in passes of their own."""
    from emollm.engines.checkpoints import Checkpoint
    from emollm.engines.vllm import VLLMEngine

    engine, runs = VLLMEngine(Checkpoint(Path(folder), "random")), Runs()
    first, second = (decoded(clips, engine.media, task) for task in ("labels", "explain"))
    both = [request for pair in zip(first, second, strict=True) for request in pair]
    passes = {"vllm": [first], "vllm_grouped": [both], "vllm_apart": [first, second]}
    list(engine.generate(first[:BATCH], SAMPLING))  # warms up
    for _, name in product(range(rounds), passes):
        answers = []
        with timed(runs, name):
            for requests in passes[name]:
                engine.llm.reset_prefix_cache()
                engine.llm.reset_mm_cache()
                answers += engine.generate(requests, SAMPLING)
        if any(answer.parse != "truncated" for answer in answers):
            raise SystemExit("answers are to be of one length, and some ended early")
    return runs


# ---- what both parts use


def take_clips(folder: Path, n: int, records: Path | None) -> Path:
    """Return a records file of n clips."""
    if records is None:
        make_synth(folder / "clips", n, split="dev", workers=1)
        records = folder / "clips" / "records.jsonl"
    write_records(folder / "records.jsonl", islice(read_records(records.absolute()), n))
    return folder / "records.jsonl"


def decoded(clips: str, media: Any, task: str = "labels") -> list[Any]:
    """Return a question about each clip, with the clip decoded."""
    asked = (Request(f"{record.id} {task}", record, TASKS[task]) for record in read_records(clips))
    return [replace(request, evidence=gather(request, media)) for request in asked]


def apart(name: str, *arguments: Any, python: Path | str = sys.executable) -> Runs:
    """Do one thing in a process of its own."""
    call = [str(python), __file__, "--one", json.dumps([name, *arguments], default=str)]
    done = subprocess.run(call, stdout=subprocess.PIPE, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


@contextmanager
def timed(runs: Runs, name: str) -> Iterator[None]:
    """Note what the block costs."""
    cpu_s, wall_s = time.process_time(), time.monotonic()
    yield
    cost = {"cpu_s": time.process_time() - cpu_s, "wall_s": time.monotonic() - wall_s}
    runs.setdefault(name, []).append(cost)


def report(runs: Runs, *pairs: str) -> dict[str, Any]:
    """Return the median of each figure, and ratios of CPU seconds."""
    found: dict[str, Any] = {
        name: {key: round(statistics.median(row[key] for row in rows), 2) for key in rows[0]}
        for name, rows in runs.items()
    }
    cpu_s = {name: row["cpu_s"] for name, row in found.items()}
    found["ratio"] = {pair: round(cpu_s[one] / cpu_s[two], 2) for pair in pairs for one, two in [pair.split("/")]}
    return found


PARTS = {"label": compare_label, "engines": compare_engines}
CANDIDATES: dict[str, Callable[..., Runs]] = {"alone": alone, "transformers": with_transformers, "vllm": with_vllm}

if __name__ == "__main__":
    main()
