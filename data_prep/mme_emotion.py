"""MME-Emotion: clips of thirteen data sets, eight tasks, each clip with its label and the labels it is chosen from.

    emollm data prep mme_emotion /data/MME-Emotion-Dataset -o mme_emotion.jsonl

Reads the question files and, where they are there, a model's descriptions of the sound. The set has no question texts: `question` is empty
and the benchmark asks in its own words. Where the clips lie on its Hugging Face page is not documented: say it with `--set clips=FOLDER`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from emollm.data.leaf import Line, Root, Spec
from emollm.data.mer import mer_clip
from emollm.errors import EmoError
from emollm.records import QA, Description, License, OpenLabel, Record, Targets

SPEC = Spec(
    name="mme_emotion",
    title="MME-Emotion",
    license=License(name="unknown; each source's terms (code: MIT)", redistributable=None),
    url="https://github.com/FunAudioLLM/MME-Emotion",
    access="Questions in the repository; clips on https://huggingface.co/datasets/Karl28/MME-Emotion.",
    citation="https://arxiv.org/abs/2508.09210",
    layout="""
MME-Emotion-Dataset/
  ER-Lab/question/ER_Lab.json                            video_id, label, label_set
  ER-Lab/audio_clue/ER_Lab_qwen2_audio_clues.json        video_id, audio_clue (if you have it)
  ER-Wild/ Noise-ER/ FG-ER/ ML-ER/ SA/ FG-SA/ IR/        the same
  and the clips: what `video_id` names (IEMOCAP/video/NAME.mp4), below the root or below --set clips=FOLDER
""",
    languages=("en", "zh"),
    splits="test only",
    metrics=("recognition, reasoning and CoT score by a judge model",),
    overlaps=("iemocap", "meld", "dfew", "mafw", "mer2024", "mosi", "mosei", "simsv2", "mc_eiu"),
    options={"clips": "folder that video_id starts from, relative to the root"},
    notes=(
        "The authors report 6,500 clips. Tasks may ask about the same clip; a second question of a task about it is numbered (#2).",
        "ML-ER has several labels, with commas between. A label that is not among the clip's own choices is flagged.",
    ),
)
TASKS = ("ER-Lab", "ER-Wild", "Noise-ER", "FG-ER", "ML-ER", "SA", "FG-SA", "IR")


def rows(root: Root) -> Iterator[Record]:
    """Yield the questions of all tasks."""
    folder = root.option("clips", default="").strip("/")

    for task in TASKS:
        name = task.replace("-", "_")
        heard = f"{task}/audio_clue/{name}_qwen2_audio_clues.json"
        clues = {}
        if root.has(heard):
            clues = {line["video_id"]: line.text("audio_clue") for line in root.items(heard, "video_id", "audio_clue")}

        asked: Counter[str] = Counter()

        def record(
            line: Line, task: str = task, clues: dict[str, str | None] = clues, asked: Counter[str] = asked
        ) -> Record:
            clip, choices, answer = line["video_id"], line["label_set"], line.text("label")
            if not answer or not isinstance(choices, list):
                raise EmoError("no label, or no list of labels to choose from", line.where)
            labels = [word.strip() for word in answer.split(",")] if task == "ML-ER" else [answer]
            known = {str(choice).lower() for choice in choices}
            clue = clues.get(clip)
            key = f"{task}_{clip.rpartition('.')[0] or clip}"
            asked[key] += 1
            return root.record(
                key if asked[key] == 1 else f"{key}#{asked[key]}",
                "test",
                line,
                subset=task,
                video=f"{folder}/{clip}" if folder else clip,
                targets=Targets(
                    labels_ov=tuple(OpenLabel(text=label, lang="en") for label in labels),
                    description=(Description(text=clue, kind="audio_clue", author="model:qwen2-audio", lang="en"),)
                    if clue
                    else (),
                    qa=(QA(question="", answer=answer, choices=tuple(map(str, choices)), task=task),),
                ),
                parents=_parents(clip),
                flags=[] if all(label.lower() in known for label in labels) else ["label_not_among_choices"],
            )

        yield from root.each(root.items(f"{task}/question/{name}.json", "video_id", "label", "label_set"), record)


def _parents(clip: str) -> tuple[str, ...]:
    """Return the clip's id in the set it comes from, where its name there is known."""
    source, stem = clip.partition("/")[0], clip.rpartition("/")[2].rpartition(".")[0]
    if source == "IEMOCAP":
        return (f"iemocap:{stem}",)
    if source == "MAFW":
        return (f"mafw:{stem}",)
    return (mer_clip(stem),) if re.match(r"sample(new\d?)?_\d", stem) else ()
