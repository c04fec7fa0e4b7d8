"""Faces by a finder and from tables of aligned faces."""

import numpy as np
import pytest

from emollm.media import MediaError
from emollm.media.faces import crop_faces, read_faces


def pictures(*lefts):
    """Black pictures (40 x 60) with a white square of 10 pixels at (left, 15); None: without."""
    frames = np.zeros((len(lefts), 40, 60, 3), np.uint8)
    for frame, left in zip(frames, lefts, strict=True):
        if left is not None:
            frame[15:25, left : left + 10] = 255
    return frames


def find(picture):
    """The white square, and a smaller box that is none."""
    ys, xs = np.nonzero(picture[..., 0] > 128)
    return [(0.0, 0.0, 3.0, 3.0), (xs.min(), ys.min(), xs.max() + 1.0, ys.max() + 1.0)] if len(xs) else []


def test_largest_face_fills_the_square_with_a_margin():
    faces = crop_faces(pictures(5, 40), find, 28)
    assert faces.shape == (2, 28, 28, 3) and faces.dtype == np.uint8
    assert (faces[:, 8:20, 8:20] > 200).all() and (faces[:, :2] < 50).all() and (faces[:, :, :2] < 50).all()


def test_face_at_the_edge_is_not_distorted():
    (face,) = crop_faces(pictures(0), find, 28)
    assert (face[8:20, 8:20] > 200).all() and (face[:, :2] < 50).all()


def test_picture_without_a_face_takes_the_nearest_place():
    frames = pictures(5, None, None, 40)
    frames[1, 15:25, 5:15] = 100
    frames[2, 15:25, 40:50] = 100
    faces = crop_faces(frames, find, 28)
    assert len(faces) == 4
    assert (abs(faces[1:3, 10:18, 10:18].astype(int) - 100) < 10).all()


def test_nobody():
    assert crop_faces(pictures(None, None), find, 28) is None


def test_tables_of_faces(tmp_path):
    table = np.arange(20, dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 4, 3), np.uint8)
    np.save(tmp_path / "a.npy", table)
    assert read_faces(tmp_path / "a.npy", 4)[:, 0, 0, 0].tolist() == [2, 7, 12, 17]
    assert len(read_faces(tmp_path / "a.npy", 50)) == 20


@pytest.mark.parametrize(
    ("table", "code"),
    [
        (np.zeros((0, 4, 4, 3), np.uint8), "no_face"),
        (np.zeros((3, 4, 4, 3), np.float32), "not_media"),
        (np.zeros((3, 112), np.uint8), "not_media"),
        (np.array([{"a": 1}], dtype=object), "not_media"),
        (None, "missing_file"),
    ],
)
def test_tables_that_are_none(tmp_path, table, code):
    if table is not None:
        np.save(tmp_path / "a.npy", table, allow_pickle=True)
    with pytest.raises(MediaError) as caught:
        read_faces(tmp_path / "a.npy", 4)
    assert caught.value.code == code
