"""MC-EIU: turns of English and Chinese television dialogues with an emotion and an intent.

    emollm data prep mc_eiu /data/MC-EIU/English -o mc_eiu.jsonl --set language=en --set emotions=ORDER --set intents=ORDER

Reads the label arrays that come with the features. They are one-hot, and the order of their classes is not documented: say it, with commas
between. Where the clips lie is not documented either; without `--set clips=...` records hold labels only. Does not read features.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from emollm.data.leaf import Line, Root, Spec
from emollm.errors import ConfigError, EmoError
from emollm.records import ClassLabel, License, Record, Targets

EMOTIONS = ("happy", "surprise", "sad", "disgust", "anger", "fear", "neutral")
INTENTS = (
    "questioning", "agreeing", "acknowledging", "encouraging", "consoling", "suggesting", "wishing", "neutral", "sympathising",
)  # fmt: skip
SPEC = Spec(
    name="mc_eiu",
    title="MC-EIU",
    license=License(name="CC BY-NC 4.0", url="https://creativecommons.org/licenses/by-nc/4.0/", commercial=False),
    url="https://github.com/MC-EIU/MC-EIU",
    access="Features: ask the authors. Clips: https://huggingface.co/datasets/YulangZhuo/MC-EIU.",
    citation="https://arxiv.org/abs/2407.02751",
    layout="""
MC-EIU/LANGUAGE/
  target/{cv}/{trn,val,tst}_int2name.npy          names, such as dia_349_utt_6
  target/{cv}/{trn,val,tst}_emotion_label.npy     one-hot, 7 classes
  target/{cv}/{trn,val,tst}_intent_label.npy      one-hot, 9 classes
""",
    languages=("en", "zh"),
    spaces={"mceiu7": EMOTIONS, "mceiu9": INTENTS},
    splits="train, val (dev here), test",
    metrics=("weighted F1 per task",),
    overlaps=("mmeverse", "mme_emotion", "emobench_m"),
    options={
        "language": "en or zh: the arrays do not tell",
        "emotions": "the order of the seven emotions in the arrays, with commas between: " + ", ".join(EMOTIONS),
        "intents": "the order of the nine intents in the arrays, with commas between: " + ", ".join(INTENTS),
        "cv": "folder below target/; 1 if not said",
        "clips": "place of a clip, such as video/{name}_en.mkv",
    },
    notes=("The authors report 4,970 clips with 56,012 turns.", "Arrays that hold pickled objects are refused."),
)
SPLITS = {"trn": "train", "val": "dev", "tst": "test"}


def rows(root: Root) -> Iterator[Record]:
    """Yield the turns."""
    language = root.option("language", SPEC.languages)
    orders = (_order(root, "emotions", EMOTIONS), _order(root, "intents", INTENTS))
    cv, clips = root.option("cv", default="1"), root.option("clips", default="")

    for part, split in SPLITS.items():

        def record(line: Line, split: str = split) -> Record:
            name = line["name"]
            return root.record(
                name,
                split,
                line,
                subset=language,
                video=clips.replace("{name}", name) if clips else None,
                targets=Targets(label=ClassLabel(space="mceiu7", name=line["emotion"]), intent=line["intent"]),
                origin="majority",
            )

        yield from root.each(_lines(root, f"target/{cv}/{part}", orders), record)


def _order(root: Root, key: str, known: tuple[str, ...]) -> tuple[str, ...]:
    order = tuple(word.strip() for word in root.option(key).split(","))
    if sorted(order) != sorted(known):
        raise ConfigError(f"{key} is {','.join(order)!r}", f"--set {key}", "each of these once: " + ", ".join(known))
    return order


def _lines(root: Root, prefix: str, orders: tuple[tuple[str, ...], tuple[str, ...]]) -> Iterator[Line]:
    names, *labels = (_array(root, f"{prefix}_{what}.npy") for what in ("int2name", "emotion_label", "intent_label"))
    if names is None or any(array is None for array in labels):
        return
    for array, order in zip(labels, orders, strict=True):
        if array.shape != (len(names), len(order)) or not (array.sum(axis=1) == 1).all():
            root.bad(
                EmoError(f"an array of {array.shape}", f"{prefix}_*.npy", f"one-hot, {len(names)} rows of {len(order)}")
            )
            return
    chosen = [array.argmax(axis=1).tolist() for array in labels]
    for number, (name, emotion, intent) in enumerate(zip(names.reshape(-1).tolist(), *chosen, strict=True), 1):
        text = name.decode() if isinstance(name, bytes) else str(name)
        values = {"name": text, "emotion": orders[0][emotion], "intent": orders[1][intent]}
        yield Line(values, f"{prefix}_int2name.npy", number)


def _array(root: Root, file: str) -> Any:
    """Return an array; None when it is missing or holds objects, which is reported."""
    import numpy as np

    if not root.has(file):
        root.missing(file)
        return None
    try:
        return np.load(root.path / file, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        root.bad(
            EmoError(
                f"no plain array ({str(error)[:60]})",
                file,
                "save it again as numbers or text: np.save(..., allow_pickle=False)",
            )
        )
        return None
