"""What a user names becomes records."""

from pathlib import Path

import pytest

from emollm.data.sources import find_records, with_transcript
from emollm.errors import ConfigError, EmoError
from emollm.records import Media, MediaRef, Record, TextLine, write_records


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with clips, other files and hidden ones, as the current folder's `clips`."""
    monkeypatch.chdir(tmp_path)
    for name in ("b.mp4", "a.MOV", "deep/er/c.wav", "a.txt", "a.srt", ".hidden.mp4", ".trash/d.mp4", "poster.jpg"):
        path = tmp_path / "clips" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return tmp_path


def ids(*sources: str) -> list[str]:
    return [record.id for record in find_records(sources)]


def test_a_folder_gives_its_media_files_sorted(tree: Path) -> None:
    assert ids("clips") == ["clips/a.MOV", "clips/b.mp4", "clips/deep/er/c.wav"]


def test_globs_are_expanded_also_through_folders(tree: Path) -> None:
    assert ids("clips/*.mp4") == ["clips/b.mp4"]
    assert ids("clips/**/*.wav") == ["clips/deep/er/c.wav"]
    assert ids("cl*ps") == ids("clips")


def test_a_name_with_brackets_is_a_file_before_it_is_a_glob(tree: Path) -> None:
    (tree / "take [1].mp4").write_bytes(b"")
    assert ids("take [1].mp4") == ["take [1].mp4"]


def test_a_file_named_twice_is_taken_once(tree: Path) -> None:
    assert ids("clips/b.mp4", "clips", "./clips/b.mp4") == ["clips/b.mp4", "clips/a.MOV", "clips/deep/er/c.wav"]


def test_sound_files_are_sound_and_others_picture(tree: Path) -> None:
    video, audio = find_records(["clips/b.mp4", "clips/deep/er/c.wav"])
    assert (video.media.video.path, video.media.audio) == ("clips/b.mp4", None)
    assert (audio.media.audio.path, audio.media.video) == ("clips/deep/er/c.wav", None)


def test_missing_files_and_other_kinds_are_left_to_the_decoder(tree: Path) -> None:
    assert ids("none.mp4", "clips/a.txt") == ["none.mp4", "clips/a.txt"]


def test_words_beside_a_clip_are_not_read(tree: Path) -> None:
    (record,) = find_records(["clips/a.MOV"])
    assert record.text == ()


def test_records_files_bring_their_words_and_places(tree: Path) -> None:
    media = Media(video=MediaRef(path="b.mp4"))
    write_records(tree / "clips" / "records.jsonl", [Record(id="x", media=media, text=(TextLine(text="hi"),))])
    (record,) = find_records(["clips/records.jsonl"])
    assert Path(record.media.video.path) == Path("clips/b.mp4")
    assert record.text[0].text == "hi"


def test_two_records_with_one_id_are_refused(tree: Path) -> None:
    write_records("one.jsonl", [Record(id="x")])
    write_records("two.jsonl", [Record(id="x", text=(TextLine(text="hi"),))])
    assert ids("one.jsonl", "one.jsonl") == ["x"]
    with pytest.raises(ConfigError, match="'x'"):
        ids("one.jsonl", "two.jsonl")


@pytest.mark.parametrize("source", ["nothing-*.mp4", "empty"])
def test_what_gives_nothing_is_refused(tree: Path, source: str) -> None:
    (tree / "empty").mkdir()
    (tree / "empty" / "notes.txt").write_text("")
    with pytest.raises(ConfigError, match=source.replace("*", r"\*")):
        ids(source)


def test_a_broken_records_file_is_refused_with_its_line(tree: Path) -> None:
    (tree / "bad.jsonl").write_text('{"id": "a"}\n{"id": 3}\n')
    with pytest.raises(EmoError, match=r"bad\.jsonl:2"):
        ids("bad.jsonl")


def test_a_transcript_belongs_to_one_clip(tree: Path) -> None:
    words = tree / "words.txt"
    words.write_text("\ufeffI am fine.\n", encoding="utf-8")
    (record,) = with_transcript(find_records(["clips/b.mp4"]), words)
    assert (record.transcript.text, record.transcript.source) == ("I am fine.", "words.txt")
    with pytest.raises(ConfigError, match="one clip"):
        with_transcript(find_records(["clips"]), words)


def test_a_transcript_takes_the_place_of_the_records_own(tree: Path) -> None:
    (tree / "words.txt").write_text("new")
    record = Record(id="x", text=(TextLine(text="old"), TextLine(text="heard", kind="asr")))
    (changed,) = with_transcript([record], tree / "words.txt")
    assert [line.text for line in changed.text] == ["new", "heard"]


def test_a_transcript_that_is_no_text_is_refused(tree: Path) -> None:
    (tree / "words.txt").write_bytes(b"\xff\xfe\x00")
    for name in ("words.txt", "none.txt"):
        with pytest.raises(ConfigError, match=name):
            with_transcript(find_records(["clips/b.mp4"]), tree / name)
