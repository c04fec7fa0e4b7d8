"""MSP-Podcast: turns of podcasts with primary emotions and valence, arousal and dominance; every rater's answer.

    emollm data prep msp_podcast /data/MSP-PODCAST-Publish-1.12 -o msp_podcast.jsonl

Reads the consensus, and every rater's answer from `labels.txt` where it is there. Does not read the hidden labels of Test3, nor the forced
alignment.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from emollm.data.leaf import Line, Root, Spec, votes
from emollm.records import ClassLabel, License, Quality, Record, Speaker, Targets, TextLine, Vad

SPEC = Spec(
    name="msp_podcast",
    title="MSP-Podcast",
    license=License(name="academic licence of UT Dallas", redistributable=False, commercial=False),
    url="https://ecs.utdallas.edu/research/researchlabs/msp-lab/MSP-Podcast.html",
    access="Licence signed by the institution, MSP lab of UT Dallas.",
    citation="https://arxiv.org/abs/2509.09791",
    layout="""
MSP-PODCAST-Publish-1.12/
  Labels/labels_consensus.csv            or labels_concensus.csv, as older releases spell it
  Labels/labels.txt                      every rater's answer (if you have it)
  Audios/MSP-PODCAST_0001_0008.wav
  Transcripts/MSP-PODCAST_0001_0008.txt  (if you have them)
""",
    version="1.12",
    languages=("en",),
    spaces=("msp8", "msp9"),
    versions={"1.11": {"train": 84030, "dev": 19815, "test1": 30647, "test2": 14815}},
    splits="Train, Development (older: Validation), Test1, Test2, Test3 (no labels); tests share speakers",
    metrics=("CCC per attribute", "macro-F1 over 8 classes"),
    media=("Audios",),
    notes=(
        "Files of Test3 have no row and are counted as extra.",
        "No class where raters disagree (flag no_agreement) or agree on another emotion (flag other); votes are in the space msp9.",
        "Attributes go from 1 to 7. EmoAct is arousal.",
    ),
)
CLASSES = {
    "A": "anger", "H": "happy", "S": "sad", "N": "neutral", "U": "surprise", "F": "fear", "D": "disgust", "C": "contempt",
    "O": "", "X": "",
}  # fmt: skip
PRIMARY = {"angry": "anger", **{name: name for name in CLASSES.values() if name}}
SPLITS = {
    "Train": "train",
    "Development": "dev",
    "Validation": "dev",
    "Test1": "test1",
    "Test2": "test2",
    "Test3": "test3",
}
COLUMNS = ("FileName", "EmoClass", "EmoAct", "EmoVal", "EmoDom", "SpkrID", "Gender", "Split_Set")


def rows(root: Root) -> Iterator[Record]:
    """Yield the turns with a consensus row."""
    file = root.first("Labels/labels_consensus.csv", "Labels/labels_concensus.csv")
    told, spoken = _raters(root), root.has("Transcripts")

    def record(line: Line) -> Record:
        name, code = line["FileName"], line.pick("EmoClass", tuple(CLASSES))
        stem, label = name.removesuffix(".wav"), CLASSES[code]
        speaker = None if line["SpkrID"] in ("", "Unknown") else line["SpkrID"]
        words = _words(root, f"Transcripts/{stem}.txt") if spoken else ""
        raters = [_answer(text) for text in told.get(name, ())]
        soft = votes("msp9", Counter(PRIMARY.get(str(one["label"]).lower(), "other") for one in raters), modality="a")
        valence, arousal, dominance = (line.number_of(key, 1, 7) for key in ("EmoVal", "EmoAct", "EmoDom"))
        return root.record(
            stem,
            line.pick("Split_Set", SPLITS),
            line,
            audio=f"Audios/{name}",
            text=(TextLine(text=words, lang="en", source="official"),) if words else (),
            speaker=Speaker(id=speaker, role="speaker", gender=(line.text("Gender") or "").lower() or None),
            subject_id=speaker,
            targets=Targets(
                label=ClassLabel(space="msp8", name=label) if label else None,
                vad=Vad(valence=valence, arousal=arousal, dominance=dominance, scale=(1, 7)),
                distribution=(soft,) if soft else (),
                raters=tuple(raters) or None,
            ),
            flags={"O": ["other"], "X": ["no_agreement"]}.get(code, []),
            quality=Quality(label_origin="majority", n_raters=len(raters) or None),
        )

    if file:
        yield from root.each(root.csv(file, *COLUMNS), record)


def _raters(root: Root) -> dict[str, list[str]]:
    """Return the raters' lines of each file; a block is the file's line, then a line for each rater."""
    told: dict[str, list[str]] = {}
    here: list[str] = []
    for _, text in root.lines("Labels/labels.txt") if root.has("Labels/labels.txt") else ():
        name = text.partition(";")[0].strip()
        if name.endswith(".wav"):
            here = told.setdefault(name, [])
        elif name:
            here.append(text)
    return told


def _answer(text: str) -> dict[str, Any]:
    """Read `WORKER1; Other-confused; Concerned,Confused; A:3.0; V:3.0; D:4.0;`."""
    cells = [cell.strip() for cell in text.split(";")]
    marks = {key.strip(): float(value) for key, colon, value in (cell.partition(":") for cell in cells[2:]) if colon}
    words = [word.strip() for cell in cells[2:] if ":" not in cell for word in cell.split(",") if word.strip()]
    return {"rater": cells[0], "label": cells[1], "secondary": words, "vad": [marks.get(key) for key in "VAD"]}


def _words(root: Root, file: str) -> str:
    return " ".join(text.strip() for _, text in root.lines(file)) if root.has(file) else ""
