"""EMER: explanations of the emotion of clips of MER2023, in Chinese and English.

    emollm data prep emer /data/EMER -o emer.jsonl
    emollm data prep emer /data/EMER -o emer-v1.jsonl --set version=v1

Version 2 (332 clips) has explanations; version 1 (100 clips, none neutral) has labels and subtitles, too. Media are those of
MER2023: put (or link) its train clips as `video/`. Without them: `--allow-missing`.
"""

from __future__ import annotations

from collections.abc import Iterator

from emollm.data.leaf import Line, Root, Spec
from emollm.data.mer import ACCESS, mer_clip, mer_license, mer_media, open_labels
from emollm.records import Description, Record, Targets, TextLine

SPEC = Spec(
    name="emer",
    title="EMER",
    license=mer_license("MER2023"),
    url="https://github.com/zeroQiaoba/AffectGPT",
    access="Annotations: the authors' repository. " + ACCESS,
    citation="https://arxiv.org/abs/2306.15401",
    version="v2",
    layout="""
EMER/
  dataset-v1/gt-eng.csv dataset-v1/gt-chi.csv     names, emotions, subtitles, reasons
  dataset-v2/final-EMER-reason.csv                name, chinese, english
  video/NAME.mp4                                  clips of MER2023 train
""",
    languages=("zh", "en"),
    counts={"all": 332},
    versions={"v1": {"all": 100}},
    splits="none",
    metrics=("clue overlap and label overlap by a language model as judge",),
    overlaps=("mer2023", "mer2024", "mer2025", "mer2026", "ov_merd", "ov_merd_plus"),
    notes=(
        "All its clips lie in the train split of MER2023; version 2 has the same 332 as OV-MERD; 39 of version 1 are in version 2.",
        "What trained on MER2023, MER2024, MER2025 or OV-MERD has seen its clips.",
    ),
)


def rows(root: Root) -> Iterator[Record]:
    """Yield the clips of one version."""
    if root.version == "v1":
        yield from _version_1(root)
    else:
        yield from root.each(
            root.csv("dataset-v2/final-EMER-reason.csv", "name", "chinese", "english"),
            lambda line: _record(
                root, line, line["name"], Targets(description=_reasons(zh=line["chinese"], en=line["english"]))
            ),
        )


def _version_1(root: Root) -> Iterator[Record]:
    columns = ("names", "emotions", "subtitles", "reasons")
    chinese = root.table(root.csv("dataset-v1/gt-chi.csv", *columns), "names")

    def record(line: Line) -> Record:
        name = line["names"]
        told = chinese[name]["reasons"] if name in chinese else ""
        heard = [("zh", "transcript", chinese[name].text("subtitles") if name in chinese else None)]
        heard.append(("en", "translation", line.text("subtitles")))
        text = tuple(
            TextLine.model_validate({"lang": lang, "kind": kind, "text": said}) for lang, kind, said in heard if said
        )
        targets = Targets(labels_ov=open_labels(line, "emotions"), description=_reasons(zh=told, en=line["reasons"]))
        return _record(root, line, name, targets, text)

    yield from root.each(root.csv("dataset-v1/gt-eng.csv", *columns), record)


def _record(root: Root, line: Line, name: str, targets: Targets, text: tuple[TextLine, ...] = ()) -> Record:
    return root.record(
        name,
        "all",
        line,
        **mer_media(root, name),
        text=text,
        targets=targets,
        parents=(mer_clip(name),),
        origin="human",
    )


def _reasons(**texts: str) -> tuple[Description, ...]:
    return tuple(
        Description(text=text.strip(), kind="reasoning", author="human", lang=lang)
        for lang, text in texts.items()
        if text.strip()
    )
