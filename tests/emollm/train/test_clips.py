"""Clips are decoded once, as long as there is memory, and bad ones are never replaced."""

from pathlib import Path

import numpy as np
import pytest

from emollm.errors import EmoError
from emollm.records import Media, MediaRef, Record
from emollm.synth.mp4 import write_clip
from emollm.train import clips
from emollm.train.clips import ClipMemory, ClipReader, stretch

READER = ClipReader(frames=4, max_side_px=512, window_s=1.0, sample_rate_hz=16_000, frame_size=16)


def test_every_case(records: list[Record]) -> None:
    memory = ClipMemory(records, READER, 1.0)
    found = [memory[i] for i in range(8)]
    shapes = [(c and c.frames is not None, c and c.sound is not None, c and c.silent) for c in found]
    av, audio, video, text, silent = ((1, 1, 0), (0, 1, 0), (1, 0, 0), (0, 0, 0), (1, 1, 1))
    assert shapes == [av, av, av, av, audio, video, text, silent]
    assert found[0] and found[0].frames is not None and found[0].frames.shape == (4, 16, 16, 3)
    assert found[0].audio is not None and abs(float(np.abs(found[0].audio).max()) - 0.3) < 0.05


def test_decoded_once_while_there_is_memory(records: list[Record], monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Media] = []
    read = clips._read
    monkeypatch.setattr(clips, "_read", lambda reader, media: calls.append(media) or read(reader, media))
    roomy, none = ClipMemory(records, READER, 1.0), ClipMemory(records, READER, 0.0)
    for memory in (roomy, roomy, none, none):
        assert memory[0] is not None
    assert len(calls) == 1 + 2


def test_a_pool_decodes_the_same(records: list[Record]) -> None:
    ahead, later = ClipMemory(records, READER, 1.0), ClipMemory(records, READER, 1.0)
    ahead.fill(range(4), workers=1)
    assert list(ahead._kept) == [0, 1, 2, 3]
    one, other = ahead[0], later[0]
    assert one and other and one.frames is not None and other.frames is not None
    assert np.array_equal(one.frames, other.frames)


def test_a_bad_clip_is_left_out_and_many_stop_the_run(records: list[Record], tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"<html>not found</html>")
    bad = [
        records[0].model_copy(update={"id": f"bad:{i}", "media": Media(video=MediaRef(path=str(broken)))})
        for i in range(2)
    ]
    memory = ClipMemory([*records, *bad], READER, 1.0)
    assert memory[len(records)] is None and list(memory.bad) == ["bad:0"]
    with pytest.raises(EmoError, match="2 of 18 clips cannot be decoded"):
        memory[len(records) + 1]


def test_a_record_is_learned_from_its_crop_alone(tmp_path: Path) -> None:
    pictures = np.zeros((8, 32, 32, 3), np.uint8)
    pictures[:, :, 16:] = 200
    write_clip(tmp_path / "two.mp4", pictures, None, fps=8, sample_rate_hz=16_000)
    halves = [MediaRef(path=str(tmp_path / "two.mp4"), crop=crop) for crop in ((0, 0, 0.5, 1), (0.5, 0, 1, 1))]
    left, right = (READER(Media(video=half)) for half in halves)
    assert left.frames is not None and right.frames is not None
    assert left.frames.mean() < 20 and right.frames.mean() > 180 and (left.black, right.black) == (True, False)


def test_stretch_keeps_colours() -> None:
    picture = np.zeros((2, 10, 20, 3), np.uint8)
    picture[:, :, 10:] = (250, 100, 3)
    small = stretch(picture, 4)
    assert small.shape == (2, 4, 4, 3) and small[0, 0, 3].tolist() == [250, 100, 3] and not small[0, 0, 0].any()
