"""BRIGHTER and the files of SemEval-2025 Task 11 as their users have them on disk."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

COLUMNS = ("id", "text", "anger", "disgust", "fear", "joy", "sadness", "surprise")


def parquet(path: Path, columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    pa = pytest.importorskip("pyarrow", reason="parquet files need pyarrow")
    from pyarrow import parquet as files

    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_table(
        pa.table({name: list(cells) for name, cells in zip(columns, zip(*rows, strict=True), strict=True)}), path
    )


@pytest.fixture
def copy(make_copy: Callable[..., Any]) -> Any:
    """The shared task's files: English, which was not asked for disgust, and Tatar with a byte order mark."""
    copy = make_copy("brighter")
    english = tuple(name for name in COLUMNS if name != "disgust")
    copy.csv(
        "track_a/train/eng.csv",
        english,
        [("eng_train_1", "Never “again”", 1, 1, 0, 0, 0), ("eng_train_2", "ok", 0, 0, 0, 0, 0)],
    )
    copy.csv("track_a/test/tat.csv", COLUMNS, [("7", "Сәлам 🙂", 0, 0, 0, 1, 0, 0)], "utf-8-sig")
    copy.csv("track_a/dev/tat.csv", COLUMNS, [("8", "юк", "", "", "", "", "", "")])
    copy.csv("track_b/train/eng.csv", english, [("eng_train_1", "Never", 3, 0, 0, 0, 1)])
    return copy


def test_emotions_that_are_there_or_not(copy: Any) -> None:
    made = copy.prep()
    assert made.code == 0, made.err
    english = made.records["brighter:train:eng_train_1"]
    assert english.targets.labels_multi.names == ("anger", "fear") and english.quality.flags == ("not_asked:disgust",)
    assert (english.transcript.text, english.transcript.lang, english.subset) == ("Never “again”", "eng", "eng")
    assert made.records["brighter:train:eng_train_2"].targets.labels_multi.names == ()
    tatar = made.records["brighter:test:tat_7"]
    assert tatar.transcript.text == "Сәлам 🙂" and tatar.targets.labels_multi.names == ("joy",)
    assert made.records["brighter:dev:tat_8"].targets.labels_multi is None, "hidden labels are not `no emotion`"


def test_intensities(copy: Any) -> None:
    made = copy.prep("--set", "track=b")
    targets = made.records["brighter:train:eng_train_1"].targets
    assert {one.label: one.weight for one in targets.salience} == {"anger": 1, "surprise": pytest.approx(1 / 3)}
    assert len(made.records) == 1


def test_an_intensity_is_no_presence(copy: Any) -> None:
    copy.csv("track_a/test/tat.csv", COLUMNS, [("7", "Сәлам", 0, 0, 0, 2, 0, 0)])
    assert "tat.csv:2: joy is '2'" in copy.refused("--allow-missing")


def test_parquet_files_of_a_language(copy: Any) -> None:
    for path in list(copy.root.rglob("*.csv")):
        path.unlink()
    parquet(copy.root / "afr/train-00000-of-00001.parquet", COLUMNS, [("afr_1", "Môre", 0, 0, 0, 1, 0, 1)])
    (copy.root / "afr/test-00000-of-00001.parquet").write_bytes(b"PAR1")
    assert "afr/test-00000-of-00001.parquet: no parquet file" in copy.refused("--allow-missing")
    (copy.root / "afr/test-00000-of-00001.parquet").unlink()
    made = copy.prep()
    assert made.code == 0, made.err
    assert made.records["brighter:train:afr_1"].targets.labels_multi.names == ("joy", "surprise")
