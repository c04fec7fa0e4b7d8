"""EIBench: pictures of people, a question why they feel as they do, and the triggers that an answer should name.

    emollm data prep eibench /data/EIBench -o eibench.jsonl

Reads the basic and the complex part (in the latter one picture has several questions, with emotions that contradict each other). The
pictures come from EmoSet-118K and CAER-S; the class folder of a basic picture is kept as an open label.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from emollm.data.leaf import Line, Root, Spec
from emollm.errors import EmoError
from emollm.records import QA, Cause, License, OpenLabel, Record, Targets

SPEC = Spec(
    name="eibench",
    title="EIBench",
    license=License(name="unknown; pictures: the terms of EmoSet and CAER-S", redistributable=False),
    url="https://github.com/Lum1104/EIBench",
    access="Questions in the repository; ask for EmoSet-118K and CAER-S.",
    citation="https://arxiv.org/abs/2504.07521",
    layout="""
EIBench/                                                  (the repository's root, or its folder EIBench/)
  EIBench/EI_Basic/user.jsonl                             {picture: question}
  EIBench/EI_Basic/basic_ground_truth.json                {picture: "1. ...\\n2. ..."}
  EIBench/EI_Complex/ec_complex.jsonl                     {picture: {question: "1. ...\\n2. ..."}}
  dataset/EmoSet-118k/image/sadness/sadness_01800.jpg     or below the root
  dataset/CAER-S/train/Angry/0006.png
""",
    languages=("en",),
    counts={"test-basic": 1615, "test-complex": 50},
    splits="test only",
    metrics=("share of triggers found, by a judge model",),
    overlaps=("emoset", "caer_s"),
    notes=("The repository says 1,655 samples; its files hold 1,615 and 50.",),
)
NUMBER = re.compile(r"^\s*\d+\.\s*")


def rows(root: Root) -> Iterator[Record]:
    """Yield the questions."""
    below = "EIBench/" if root.has("EIBench/EI_Basic") else ""
    truth = root.json(f"{below}EI_Basic/basic_ground_truth.json") or {}

    def basic(line: Line) -> Record:
        (picture, question), *others = line.items()
        if others or picture not in truth:
            raise EmoError(f"no ground truth for {picture[:80]!r}", line.where, "a line is {picture: question}")
        return _record(root, "test-basic", line, picture, question, truth[picture])

    def complex_(line: Line) -> Record:
        (picture, asked), *others = line.items()
        if others or not isinstance(asked, dict) or len(asked) != 1:
            raise EmoError("no single question", line.where, "a line is {picture: {question: triggers}}")
        return _record(root, "test-complex", line, picture, *next(iter(asked.items())))

    yield from root.each(root.jsonl(f"{below}EI_Basic/user.jsonl"), basic)
    yield from root.each(root.jsonl(f"{below}EI_Complex/ec_complex.jsonl"), complex_)


def _record(root: Root, split: str, line: Line, picture: str, question: str, triggers: str) -> Record:
    found = [text for part in triggers.split("\n") if (text := NUMBER.sub("", part).strip())]
    if not found:
        raise EmoError(f"no triggers: {triggers[:80]!r}", line.where, "1. ...")
    *_, folder, file = ("", *picture.split("/"))
    label = (OpenLabel(text=folder.lower(), lang="en"),) if split == "test-basic" and folder else None
    return root.record(
        f"{line.number:04d}_{file.rpartition('.')[0]}",
        split,
        line,
        images=([f"dataset/{picture}", f"datasets/{picture}", picture],),
        targets=Targets(
            labels_ov=label,
            cause=tuple(Cause(text=text) for text in found),
            qa=(QA(question=question, answer=triggers),),
        ),
    )
