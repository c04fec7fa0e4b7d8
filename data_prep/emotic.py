"""EMOTIC: people in pictures of everyday life, each with any of 26 categories and valence, arousal and dominance from 1 to 10.

    emollm data prep emotic /data/EMOTIC -o emotic.jsonl

A record is a person: a picture with the box of the body as its crop. Train has one rater; dev and test have several, whose single answers
are `targets.raters`. Reads Annotations.mat with scipy, which the extra `media` brings. Does not read estimated boxes or ages (which are
words).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from emollm.data.leaf import Line, Root, Spec
from emollm.errors import EmoError
from emollm.records import ClassLabels, License, MediaRef, Quality, Record, Speaker, Targets, Vad

SPEC = Spec(
    name="emotic",
    title="EMOTIC",
    license=License(name="EMOTIC terms (non-commercial)", redistributable=False, commercial=False),
    url="https://github.com/rkosti/emotic",
    access="Fill in the access form on its page.",
    citation="https://ieeexplore.ieee.org/document/8713881",
    layout="""
EMOTIC/
  Annotations/Annotations.mat           train, val, test: filename, folder, image_size, person(body_bbox, ...)
  emotic/mscoco/images/*.jpg            framesdb, emodb_small and ade20k alike; or without the folder emotic/
""",
    spaces=("emotic26",),
    splits="train, val (here dev), test",
    metrics=("mAP over 26 categories", "mean error of valence, arousal and dominance"),
    media=("emotic",),
    notes=("Boxes that reach over the edge of a picture are cut at it.",),
)
PARTS = {"train": "train", "dev": "val", "test": "test"}
DIMENSIONS = ("valence", "arousal", "dominance")
SCALE = (1.0, 10.0)


def rows(root: Root) -> Iterator[Record]:
    """Yield the people."""
    file = root.first("Annotations/Annotations.mat", "Annotations.mat")
    if file is None:
        return
    folder = "emotic/" if root.has("emotic") else ""

    def record(person: Line) -> Record:
        name = f"{person['folder']}/{person['filename']}"
        raters = _raters(person)
        return root.record(
            f"{name}#{person['number']}",
            person["split"],
            person,
            images=(MediaRef(path=folder + name, crop=_crop(person)),),
            speaker=Speaker(gender=person["gender"].lower()) if person.get("gender") else None,
            targets=Targets(
                labels_multi=ClassLabels(space="emotic26", names=_categories(person)),
                vad=_vad(_first(person, "combined_continuous", "annotations_continuous")),
                raters=raters or None,
            ),
            quality=Quality(
                label_origin="human" if raters else "single", n_raters=sum("labels" in one for one in raters) or 1
            ),
        )

    yield from root.each(_people(root, file), record)


def _people(root: Root, file: str) -> Iterator[Line]:
    """Yield the annotations of each person, with those of the picture, the split, and the person's number in the picture."""
    try:
        from scipy.io import loadmat
    except ImportError:
        raise EmoError("scipy is not installed", file, "pip install 'emollm[media]'") from None
    try:
        book = loadmat(root.path / file, simplify_cells=True)
    except Exception as error:  # the reader has a kind of error for each way in which a file can be broken
        root.bad(EmoError(f"no MATLAB file ({error})", file, "copy it again"))
        return
    for split, part in PARTS.items():
        if part not in book:
            root.bad(EmoError(f"no {part} in it", file, "train, val and test"))
        for row, picture in enumerate(_listed(book.get(part)), 1):
            picture = Line(picture, f"{file}[{part}]", row)
            common = {key: picture[key] for key in ("filename", "folder", "image_size")} | {"split": split}
            for number, person in enumerate(_listed(picture["person"])):
                yield Line({**person, **common, "number": number}, picture.file, row)


def _crop(person: Line) -> tuple[float, float, float, float]:
    """Return the box of the body in shares of the picture."""
    size = Line(person["image_size"], person.file, person.number)
    width, height = float(size["n_col"]), float(size["n_row"])
    x0, y0, x1, y1 = map(float, person["body_bbox"])
    shares = (x0 / width, y0 / height, x1 / width, y1 / height)
    left, top, right, bottom = (min(max(share, 0.0), 1.0) for share in shares)
    if not (left < right and top < bottom):
        raise EmoError(f"the box {person['body_bbox']} is empty", person.where, "x0, y0, x1, y1 in pixels")
    return left, top, right, bottom


def _categories(person: Line) -> tuple[str, ...]:
    return _names(_first(person, "combined_categories", "annotations_categories"))


def _names(answer: Any) -> tuple[str, ...]:
    """Return the categories of an answer, which is a struct or a bare list."""
    return tuple(str(name) for name in _listed(answer["categories"] if isinstance(answer, Mapping) else answer))


def _vad(answer: Mapping[str, Any]) -> Vad | None:
    """Return the three dimensions; None where none is known."""
    values = {name: float(answer[name]) for name in DIMENSIONS}
    known = {name: value for name, value in values.items() if not math.isnan(value)}
    if wrong := [f"{name} {value:g}" for name, value in known.items() if not SCALE[0] <= value <= SCALE[1]]:
        raise EmoError(", ".join(wrong), fix="numbers from 1 to 10")
    return Vad(scale=SCALE, **known) if known else None


def _raters(person: Line) -> tuple[dict[str, Any], ...]:
    """Return the single answers, where there are several raters: first those about categories, then those about dimensions."""
    if "combined_categories" not in person:
        return ()
    named = [{"labels": _names(answer)} for answer in _listed(person["annotations_categories"])]
    rated = [{name: float(answer[name]) for name in DIMENSIONS} for answer in _listed(person["annotations_continuous"])]
    return (*named, *({k: v for k, v in one.items() if not math.isnan(v)} for one in rated))


def _first(person: Line, *keys: str) -> Any:
    return person[next((key for key in keys if key in person), keys[-1])]


def _listed(value: Any) -> list[Any]:
    """Return a MATLAB array as a list; one thing is a list of one."""
    if value is None:
        return []
    return [value] if isinstance(value, str | Mapping) else list(value)
