"""MAFW: clips of films and shows with one of eleven expressions, or several, and a description in Chinese and English.

    emollm data prep mafw /data/MAFW -o mafw.jsonl

A record is a clip, with the fold of the single-label lists whose test part holds it; clips that only the other sheets name are the split
`rest`. Sheets that are not there are left out. Does not read the folds of compound labels, landmarks, or gender (whose codes no file
tells).
"""

from __future__ import annotations

from collections.abc import Iterator

from emollm.data.folds import folds_of_clips
from emollm.data.leaf import Line, Root, Spec
from emollm.errors import EmoError
from emollm.records import ClassLabel, ClassLabels, Description, Distribution, License, Quality, Record, Targets

SPEC = Spec(
    name="mafw",
    title="MAFW",
    license=License(name="MAFW terms (non-commercial)", redistributable=False, commercial=False),
    url="https://github.com/MAFW-database/MAFW",
    access="The form MAFW-academics, from a university address.",
    citation="https://arxiv.org/abs/2208.00847",
    layout="""
MAFW/
  clips/00025.mp4
  split/single/no_caption/set_1/test.txt    "00025.mp4 anger" (set_1 to set_5, train.txt alike); or Train & Test Set/single/...
  Labels/single-set.xlsx                clip, single_label (0 none, 1 to 11)
  Labels/multi-set.xlsx                 clip, multi_label ("1,2")
  Labels/annotation.xlsx                clip, anger, disgust, ..., disappointment
  Labels/descriptive_text.xlsx          clip, Chinese, English; no header
""",
    languages=("zh", "en"),
    spaces=("mafw11",),
    counts={"all": 9172},
    splits="five folds of the clips with a single label; fold: the one whose test part holds the clip",
    metrics=("WAR", "UAR", "F1", "AUC"),
    overlaps=("mmeverse",),
    media=("clips",),
    notes=("How annotation.xlsx weighs its eleven raters is not documented: its shares are of the kind `weights`.",),
)
LABELS = {str(code): label for code, label in enumerate(SPEC.labels("mafw11"), 1)}
RATERS = 11


def rows(root: Root) -> Iterator[Record]:
    """Yield the clips."""
    lists = root.first("split", "Train & Test Set") or "split"
    folds = folds_of_clips(root, lambda part, fold: _list(root, f"{lists}/single/no_caption", part, fold), _clip)
    single = _sheet(root, "single-set.xlsx", "clip", "single_label")
    several = _sheet(root, "multi-set.xlsx", "clip", "multi_label")
    rated = _sheet(root, "annotation.xlsx", "clip", *SPEC.labels("mafw11"))
    told = _sheet(root, "descriptive_text.xlsx", header=("clip", "zh", "en"))

    def record(clip: str) -> Record:
        fold, line = folds.get(clip, (None, None))
        label = _single(line, single.get(clip))
        return root.record(
            clip,
            "all" if label else "rest",
            line,
            video=(f"clips/{clip}.mp4", f"{clip}.mp4"),
            fold=fold,
            targets=Targets(
                label=ClassLabel(space="mafw11", name=label) if label else None,
                labels_multi=_several(several[clip]) if clip in several else None,
                distribution=_shares(rated[clip]) if clip in rated else (),
                description=_descriptions(told[clip]) if clip in told else (),
            ),
            quality=Quality(label_origin="majority", n_raters=RATERS),
            parents=(f"mafw:{clip}",),
        )

    yield from root.each(sorted(folds.keys() | single.keys() | several.keys() | rated.keys()), record)


def _clip(line: Line) -> str:
    return line["clip"].strip().removesuffix(".mp4")


def _list(root: Root, folder: str, part: str, fold: int) -> Iterator[Line]:
    return root.csv(f"{folder}/set_{fold}/{part}.txt", header=("clip", "label"), delimiter=" ")


def _sheet(root: Root, file: str, *columns: str, header: tuple[str, ...] | None = None) -> dict[str, Line]:
    """Return the rows of a sheet by clip; none when it is not there."""
    path = f"Labels/{file}"
    return {_clip(line): line for line in root.xlsx(path, *columns, header=header)} if root.has(path) else {}


def _single(listed: Line | None, sheet: Line | None) -> str | None:
    """Return the single label of a clip, on which list and sheet must agree."""
    by_list = listed.pick("label", SPEC.labels("mafw11")) if listed else None
    by_sheet = sheet.pick("single_label", LABELS | {"0": ""}) if sheet else None
    if by_list and by_sheet is not None and by_list != by_sheet:
        what = f"the clip is {by_list}, in single-set.xlsx {by_sheet or 'without a label'}"
        raise EmoError(what, listed.where if listed else None, "files of one copy")
    return by_list or by_sheet or None


def _several(line: Line) -> ClassLabels:
    codes = [code.strip() for code in line["multi_label"].split(",")]
    if wrong := [code for code in codes if code not in LABELS]:
        raise EmoError(f"multi_label has {', '.join(wrong)}", line.where, "numbers from 1 to 11 with commas between")
    return ClassLabels(space="mafw11", names=tuple(LABELS[code] for code in codes))


def _shares(line: Line) -> tuple[Distribution, ...]:
    """Return how the raters' weight is shared out; nothing when none has any."""
    weights = {label: line.number_of(label, 0, RATERS) or 0.0 for label in SPEC.labels("mafw11")}
    total = sum(weights.values())
    probs = {label: weight / total for label, weight in weights.items() if weight}
    return (Distribution(space="mafw11", kind="weights", probs=probs, n=RATERS),) if probs else ()


def _descriptions(line: Line) -> tuple[Description, ...]:
    texts = {lang: line.text(lang) for lang in ("zh", "en")}
    return tuple(
        Description(text=text, kind="description", author="human", lang=lang) for lang, text in texts.items() if text
    )
