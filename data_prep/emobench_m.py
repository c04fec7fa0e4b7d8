"""EmoBench-M: questions about clips of thirteen data sets, from basic emotions to irony and laughter.

    emollm data prep emobench_m /data/EmoBench-M -o emobench_m.jsonl

Reads the question files. The answer is a class where the set has classes; for MC-EIU (emotion and intent) and SMILE (why people laugh) it
is kept as written.
"""

from __future__ import annotations

from collections.abc import Iterator

from emollm.data.leaf import Line, Root, Spec
from emollm.data.mer import mer_clip
from emollm.errors import EmoError
from emollm.records import QA, ClassLabel, License, Record, Targets

POLARITY = ("negative", "neutral", "positive")
SPEC = Spec(
    name="emobench_m",
    title="EmoBench-M",
    license=License(name="unknown; each source's terms (code: Apache-2.0)", redistributable=None),
    url="https://github.com/Emo-gml/EmoBench-M",
    access="Open download (link in the repository).",
    citation="https://arxiv.org/abs/2502.04424",
    layout="""
EmoBench-M/
  benchmark_json/{FGMSA,MC-EIU,MELD,MOSEI,MOSI,MUSTARD,RAVDSS_song,RAVDSS_speech,SIMS,ch-simsv2s,funny,mer2023,smile}.json
  dataset/SET/videos/...                what `video` of an item names (SIMS: SIMS_test/)
""",
    languages=("en", "zh"),
    spaces={
        "emobench_fgmsa": ("strong negative", "weak negative", "neutral", "weak positive", "strong positive"),
        "emobench_meld": ("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger"),
        "emobench_polarity": POLARITY,
        "emobench_truth": ("true", "false"),
        "emobench_song": ("neutral", "calm", "happy", "sad", "angry", "fearful"),
        "emobench_speech": ("neutral", "calm", "happy", "sad", "angry", "fearful", "surprised", "disgust"),
        "emobench_mer2023": ("happy", "sad", "neutral", "angry", "worried", "surprise"),
    },
    splits="test only",
    metrics=("ACC", "weighted F1", "BLEU-4, ROUGE-L, BERTScore (SMILE)"),
    overlaps=("meld", "mosi", "mosei", "sims", "simsv2", "ravdess", "mer2023", "mc_eiu"),
    notes=(
        "Most sets have 500 questions.",
        "The clips come from the test sets of their sources: keep those out of training.",
    ),
)
SPACE = {
    "FGMSA": "emobench_fgmsa", "MC-EIU": "", "MELD": "emobench_meld", "MOSEI": "emobench_polarity", "MOSI": "emobench_polarity",
    "MUSTARD": "emobench_truth", "RAVDSS_song": "emobench_song", "RAVDSS_speech": "emobench_speech", "SIMS": "emobench_polarity",
    "ch-simsv2s": "emobench_polarity", "funny": "emobench_truth", "mer2023": "emobench_mer2023", "smile": "",
}  # fmt: skip


def rows(root: Root) -> Iterator[Record]:
    """Yield the questions of all sets."""
    for name, space in SPACE.items():

        def record(line: Line, name: str = name, space: str = space) -> Record:
            said = {turn.get("from"): turn.get("value") for turn in line["conversations"]}
            question, answer, clip = said.get("human"), said.get("gpt"), line["video"]
            if len(line["conversations"]) != 2 or not question or not answer:
                raise EmoError("no question with its answer", line.where, "one turn from human, one from gpt")
            label = None
            if space:
                told = Line({"answer": answer.strip().lower()}, line.file, line.number)
                label = ClassLabel(space=space, name=told.pick("answer", SPEC.labels(space)))
            stem = clip.rpartition("/")[2].rpartition(".")[0]
            return root.record(
                f"{name}_{line['id']}",
                "test",
                line,
                subset=name,
                video=[f"dataset/{name}/{clip}", f"dataset/{name}_test/{clip}"],
                targets=Targets(
                    label=label,
                    qa=(QA(question=question.replace("<video>", "").strip(), answer=answer.strip(), task=name),),
                ),
                parents=(mer_clip(stem),) if name == "mer2023" else (),
            )

        yield from root.each(root.items(f"benchmark_json/{name}.json", "id", "video", "conversations"), record)
