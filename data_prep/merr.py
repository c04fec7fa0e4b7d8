"""MERR (Emotion-LLaMA): pseudo-labels, captions and cues, made by rules and models, for unlabelled clips of MER2023.

    emollm data prep merr /data/MERR -o merr.jsonl

The lists `MERR_*_grained.txt` give clips and labels; the JSON files beside them give captions and cues. Media are those of MER2023:
put (or link) them as `video/`. Without them: `--allow-missing`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from emollm.data.leaf import Line, Root, Spec
from emollm.data.mer import ACCESS, mer_clip, mer_license, mer_media
from emollm.errors import EmoError
from emollm.records import ClassLabel, Cue, Description, Record, Targets, TextLine

SPEC = Spec(
    name="merr",
    title="MERR",
    license=mer_license("MER2023"),
    url="https://github.com/ZebangCheng/Emotion-LLaMA",
    access="Annotations: the authors' drive, linked from their repository. Clips of MER2023: " + ACCESS,
    citation="https://arxiv.org/abs/2406.11161",
    layout="""
MERR/
  MERR_coarse_grained.txt MERR_fine_grained.txt      lines: NAME FRAMES LABEL
  MERR_coarse_grained.json MERR_fine_grained.json    NAME -> {pseu_emotion, caption, smp_reason_caption, AU_list, ...}
  transcription_en_all.csv                           name, sentence
  video/NAME.mp4
""",
    languages=("zh", "en"),
    spaces=("merr9",),
    counts={"coarse": 28618, "fine": 4487},
    splits="coarse and fine by how they were annotated; none for tests",
    overlaps=("mer2023", "mer2024", "mer2025", "mer2026"),
    notes=(
        "Labels come from action units and models; no person set them.",
        "The subtitles are in English, the speech in Chinese.",
    ),
)
CUES = {"visual_prior_list": "video", "audio_prior_list": "audio"}


def rows(root: Root) -> Iterator[Record]:
    """Yield the coarse clips, then the fine ones."""
    spoken = root.table(root.csv("transcription_en_all.csv", "name", "sentence"), "name")
    for split in ("coarse", "fine"):
        file = f"MERR_{split}_grained"
        told = root.json(f"{file}.json", dict) or {}

        def record(item: tuple[int, str], split: str = split, file: str = file, told: dict[str, Any] = told) -> Record:
            number, cells = item[0], item[1].split()
            where = f"{file}.txt:{number}"
            if len(cells) != 3:
                raise EmoError(f"{len(cells)} words", where, "NAME FRAMES LABEL")
            line = Line(zip(("name", "frames", "label"), cells, strict=True), f"{file}.txt", number)
            name = line["name"]
            label = line.pick("label", SPEC.labels("merr9"))
            about = told.get(name)
            if about is None and told:
                raise EmoError(f"{name} is not in {file}.json", where, "both files name the same clips")
            if about and about.get("pseu_emotion", label) != label:
                raise EmoError(
                    f"{label} here, {about['pseu_emotion']} in {file}.json", where, "take both files from one release"
                )
            words = spoken[name].text("sentence") if name in spoken else None
            return root.record(
                name,
                split,
                line,
                **mer_media(root, name),
                text=(TextLine(text=words, lang="en", kind="translation"),) if words else (),
                targets=_targets(label, about or {}, where),
                parents=(mer_clip(name),),
                origin="pseudo",
            )

        yield from root.each(root.lines(f"{file}.txt"), record)


def _targets(label: str, about: dict[str, Any], where: str) -> Targets:
    cues = [
        Cue.model_validate({"modality": modality, "text": text})
        for key, modality in CUES.items()
        for text in _texts(about, key, where)
    ]
    cues += [Cue(modality="video", text=unit, au=unit, supports=label) for unit in _texts(about, "peak_AU_list", where)]
    kinds = {"caption": "description", "smp_reason_caption": "reasoning"}
    told = [
        Description(text=text, kind=kind, author="model", lang="en")
        for key, kind in kinds.items()
        for text in _texts(about, key, where)
    ]
    return Targets(label=ClassLabel(space="merr9", name=label), cues=tuple(cues) or None, description=tuple(told))


def _texts(about: dict[str, Any], key: str, where: str) -> list[str]:
    """Return a text, or a list of texts, as a list."""
    value = about.get(key) or []
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise EmoError(f"{key} is {str(value)[:80]!r}", where, "a text, or a list of texts")
    return [text.strip() for text in texts if text.strip()]
