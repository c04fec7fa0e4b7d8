"""Aff-Wild2, as the ABAW challenges annotate it: valence and arousal, expression and action units, frame by frame.

    emollm data prep affwild2 /data/Aff-Wild2 -o affwild2.jsonl

A record is a person in a video (`_left` and `_right` tell two apart) in one split. The values of its frames are `targets.vad.series`,
under `frame` (from 0), `valence`, `arousal`, `expression` (index in abaw8) and `AU1`, `AU2`, ...; what a frame lacks, or has marked as
invalid (-5, -1), is left out. How often each expression occurs is a distribution of the kind `frames`. Does not read cropped faces or the
lists of the multi-task challenge.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import PurePosixPath

from emollm.data.leaf import Root, Spec
from emollm.data.sources import VIDEO_SUFFIXES
from emollm.errors import EmoError
from emollm.records import Distribution, License, Record, Targets, Vad

SPEC = Spec(
    name="affwild2",
    title="Aff-Wild2 (ABAW)",
    license=License(name="EULA", redistributable=False, commercial=False),
    url="https://ibug.doc.ic.ac.uk",
    access="Sign the EULA of a challenge; the test labels are not public.",
    citation="https://arxiv.org/abs/2402.19344",
    layout="""
Aff-Wild2/
  .../VA_Estimation_Challenge/Train_Set/NAME.txt        valence,arousal, then a line a frame (Validation_Set alike)
  .../EXPR_Recognition_Challenge/Train_Set/NAME.txt     Neutral,...,Other, then a line a frame; or EXPR_Classification_Challenge
  .../AU_Detection_Challenge/Train_Set/NAME.txt         AU1,AU2,..., then a line a frame
  .../NAME.mp4                                          or .avi, in any folder (batch1, batch2, ...)
""",
    spaces=("abaw8",),
    splits="train, validation (here dev); a test whose labels are hidden",
    metrics=("mean CCC of valence and arousal", "macro F1 of the expressions", "macro F1 of the action units"),
    notes=("Each challenge has its own split: a video may be train of one and dev of another. Its parent tells.",),
)
TASKS = {
    "VA_Estimation_Challenge": "va",
    "EXPR_Recognition_Challenge": "expression",
    "EXPR_Classification_Challenge": "expression",
    "AU_Detection_Challenge": "au",
}
SETS = {"Train_Set": "train", "Validation_Set": "dev"}
EXPRESSIONS = SPEC.labels("abaw8")
INVALID = {"va": -5.0, "expression": -1.0, "au": -1.0}


def rows(root: Root) -> Iterator[Record]:
    """Yield the people in the videos."""
    found: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    videos: dict[str, str] = {}
    for top in sorted(path.name for path in root.path.iterdir() if path.is_dir() and "cropped" not in path.name):
        for path in root.walk(top, ".txt"):
            *_, task, part, _ = ("", "", *PurePosixPath(path).parts)
            if task in TASKS and part in SETS:
                found[SETS[part], PurePosixPath(path).stem][TASKS[task]] = path
        videos |= {PurePosixPath(path).stem: path for path in root.walk(top, *VIDEO_SUFFIXES)}
    if not found:
        root.missing("VA_Estimation_Challenge/Train_Set/NAME.txt")

    def record(key: tuple[str, str]) -> Record:
        split, name = key
        video = name.removesuffix("_left").removesuffix("_right")
        series: dict[int, dict[str, float]] = defaultdict(dict)
        for task, path in sorted(found[key].items()):
            for frame, values in _frames(root, task, path):
                series[frame].update(values)
        seen = Counter(EXPRESSIONS[int(one["expression"])] for one in series.values() if "expression" in one)
        shares = {label: count / seen.total() for label, count in seen.items()}
        frames = Distribution(space="abaw8", kind="frames", probs=shares, n=seen.total())
        return root.record(
            name,
            split,
            video=videos.get(name) or videos.get(video, f"{video}.mp4"),
            subject_id=name,
            targets=Targets(
                vad=Vad(scale=(-1.0, 1.0), series=[{"frame": frame, **series[frame]} for frame in sorted(series)]),
                distribution=(frames,) if shares else (),
            ),
            origin="human",
            parents=(f"affwild2:{video}",),
        )

    yield from root.each(sorted(found), record)


def _frames(root: Root, task: str, path: str) -> Iterator[tuple[int, dict[str, float]]]:
    """Yield the frames of a file with what is valid in them."""
    lines = root.lines(path)
    names = [name.strip() for name in next(lines, (0, ""))[1].strip(" ,").split(",")]
    expected = {"va": names == ["valence", "arousal"], "expression": names == list(EXPRESSIONS)}
    if not expected.get(task, all(name.startswith("AU") for name in names)):
        raise EmoError(
            f"the header of {task} is {','.join(names)[:80]!r}", f"{path}:1", "the version with 8 expressions"
        )
    keys = ["expression"] if task == "expression" else names
    low, high = (-1.0, 1.0) if task == "va" else (0.0, len(EXPRESSIONS) - 1.0 if task == "expression" else 1.0)
    for number, text in lines:
        try:
            cells = zip(keys, map(float, text.split(",")), strict=True)
            values = {key: cell for key, cell in cells if cell != INVALID[task]}
        except ValueError:
            raise EmoError(f"no values: {text[:40]!r}", f"{path}:{number}", f"{len(keys)} numbers") from None
        if wrong := [v for v in values.values() if not low <= v <= high or (task != "va" and not v.is_integer())]:
            raise EmoError(f"a value of {wrong[0]:g}", f"{path}:{number}", f"from {low:g} to {high:g}, or the mark")
        if values and (task != "va" or len(values) == len(keys)):
            yield number - 2, values
