"""`emollm data leaks` and `dedupe`: clips that two files share are found by name, bytes, sound and picture, and no others."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from emollm.cli.main import app
from emollm.records import Media, MediaRef, Record, RecordProvenance, Speaker, read_records, write_records
from emollm.synth import make_synth

CLIPS = 6


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Synthetic clips of several speakers, and after them re-encoded copies of the first two, the second one trimmed."""
    folder = tmp_path_factory.mktemp("clips")
    make_synth(folder, CLIPS, 3, split="train", workers=1)
    made = sorted((folder / "media").glob("*.mp4"))
    return [*made, recode(made[0], folder / "small.mp4"), recode(made[1], folder / "trimmed.wav", cut_s=0.4)]


def recode(source: Path, out: Path, cut_s: float = 0.0) -> Path:
    """Write a copy at another rate of sound and, unless it is sound alone, at three quarters of the size."""
    import av
    import numpy as np

    from emollm.media import decode

    sound = decode(source, want_video=False, start_s=cut_s or None, sample_rate_hz=22050).audio
    with av.open(str(source)) as box, av.open(str(out), "w") as copy:
        audio = copy.add_stream("pcm_s16le" if out.suffix == ".wav" else "aac", rate=22050, layout="mono")
        if out.suffix == ".mp4":
            picture = box.streams.video[0]
            video = copy.add_stream("mpeg4", rate=picture.average_rate)
            video.width, video.height, video.pix_fmt = (
                picture.width * 3 // 8 * 2,
                picture.height * 3 // 8 * 2,
                "yuv420p",
            )
            for number, frame in enumerate(box.decode(picture)):
                small = frame.reformat(video.width, video.height, "yuv420p")
                small.pts, small.time_base = number, 1 / picture.average_rate
                copy.mux(video.encode(small))
            copy.mux(video.encode(None))
        for start in range(0, len(sound), 1024):
            part = (np.clip(sound[None, start : start + 1024], -1, 1) * 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(part, format="s16", layout="mono")
            frame.sample_rate, frame.pts = 22050, start
            copy.mux(audio.encode(frame))
        copy.mux(audio.encode(None))
    return out


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(command: str, *arguments: object, code: int = 0) -> Any:
    result = CliRunner().invoke(app, ["data", command, *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result


def leaks(train: list[Record], test: list[Record], *arguments: str) -> tuple[dict[str, tuple[str, str]], list[str]]:
    """Return for each test record that leaks the training record and the kind, and the notes."""
    write_records("train.jsonl", train)
    write_records("test.jsonl", test)
    result = CliRunner().invoke(
        app, ["data", "leaks", "train.jsonl", "test.jsonl", "--report", "out/leaks.json", *arguments]
    )
    report = json.loads(Path("out/leaks.json").read_text())
    assert result.exit_code == (1 if report["matches"] else 0), result.output
    assert report["pretraining"] == "unknown" and "pretraining is unknown" in result.output
    return {match["test"]: (match["train"], match["kind"]) for match in report["matches"]}, report["notes"]


def of(name: str, parents: tuple[str, ...] = (), **fields: Any) -> Record:
    dataset, _, key = name.split(":")
    provenance = RecordProvenance(parents=parents)
    return Record(id=name, dataset=dataset, native_id=key, provenance=provenance, **fields)


def shown(name: str, path: object, **span: Any) -> Record:
    return Record(id=name, media=Media(video=MediaRef(path=str(path), **span)))


def test_names_and_parents() -> None:
    train = [of("mer2023:train:sample_1"), of("merr:train:7", ("mer2023:sample_9",)), of("a:train:1"), of("b:train:1")]
    test = [
        of("ovmerd:test:1", ("mer2023:sample_1",)),  # its parent is in train, by data set and key
        of("emer:test:1", ("mer2023:sample_9",)),  # a parent in common
        of("a:train:1"),
        of("mer2023:test:sample_2"),
    ]
    found, _ = leaks(train, test)
    assert found == {
        "ovmerd:test:1": ("mer2023:train:sample_1", "common parent"),
        "emer:test:1": ("merr:train:7", "common parent"),
        "a:train:1": ("a:train:1", "same id"),
    }


def test_nothing_in_common() -> None:
    assert leaks([of("a:train:1")], [of("a:test:2")])[0] == {}


def test_bytes_of_media_whatever_the_name() -> None:
    for name, content in {"a.mp4": "x" * 100, "b.mp4": "y" * 100, "c.mp4": "x" * 101}.items():
        Path(name).write_text(content)
    shutil.copy("a.mp4", "renamed.mp4")
    test = [shown("1", "renamed.mp4"), shown("2", "b.mp4"), shown("3", "c.mp4"), shown("4", "gone.mp4")]
    found, notes = leaks([shown("t", "a.mp4")], test)
    assert found == {"1": ("t", "same file")}
    assert "1 media files are missing and were not compared" in notes


def test_parts_of_one_file_leak_only_where_they_overlap() -> None:
    Path("long.mp4").write_text("film")
    train = [shown("t", "long.mp4", start_s=10, end_s=20)]
    test = [shown("1", "long.mp4", start_s=20, end_s=30), shown("2", "long.mp4", start_s=19, end_s=30)]
    assert leaks(train, test)[0] == {"2": ("t", "same file")}
    halves = [shown("l", "long.mp4", crop=(0, 0, 0.5, 1))], [shown("r", "long.mp4", crop=(0.5, 0, 1, 1))]
    assert leaks(*halves)[0] == {}


def test_shared_speakers_are_a_note() -> None:
    train, test = ([of(name, speaker=Speaker(id="Ann"))] for name in ("m:train:1", "m:test:2"))
    found, notes = leaks(train, test)
    assert found == {} and "1 speakers are in both; they speak in 1 of 1 test records" in notes


def test_copies_are_found_by_sound_and_picture_and_other_clips_are_not(clips: list[Path]) -> None:
    train = [shown(f"t{i}", clip) for i, clip in enumerate(clips[:CLIPS])]
    test = [
        shown("small", clips[CLIPS]),
        Record(id="trimmed", media=Media(audio=MediaRef(path=str(clips[CLIPS + 1])))),
        shown("broken", __file__),
    ]
    found, notes = leaks(train, test, "--fingerprints")
    assert found == {"small": ("t0", "same sound"), "trimmed": ("t1", "same sound")}
    assert any("1 clips could not be decoded" in note for note in notes)


def test_dedupe_keeps_the_first_of_each_clip(clips: list[Path]) -> None:
    records = [shown(f"t{i}", clip) for i, clip in enumerate(clips)]
    write_records("all.jsonl", [*records, of("a:train:1"), of("a:train:1b", ("a:1",))])
    result = run("dedupe", "all.jsonl", "--fingerprints", "-o", "out/clean.jsonl")
    assert "a:train:1b: common parent as a:train:1" in result.output
    kept = [record.id for record in read_records("out/clean.jsonl")]
    assert kept == [*(f"t{i}" for i in range(CLIPS)), "a:train:1"], result.output
    assert next(read_records("out/clean.jsonl")).media.video.path == str(clips[0])


def test_without_sound_the_picture_tells(clips: list[Path]) -> None:
    import numpy as np

    from emollm.data.fingerprint import FRAMES, picture_print, same_pictures
    from emollm.media import decode

    prints = [picture_print(decode(clip, FRAMES, 128, want_audio=False).frames) for clip in clips[: CLIPS + 1]]
    known = [picture for picture in prints[:CLIPS] if picture is not None]  # a black clip shows nothing to compare
    assert len(known) >= CLIPS - 1 and known[0] is prints[0]
    assert same_pictures(np.stack(known), prints[CLIPS]).keys() == {0}


def test_copies_are_told_apart_without_decoding_too(clips: list[Path]) -> None:
    write_records("all.jsonl", [shown("a", clips[0]), shown("b", clips[0]), shown("c", clips[1])])
    result = run("dedupe", "all.jsonl", "-o", "clean.jsonl")
    assert "b: same file as a" in result.output and "2 records kept, 1 taken out" in result.output
    assert "re-encoded and trimmed copies were not looked for" in result.output
