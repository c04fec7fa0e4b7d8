"""CPU time of 8 pictures and the sound of a clip: ours and the cache against bare sequential PyAV decoding.

    python benchmarks/decode.py [--clips 6] [--rounds 5]

Limits that the project keeps: decoding at most 1.15 times the bare time, a clip from the cache at most 0.05 times. `bare` decodes
every packet of both streams with one thread and converts nothing. Clips: 1280x720 H.264 (x264 veryfast) at 25 fps, 4 to 8 s, AAC stereo
at 44.1 kHz, moving shapes with grain. Rounds take the candidates in random order; figures are medians of CPU milliseconds a clip.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from emollm.media import decode
from emollm.media.cache import ClipCache

WIDTH, HEIGHT, FPS, RATE_HZ = 1280, 720, 25, 44100
SIDES_PX = (512, 256)


def main() -> None:
    """Time all candidates and print one JSON object."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--clips", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=5)
    sizes = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clips = [
            write_clip(Path(folder, f"{k}.mp4"), seconds=4 + 4 * k / sizes.clips, seed=k) for k in range(sizes.clips)
        ]
        cache = ClipCache(Path(folder, "cache"))
        candidates: dict[str, Callable[[Path], object]] = {"bare": bare}
        for side_px in SIDES_PX:
            candidates[f"decode_{side_px}"] = lambda clip, side_px=side_px: decode(clip, 8, side_px)
            candidates[f"cached_{side_px}"] = lambda clip, side_px=side_px: cache.decode(
                clip, frames=8, max_side_px=side_px
            )
        spent = measure(candidates, clips, sizes.rounds)
    bare_ms = spent["bare"]
    ratios = {name: round(ms / bare_ms, 4) for name, ms in spent.items()}
    print(json.dumps({"cpu_ms": {name: round(ms, 2) for name, ms in spent.items()}, "ratio": ratios}, indent=1))


def measure(candidates: dict[str, Callable[[Path], object]], clips: list[Path], rounds: int) -> dict[str, float]:
    """Return the median of CPU milliseconds a clip; a first round, which fills caches, isn't counted."""
    spent: dict[str, list[float]] = {name: [] for name in candidates}
    dice = random.Random(0)
    for turn in range(rounds + 1):
        for clip in clips:
            for name in dice.sample(list(candidates), len(candidates)):
                start = time.process_time()
                candidates[name](clip)
                if turn:
                    spent[name].append(1000 * (time.process_time() - start))
    return {name: statistics.median(times) for name, times in spent.items()}


def bare(clip: Path) -> int:
    """Decode all of a clip; convert nothing."""
    with av.open(str(clip)) as container:
        for stream in container.streams:
            stream.thread_count = 1
        return sum(1 for packet in container.demux() for _ in packet.decode())


def write_clip(path: Path, seconds: float, seed: int) -> Path:
    """Write a clip whose picture moves and has grain."""
    noise = np.random.default_rng(seed)
    grain = noise.integers(0, 12, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    base = np.linspace(40, 200, WIDTH).astype(np.uint8)[None, :, None] + grain
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=FPS, options={"preset": "veryfast"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        audio = out.add_stream("aac", rate=RATE_HZ, layout="stereo")
        for k in range(round(seconds * FPS)):
            picture = np.roll(base, (3 * k, 5 * k), (0, 1))
            picture[200:500, 100 + 7 * k % 800 : 400 + 7 * k % 800] = (180, 140, 120)
            out.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(video.encode(None))
        sound = (0.1 * noise.standard_normal((2, round(seconds * RATE_HZ)))).astype(np.float32)
        for start in range(0, sound.shape[1], 1024):
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound[:, start : start + 1024]), "fltp", "stereo")
            frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, start, Fraction(1, RATE_HZ)
            out.mux(audio.encode(frame))
        out.mux(audio.encode(None))
    return path


if __name__ == "__main__":
    main()
