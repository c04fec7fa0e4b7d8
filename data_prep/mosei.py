"""CMU-MOSEI: opinions of YouTube speakers, in English, with sentiment from -3 to 3 and six emotions from 0 to 3.

    emollm data prep mosei /data/CMU-MOSEI -o mosei.jsonl
    emollm data prep mosei /data/CMU-MOSEI -o mosei.jsonl --set folds=folds.json

Reads the release of MMSA (label.csv: sentiment only); without it the raw release of CMU. There all raters' answers are kept, a sentiment
is their mean, and an emotion is present when a rater gave it more than 0; its folds, which only the SDK knows, must be given. Does not
read computational sequences (.csd) or feature pickles.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache, partial
from typing import Any

from emollm.data.leaf import Root, Spec
from emollm.data.mmsa import mmsa_records
from emollm.errors import EmoError
from emollm.records import ClassLabels, License, MediaRef, Quality, Record, Sentiment, Targets, TextLine, Time

SPEC = Spec(
    name="mosei",
    title="CMU-MOSEI",
    license=License(name="unknown"),
    url="https://github.com/thuiar/MMSA",
    access="From CMU MultiComp (immortal.multicomp.cs.cmu.edu) or the drives that MMSA names; videos of YouTube, for research.",
    citation="https://aclanthology.org/P18-1208",
    layout="""
CMU-MOSEI/                              the release of MMSA
  label.csv                             video_id, clip_id, text, label, label_T, label_A, label_V, annotation, mode
  Raw/VIDEO/CLIP.mp4
or                                      the raw release
  Raw/Labels/*.csv                      Input.VIDEO_ID, Input.CLIP, WorkerId, Answer.sentiment, Answer.anger, ...
  Raw/Transcript/Segmented/Combined/VIDEO.txt   VIDEO___CLIP___start___end___sentence
  Raw/Videos/Segmented/Combined/VIDEO_CLIP.mp4  or Raw/Videos/Full/Combined/VIDEO.mp4
  folds.json                            {"train": [VIDEO, ...], "dev": [...], "test": [...]}, from the SDK's folds
""",
    languages=("en",),
    spaces={"mosei6": ("happiness", "sadness", "anger", "surprise", "disgust", "fear")},
    counts={"train": 16326, "dev": 1871, "test": 4659},
    versions={"raw": {}},
    splits="train, valid (here dev), test; by video; in the raw release, videos that no fold has are the split `rest`",
    metrics=("Has0 and Non0 Acc-2 and F1", "Acc-5", "Acc-7", "MAE", "Pearson r", "F1 per emotion"),
    overlaps=("mosi", "mmeverse", "emobench_m"),
    options={"folds": "a JSON file with the videos of train, dev and test: the standard folds of the CMU SDK"},
    notes=(
        "Acc-7 is two metrics: the SDK rounds away from 0, MMSA to the nearest even number.",
        "Transcripts have negative start times: these are left out, with the flag negative_start.",
        "How many clips of the raw release each fold has depends on the copy: say --set version=raw.",
    ),
)
SCALE = (-3.0, 3.0)
EMOTIONS = SPEC.labels("mosei6")
ANSWERS = tuple(f"Answer.{name}" for name in ("sentiment", *EMOTIONS))


def rows(root: Root) -> Iterator[Record]:
    """Yield the clips."""
    if root.has("label.csv") or not root.has("Raw/Labels"):
        yield from mmsa_records(
            root,
            "label.csv",
            lang="en",
            scale=SCALE,
            key="{video}_{clip}",
            video=("Raw/{video}/{clip}.mp4",),
            parents=("mosei:{video}_{clip}", "youtube:{video}"),
        )
        return
    fold_of = _folds(root, root.option("folds"))
    segmented = root.has("Raw/Videos/Segmented/Combined")
    said_in = lru_cache(maxsize=16)(partial(transcript, root))  # the clips of a video stand together

    def record(item: tuple[tuple[str, str], list[dict[str, Any]]]) -> Record:
        (video, clip), raters = item
        said = said_in(video).get(clip)
        if said is None:
            raise EmoError("no such line in its transcript", f"{video}_{clip}", f"a line {video}___{clip}___...")
        time, words = said
        full = MediaRef(path=f"Raw/Videos/Full/Combined/{video}.mp4", start_s=time.start_s, end_s=time.end_s)
        return root.record(
            f"{video}_{clip}",
            fold_of.get(video, "rest"),
            video=f"Raw/Videos/Segmented/Combined/{video}_{clip}.mp4" if segmented else full,
            text=(TextLine(text=words, lang="en"),),
            time=time,
            targets=_targets(raters),
            parents=(f"mosei:{video}_{clip}", f"youtube:{video}"),
            quality=Quality(label_origin="human", n_raters=len(raters)),
            flags=("negative_start",) if time.start_s is None else (),
        )

    yield from root.each(_answers(root).items(), record)


def transcript(root: Root, video: str) -> dict[str, tuple[Time, str]]:
    """Return time and words of the clips of a video; a sentence may hold the separator."""
    found = {}
    for number, text in root.lines(f"Raw/Transcript/Segmented/Combined/{video}.txt"):
        try:
            _, clip, start, end, words = text.split("___", 4)
            start_s, end_s = float(start), float(end)
        except ValueError:
            where = f"{video}.txt:{number}"
            raise EmoError("no line of a transcript", where, "VIDEO___CLIP___start___end___sentence") from None
        found[clip] = Time(start_s=start_s if start_s >= 0 else None, end_s=end_s, clock="source"), words.strip()
    return found


def _folds(root: Root, file: str) -> dict[str, str]:
    """Return the split of each video."""
    folds = root.json(file)
    lists = folds.values() if isinstance(folds, dict) and set(folds) == {"train", "dev", "test"} else [None]
    if not all(isinstance(videos, list) for videos in lists):
        raise EmoError("no lists of videos", file, '{"train": [VIDEO, ...], "dev": [...], "test": [...]}')
    return {video: split for split, videos in folds.items() for video in videos}


def _answers(root: Root) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Return what each rater answered, by video and clip."""
    clips: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for path in sorted((root.path / "Raw/Labels").glob("*.csv")):
        for line in root.csv(f"Raw/Labels/{path.name}", "Input.VIDEO_ID", "Input.CLIP", "WorkerId", *ANSWERS):
            try:
                answers = {name[7:]: line.number_of(name, *SCALE) for name in ANSWERS}
            except EmoError as error:
                root.bad(error)
                continue
            video = line["Input.VIDEO_ID"].rpartition("/")[2]  # one file puts a folder before it
            clips[video, line["Input.CLIP"]].append({"rater": line["WorkerId"], **answers})
    return clips


def _targets(raters: list[dict[str, Any]]) -> Targets:
    """Return the mean sentiment and the emotions that a rater gave more than 0."""
    values = [rater["sentiment"] for rater in raters if rater["sentiment"] is not None]
    names = tuple(name for name in EMOTIONS if any((rater[name] or 0) > 0 for rater in raters))
    sentiment = Sentiment(value=sum(values) / len(values), scale=SCALE) if values else None
    return Targets(sentiment=sentiment, labels_multi=ClassLabels(space="mosei6", names=names), raters=tuple(raters))
