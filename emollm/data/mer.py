"""What the data sets of the MER family share: clip names, folders, licence, subtitles."""

from __future__ import annotations

from typing import Any

from emollm.data.leaf import Root
from emollm.data.tables import Line
from emollm.data.values import words
from emollm.errors import EmoError
from emollm.records import License, OpenLabel, TextLine

PAGE = "https://huggingface.co/datasets/MERChallenge"
ACCESS = "Sign the EULA and ask for access on its Hugging Face page (academic use only; no re-upload)."
VALENCE = (-5.0, 5.0)


def mer_license(name: str) -> License:
    """Return the terms of a MER challenge's data."""
    return License(name="EULA, academic use", url=f"{PAGE}/{name}", redistributable=False, commercial=False)


def mer_clip(name: str) -> str:
    """Return the id of a clip of the MER family that all its data sets agree on, for `provenance.parents`.

    `sample_*` and `samplenew_*` came with MER2023, `samplenew3_*` with MER2024; where others first came from is not known.
    """
    if name.startswith(("sample_", "samplenew_")):
        return f"mer2023:{name}"
    return f"mer2024:{name}" if name.startswith("samplenew3_") else f"mer:{name}"


def mer_media(root: Root, name: str, below: str = "") -> dict[str, Any]:
    """Return the places of a clip, as arguments of `Root.record`: video/, and audio/ and openface_face/ where the copy has them.

    Args:
        root: The copy.
        name: Name of the clip.
        below: Folder that holds the three, with a slash at its end.
    """
    places: dict[str, Any] = {"video": [f"{below}video/{name}.mp4", f"{below}video/{name}.avi"]}
    if root.has(f"{below}audio"):
        places["audio"] = f"{below}audio/{name}.wav"
    if root.has(f"{below}openface_face"):
        places["face"] = [f"{below}openface_face/{name}/{name}.npy", f"{below}openface_face/{name}.npy"]
    return places


def subtitles(root: Root, file: str, *, required: bool = False) -> dict[str, tuple[TextLine, ...]]:
    """Return the words of each clip from a file with the columns name, chinese and, perhaps, english (a translation)."""
    found: dict[str, tuple[TextLine, ...]] = {}
    if not required and not root.has(file):
        return found
    for name, line in root.table(root.csv(file, "name", "chinese"), "name").items():
        texts = [("zh", "transcript", line.text("chinese")), ("en", "translation", line.get("english", "").strip())]
        found[name] = tuple(
            TextLine.model_validate({"lang": lang, "kind": kind, "text": text}) for lang, kind, text in texts if text
        )
    return found


def open_labels(line: Line, column: str = "openset", lang: str = "en") -> tuple[OpenLabel, ...]:
    """Return the open-vocabulary labels of a row."""
    return tuple(OpenLabel(text=word, lang=lang) for word in words(line[column]))


def refuse_pickles(root: Root, npz: str, *tables: str) -> None:
    """Refuse a copy whose labels are only in a pickled archive: a pickle can run any code."""
    if root.has(npz) and not any(map(root.has, tables)):
        fix = f"put {', '.join(tables)} of the original release beside it, or write the archive's content there"
        root.bad(EmoError("labels in a pickled archive are not read", npz, fix))


def unpartnered(root: Root, names: set[str], file: str) -> None:
    """Report rows of one file that its partner does not have."""
    for name in sorted(names):
        root.problems.add(
            "rows without partner",
            EmoError(f"{name} stands only here", file, "both files of a track name the same clips"),
        )


def flags_of(labels: tuple[Any, ...] | None) -> tuple[str, ...]:
    """Return the flag of a clip whose list of labels is there, but empty."""
    return ("empty_openset",) if labels == () else ()
