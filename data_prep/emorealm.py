"""EmoReAlM: questions about clips of DFEW: do sound and picture agree, and what in them tells the emotion?

    emollm data prep emorealm /data -o emorealm.jsonl

Reads the question file and finds picture and sound as its authors cut them out of DFEW (24 frames a second; 16 kHz).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from emollm.data.leaf import Line, Root, Spec
from emollm.errors import EmoError
from emollm.records import QA, License, Record, Targets

SPEC = Spec(
    name="emorealm",
    title="EmoReAlM",
    license=License(
        name="unknown (code: USC Research, non-profit); clips: DFEW's terms", redistributable=False, commercial=False
    ),
    url="https://huggingface.co/datasets/chaubeyG/EmoReAlM",
    access="Questions: Hugging Face. Clips: ask for DFEW, then convert them as the authors say.",
    citation="https://arxiv.org/abs/2602.07054",
    layout="""
/data
  EmoReAlM/emorealm_v1.json                          id, task, video, question, choices, answer
  dfew/dfew_original_clips_24fps/part_1/1.mp4
  dfew/dfew_original_clips_16khz/part_1/1.wav
""",
    languages=("en",),
    splits="test only",
    metrics=(
        "ACC; yes-ACC, no-ACC and their harmonic mean (published as precision, recall, F1); mean ACC of the five tasks",
    ),
    overlaps=("dfew",),
    notes=(
        "The authors report 4,000 questions about 2,649 clips.",
        "The clips may be in the training part of DFEW's folds: see `leaks`.",
    ),
)
TASKS = (
    "modality_agreement",
    "reasoning_basic_audio",
    "reasoning_basic_video",
    "reasoning_stress_audio",
    "reasoning_stress_video",
)
LETTERS = "ABCDEFGH"


def rows(root: Root) -> Iterator[Record]:
    """Yield the questions."""

    def record(line: Line) -> Record:
        clip, choices, answer = line["video"], line["choices"], str(line["answer"]).strip().upper()
        found = re.fullmatch(r"(part_\d+)/0*(\d+)\.mp4", clip)
        if not found:
            raise EmoError(f"no clip of DFEW: {clip!r}", line.where, "part_1/1.mp4")
        if not isinstance(choices, list) or answer not in tuple(LETTERS[: len(choices)]):
            raise EmoError(f"answer {answer!r} is none of the choices", line.where, "the letter of a choice")
        return root.record(
            str(line["id"]),
            "test",
            line,
            video=f"dfew/dfew_original_clips_24fps/{clip}",
            audio=f"dfew/dfew_original_clips_16khz/{clip.removesuffix('.mp4')}.wav",
            subset=line.pick("task", TASKS),
            targets=Targets(
                qa=(QA(question=line["question"], answer=answer, choices=tuple(choices), task=line["task"]),)
            ),
            parents=(f"dfew:{found[2]}",),
        )

    if file := root.first("EmoReAlM/emorealm_v1.json", "emorealm_v1.json"):
        yield from root.each(root.items(file, "id", "task", "video", "question", "choices", "answer"), record)
