"""MMEVerse (Emotion-LLaMA v2): 18 known data sets, annotated again by models, one folder a set.

    emollm data prep mmeverse /data/MMEVerse -o mmeverse.jsonl --set set=MC-EIU --set label=Emotion_label

One set a run: its columns differ from set to set, so the label column must be named where more than one could be meant. Labels are
kept as they are written, as open words. Does not read features (`features/`) and peaks (`*_peak.json`).
"""

from __future__ import annotations

from collections.abc import Iterator

from emollm.data.leaf import Line, Root, Spec, check_inside, words
from emollm.data.mer import mer_clip
from emollm.records import Description, License, OpenLabel, Record, Targets, TextLine

LABELS = (
    *("emotion", "emotion_label", "official_label", "single_label", "multi_label", "Emotion", "Emotion_label"),
    *("Sentiment", "sentiment_label", "annotation", "intent"),
)
TEXTS = ("text", "sentence", "Subtitle", "chinese", "english", "conversation")
TOLD = {
    "response_AudioReasoner": "AudioReasoner",
    "response_Qwen2Audio": "Qwen2Audio",
    "response_Qwen25vl_72B": "Qwen25vl_72B",
    **{f"gpt-4o-mini_{kind}": "gpt-4o-mini" for kind in ("Emotion", "Sentiment", "intent", "Single", "Multi")},
}
SPEC = Spec(
    name="mmeverse",
    title="MMEVerse",
    license=License(name="that of each source", redistributable=None, commercial=None),
    url="https://huggingface.co/datasets/ooochen/MMEVerse",
    access="Annotations: its Hugging Face page. Clips: from each source, under its terms.",
    layout="""
MMEVerse/
  SET/SET_merged.csv        train: video_id, a split column, label columns, texts, captions of models
  SET/SET_label.csv         evaluation
  SET/video/VIDEO_ID.mp4
""",
    splits="the column mode (or SET_mode, or session); without one, train for SET_merged.csv and test for SET_label.csv",
    metrics=(
        "hit rate",
        "EW F",
        "accuracy and weighted F1 on exact words",
        "micro F1, samples F1, Jaccard, mAP (several labels)",
    ),
    overlaps=(
        "mer2023",
        "mer2024",
        "meld",
        "iemocap",
        "dfew",
        "mafw",
        "mosi",
        "mosei",
        "sims",
        "simsv2",
        "ov_merd_plus",
        "mc_eiu",
    ),
    options={
        "set": "folder of the set, such as MELD or MC-EIU",
        "label": "column that holds the label, where there is more than one",
        "parents": "name of the source data set, for leak checks: the records' parents are then NAME:VIDEO_ID",
    },
    notes=(
        "Its IEMOCAP list (1,496 clips) is not the one of MER-UniBench (1,241): 1,232 are shared, 3 of them with another label.",
        "The prompt for IEMOCAP names no neutral, the truth has it.",
        "Captions and reasons are those of models; the column names say which.",
    ),
)


def rows(root: Root) -> Iterator[Record]:
    """Yield the clips of one set."""
    folders = sorted(path.name for path in root.path.iterdir() if any(map(root.has, _files(path.name))))
    name = root.option("set", folders, folders[0] if len(folders) == 1 else None)
    for file, split in _files(name).items():
        if not root.has(file):
            continue
        columns = root.columns(file)
        labels = [column for column in LABELS if column in columns]
        label = root.option("label", columns, labels[0] if len(labels) == 1 else None)

        def record(line: Line, split: str = split, label: str = label) -> Record:
            return _record(root, line, name, split, label)

        yield from root.each(root.csv(file, "video_id", label), record)


def _files(name: str) -> dict[str, str]:
    return {f"{name}/{name}_merged.csv": "train", f"{name}/{name}_label.csv": "test"}


def _record(root: Root, line: Line, name: str, split: str, label: str) -> Record:
    clip = line["video_id"]
    check_inside(clip)
    splits = [key for key in ("mode", f"{name}_mode", "session") if line.get(key)]
    text = tuple(TextLine(text=line[key].strip(), lang=_lang(key)) for key in TEXTS if line.get(key, "").strip())
    heard = line.get("text_whisper", "").strip()
    told = tuple(
        Description(
            text=line[key], kind="reasoning" if author == "gpt-4o-mini" else "description", author=f"model:{author}"
        )
        for key, author in TOLD.items()
        if line.get(key)
    )
    source = root.options.get("parents")
    parents = (f"{source}:{clip}",) if source else (mer_clip(clip),) if clip.startswith("sample") else ()
    return root.record(
        f"{name}/{clip}",
        line[splits[0]] if splits else split,
        line,
        subset=name,
        video=[f"{name}/video/{clip}{suffix}" for suffix in (".mp4", ".avi", "")],
        text=(*text, TextLine(text=heard, kind="asr", source="whisper")) if heard else text,
        targets=Targets(labels_ov=tuple(OpenLabel(text=word) for word in words(line[label])), description=told),
        parents=parents,
    )


def _lang(column: str) -> str | None:
    return {"chinese": "zh", "english": "en"}.get(column)
