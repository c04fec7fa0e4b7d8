"""EMOTIC: people in pictures, out of a MATLAB file with one rater in train and several in val and test."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat


def structs(*items: dict[str, Any]) -> np.ndarray:
    """A MATLAB array of structs."""
    made = np.zeros((1, len(items)), dtype=[(name, object) for name in items[0]])
    for place, item in enumerate(items):
        made[0, place] = tuple(item.values())
    return made


def cells(*names: str) -> np.ndarray:
    """A MATLAB cell array of texts."""
    return np.array([names], dtype=object)


def picture(name: str, *people: dict[str, Any]) -> dict[str, Any]:
    size = structs({"n_col": 640, "n_row": 480})
    return {"filename": name, "folder": "mscoco/images", "image_size": size, "person": structs(*people)}


def vad(valence: float, arousal: float, dominance: float) -> dict[str, Any]:
    return {"valence": valence, "arousal": arousal, "dominance": dominance}


def trained(box: list[float], *names: str, **more: Any) -> dict[str, Any]:
    labels = structs({"categories": cells(*names)})
    mood = structs(vad(7, 4, 6))
    one = {"body_bbox": box, "annotations_categories": labels, "annotations_continuous": mood}
    return one | {"gender": "Male", "age": "Adult"} | more


TESTED = {
    "body_bbox": [0, 0, 320, 240],
    "annotations_categories": structs({"categories": cells("Anger")}, {"categories": cells("Anger", "Pain")}),
    "combined_categories": cells("Anger", "Pain"),
    "annotations_continuous": structs(vad(2, 8, 6), vad(3, 9, float("nan"))),
    "combined_continuous": structs(vad(2.5, 8.5, 6)),
    "gender": "Female",
    "age": "Kid",
}


@pytest.fixture
def copy(make_copy: Callable[..., Any]) -> Any:
    copy = make_copy("emotic")
    two = trained([64, -5, 700, 480], "Happiness"), trained([0, 0, 32, 48], "Doubt/Confusion", "Peace")
    write(copy, train=[picture("a.jpg", *two)], val=[picture("é.jpg", TESTED)])
    copy.media("emotic/mscoco/images/a.jpg", "emotic/mscoco/images/é.jpg")
    return copy


def write(copy: Any, **parts: list[dict[str, Any]]) -> None:
    path = copy.root / "Annotations/Annotations.mat"
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, {"test": []} | {name: structs(*pictures) for name, pictures in parts.items()})


def test_a_complete_copy(copy: Any) -> None:
    made = copy.prep()
    assert made.code == 0, made.err
    assert made.report["splits"] == {"train": 2, "dev": 1}
    first, second = (made.records[f"emotic:train:mscoco/images/a.jpg#{number}"] for number in (0, 1))
    assert first.media.images[0].crop == (0.1, 0, 1, 1) and second.media.images[0].crop == (0, 0, 0.05, 0.1)
    assert first.media.images[0].path.endswith("emotic/mscoco/images/a.jpg")
    assert first.targets.labels_multi.names == ("Happiness",)
    assert second.targets.labels_multi.names == ("Doubt/Confusion", "Peace")
    assert (first.targets.vad.valence, first.targets.vad.scale) == (7, (1, 10))
    assert (first.quality.label_origin, first.targets.raters, first.speaker.gender) == ("single", None, "male")


def test_several_raters_are_all_kept(copy: Any) -> None:
    record = copy.prep().records["emotic:dev:mscoco/images/é.jpg#0"]
    assert record.targets.labels_multi.names == ("Anger", "Pain")
    assert (record.targets.vad.valence, record.targets.vad.arousal) == (2.5, 8.5)
    assert [rater.get("labels") for rater in record.targets.raters[:2]] == [["Anger"], ["Anger", "Pain"]]
    assert record.targets.raters[2:] == (vad(2, 8, 6), {"valence": 3, "arousal": 9})
    assert (record.quality.label_origin, record.quality.n_raters) == ("human", 2)


def test_boxes_labels_and_values_that_cannot_be(copy: Any) -> None:
    mood = {"annotations_continuous": structs(vad(11, 4, 6))}
    people = trained([9, 9, 9, 20], "Peace"), trained([0, 0, 9, 9], "Joy"), trained([0, 0, 9, 9], "Peace", **mood)
    write(copy, train=[picture("a.jpg", *people)], val=[picture("é.jpg", TESTED)])
    message = copy.refused("--allow-missing")
    for part in ("is empty", "label 'Joy' is not of", "valence 11"):
        assert part in message


def test_missing_pictures_and_files(copy: Any) -> None:
    copy.remove("emotic/mscoco/images/a.jpg")
    assert "emotic/mscoco/images/a.jpg: no such file" in copy.refused()
    copy.media("emotic/ade20k/images/b.jpg")
    report = copy.prep("--allow-missing").report
    assert report["flags"] == {"missing_media": 2} and report["extra_examples"] == ["emotic/ade20k/images/b.jpg"]
    copy.text("Annotations/Annotations.mat", "no MATLAB")
    assert "no MATLAB file" in copy.prep().err
    copy.remove("Annotations/Annotations.mat")
    assert "Annotations/Annotations.mat or Annotations.mat" in copy.prep().err
