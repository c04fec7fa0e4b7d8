"""Open the media of a record, to find what is corrupt and how long it is."""

from __future__ import annotations

from typing import Any

from emollm.data.leaf import Root
from emollm.errors import MediaError
from emollm.records import MediaRef, Quality, Record


def probed(root: Root, record: Record) -> tuple[Record, float | None]:
    """Return the record, and its length in seconds if a header tells it.

    What cannot be opened is taken out, flagged, and reported. Face tables (.npy) are opened without unpickling.
    """
    from emollm.media.probe import probe

    update: dict[str, Any] = {}
    length_s: float | None = None
    for name in ("video", "audio", "face"):
        ref = getattr(record.media, name)
        try:
            if ref is not None and ref.path.endswith(".npy"):
                _open_array(root, ref)
            elif ref is not None and name != "face":
                found = probe(root.on_disk(ref))
                end_s = ref.end_s if ref.end_s is not None else found.duration_s
                if length_s is None and end_s is not None:
                    length_s = end_s - (ref.start_s or 0.0)
                if name == "video":
                    update[name] = ref.model_copy(update={"has_audio": found.audio is not None})
        except MediaError as error:
            root.problems.add("corrupt media", error)
            update[name] = None
    if not update:
        return record, length_s
    change: dict[str, Any] = {"media": record.media.model_copy(update=update)}
    if None in update.values():
        quality = record.quality or Quality()
        change["quality"] = quality.model_copy(update={"flags": (*quality.flags, "corrupt_media")})
    return record.model_copy(update=change), length_s


def _open_array(root: Root, ref: MediaRef) -> None:
    import numpy as np

    path = root.on_disk(ref)
    try:
        np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise MediaError(
            "not_media", f"no array of numbers ({error})", str(path), "save it again with numpy.save"
        ) from None
