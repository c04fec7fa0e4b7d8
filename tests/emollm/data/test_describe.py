"""`emollm data describe`: words follow what is heard and seen, against what is usual for the speaker."""

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from emollm.cli.main import app
from emollm.records import (
    Cue,
    Description,
    Media,
    MediaRef,
    Record,
    Speaker,
    Targets,
    TextLine,
    read_records,
    write_records,
)
from emollm.synth.script import PROSODY, ClipScript, Face, Voice
from emollm.synth.script import Speaker as Talker
from emollm.synth.voice import speak

FACE = Face(*[0.5] * 11, hair_style=0, background=0.5, glasses=False)
Save = Callable[..., Record]


class Here:
    """Does at once, in this process, what decoding processes do: each of those takes seconds to start."""

    def __init__(self, n: int, deadline_s: float) -> None:
        """Take as many as there would be."""

    def __enter__(self) -> "Here":
        return self

    def __exit__(self, *error: Any) -> None:
        """End nothing."""

    def each(self, jobs: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
        for job in jobs:
            yield job, job.call()


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    monkeypatch.chdir(tmp_path)
    if "real_processes" not in request.fixturenames:
        monkeypatch.setattr("emollm.data.describe.Decoders", Here)


@pytest.fixture
def real_processes() -> None:
    """Leave the decoding processes as they are."""


def say(name: str, who: str = "ann", f0_hz: float = 120.0, lang: str = "en", seed: int = 0, **prosody: float) -> Record:
    """Save 1.8 s of speech as a record."""
    import soundfile

    values = dict.fromkeys(PROSODY, 0.0) | prosody
    talker = Talker(who, FACE, Voice(f0_hz, 1.0, 0.25, 4.4), 1.0, 1.0, False, {})
    clip = ClipScript(seed, 1.8, talker, (), values, (0.2, 1.6), 6, "present", "present")
    soundfile.write(f"{name}.wav", speak(clip), 16000)
    return Record(
        id=name,
        dataset="x",
        native_id=name,
        media=Media(audio=MediaRef(path=f"{name}.wav")),
        text=(TextLine(text="well", lang=lang),),
        speaker=Speaker(id=who),
    )


def describe(records: list[Record], *arguments: str, code: int = 0) -> tuple[dict[str, Record], str]:
    write_records("records.jsonl", records)
    call = ["data", "describe", "records.jsonl", "-o", "out.jsonl", "--workers", "1", *arguments]
    result = CliRunner().invoke(app, call)
    assert result.exit_code == code, result.output
    return {one.id: one for one in read_records("out.jsonl")} if code < 2 else {}, result.output


def told(record: Record, kind: str = "prosody") -> str:
    (text,) = (one.text for one in record.targets.description if one.kind == kind)
    return text


def test_a_voice_is_set_against_the_speakers_own() -> None:
    ann = [say(f"ann{i}", seed=i) for i in range(5)]
    bea = [say(f"bea{i}", "bea", 240.0, seed=i) for i in range(5)]
    found, output = describe([*ann, *bea, say("high", f0_hz=150.0, seed=9), say("loud", seed=8, energy=3.0)])
    assert "voice told of 12, face of 0, 0 failed" in output
    assert told(found["high"]).startswith("Compared with the speaker's other clips: voice is high (markedly)")
    assert "voice is loud (markedly)" in told(found["loud"]) and "voice is high" not in told(found["loud"])
    assert any("voice is low" in told(found[f"bea{i}"]) for i in range(5))  # an octave above Ann's, and low for Bea
    assert "Vowels: " in told(found["high"]) and "very high" in told(found["high"])
    (cue,) = [cue for cue in found["high"].targets.cues if cue.text == "voice is high"]
    assert cue.modality == "audio" and 0.1 <= cue.start_s < 0.4 and 1.3 < cue.end_s <= 1.8
    assert Path(found["high"].media.audio.path).is_file()


def test_few_clips_of_a_speaker_are_set_against_all() -> None:
    found, _ = describe([say("a"), say("b", "bea", 150.0), say("c", "cat", 190.0)])
    assert told(found["c"]).startswith("Compared with other clips: voice is high")


def test_word_tone_is_not_told_as_feeling() -> None:
    records = [say(f"zh{i}", lang="zh", seed=i, f0_slope=(-2.5, 0, 2.5)[i % 3]) for i in range(6)]
    found, _ = describe(records)
    vowels = " ".join(told(one).partition("Vowels:")[2] for one in found.values())
    assert vowels and not any(word in vowels for word in ("high", "low", "rising", "falling", "moving"))
    assert not any("pitch" in told(one) for one in found.values())
    spoken, _ = describe([one.model_copy(update={"text": (TextLine(text="well", lang="en"),)}) for one in records])
    assert any("pitch rises" in told(one) for one in spoken.values())


def test_a_test_set_is_described_by_the_norms_of_its_training_set() -> None:
    describe([say(f"t{i}", seed=i) for i in range(6)])
    Path("out.norms.json").rename("train.norms.json")
    same, _ = describe([say("test", f0_hz=160.0)])
    assert "nothing about the voice stands out" in told(same["test"])
    found, _ = describe([say("test", f0_hz=160.0)], "--norms", "train.norms.json")
    assert "the speaker's other clips: voice is high (markedly)" in told(found["test"])
    Path("train.norms.json").write_text("{}")
    assert "no norms" in describe([say("test")], "--norms", "train.norms.json", code=2)[1]


def test_what_fails_is_listed_and_what_is_silent_has_no_words(real_processes: None) -> None:
    import numpy as np
    import soundfile

    soundfile.write("silent.wav", np.zeros(16000), 16000)
    Path("broken.wav").write_text("no sound")
    more = [
        Record(id=name, media=Media(audio=MediaRef(path=f"{name}.wav"))) for name in ("silent", "broken", "missing")
    ]
    found, output = describe([say("a"), *more, Record(id="words")], code=1)
    assert "voice told of 1, face of 0, 2 failed" in output and "broken: " in output and "missing: " in output
    assert found.keys() == {"a", "silent", "broken", "missing", "words"}
    assert [bool(one.targets.description) for one in found.values()] == [True, False, False, False, False]


def test_a_second_run_replaces_and_what_people_said_stays() -> None:
    cue, text = Cue(modality="text", text="says so"), Description(text="He is glad.", kind="reasoning", author="human")
    mine = say("a").model_copy(update={"targets": Targets(cues=(cue,), description=(text,))})
    first, _ = describe([mine, say("b", f0_hz=200.0)])
    again, _ = describe(list(first.values()))
    assert again["a"].targets == first["a"].targets
    assert [one.kind for one in again["a"].targets.description] == ["reasoning", "prosody"]
    assert again["a"].targets.cues == (cue,)


def test_times_of_a_part_count_from_the_start_of_the_file() -> None:
    part = say("a", f0_hz=150.0)
    part = part.model_copy(update={"media": Media(audio=MediaRef(path="a.wav", start_s=1.0, end_s=1.7))})
    found, _ = describe([part, say("b")])
    cues = found["a"].targets.cues
    assert cues and all(1.0 <= cue.start_s <= cue.end_s <= 1.7 for cue in cues)


LONG = '''File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 1.8
tiers? <exists>
size = 2
item []:
    item [1]:
        class = "IntervalTier"
        name = "words"
        xmin = 0
        xmax = 1.8
        intervals: size = 1
        intervals [1]:
            xmin = 0
            xmax = 1.8
            text = "a ""b"""
    item [2]:
        class = "IntervalTier"
        name = "ann - phones"
        xmin = 0
        xmax = 1.8
        intervals: size = 3
        intervals [1]:
            xmin = 0
            xmax = 0.5
            text = "B"
        intervals [2]:
            xmin = 0.5
            xmax = 0.75
            text = "AA1"
        intervals [3]:
            xmin = 0.75
            xmax = 1.8
            text = ""
'''
SHORT = """File type = "ooTextFile"
Object class = "TextGrid"

0
1.8
<exists>
1
"IntervalTier"
"phones"
0
1.8
2
0
0.5
"p"
0.5
0.75
"AA1"
"""
CTM = "a 1 0.0 0.5 B\na 1 0.50 0.25 AA1 0.9\nother 1 0.1 0.3 IY1\n"


@pytest.mark.parametrize(
    ("name", "text", "encoding"),
    [("a.TextGrid", LONG, "utf-8"), ("a.TextGrid", SHORT, "utf-16"), ("a.ctm", CTM, "utf-8")],
)
def test_vowels_of_an_aligner(name: str, text: str, encoding: str) -> None:
    from emollm.data.describe_vowels import read_vowels

    Path("aligned").mkdir()
    Path("aligned", name).write_text(text, encoding=encoding)
    assert read_vowels(Path("aligned", name)) == [("AA1", 0.5, 0.75)]
    found, _ = describe([say("a", energy=3.0), *(say(f"b{i}", seed=i) for i in range(3))], "--vowels", "aligned")
    assert "0.50-0.75 s AA1" in told(found["a"])


def test_an_alignment_without_phones_fails_its_record() -> None:
    Path("aligned").mkdir()
    Path("aligned/a.TextGrid").write_text(LONG.replace("ann - phones", "syllables"))
    found, output = describe([say("a"), say("b")], "--vowels", "aligned", code=1)
    assert "a: no alignment of phones" in output and not found["a"].targets.description
    assert "no such folder" in describe([say("a")], "--vowels", "nowhere", code=2)[1]


def table(name: str, header: str, row: Callable[[int], str], rows: int = 50) -> None:
    Path("faces").mkdir(exist_ok=True)
    Path("faces", f"{name}.csv").write_text("\n".join([header, *map(row, range(rows))]) + "\n")


def seen(record: Record) -> list[tuple[Any, ...]]:
    return [(cue.text, cue.au, cue.start_s, cue.end_s) for cue in record.targets.cues or () if cue.modality == "video"]


def test_face_tables_of_openface_and_pyfeat(make_clip: Callable[..., Path]) -> None:
    def openface(i: int) -> str:
        smiles, flicker = 10 <= i < 30, i == 40
        return (
            f"{i}, 0, {i / 25:.3f}, {0.3 if 20 <= i < 25 else 0.98}, 1, 2.5, {int(smiles)}, {1.5 if flicker else 0.2}"
        )

    table("a", "frame, face_id, timestamp, confidence, success, AU12_r, AU12_c, AU04_r", openface)
    table("b", "frame,FaceScore,AU04,AU12", lambda i: f"{i},0.99,{0.9 if i < 4 else 0.1},0.2", rows=8)
    clip = make_clip("b.mp4", sound=False)  # 10 pictures a second
    found, output = describe(
        [say("a"), Record(id="b", media=Media(video=MediaRef(path=str(clip))))], "--faces", "faces"
    )
    assert "face of 2" in output
    # the face is lost from 0.8 to 1.0 s: longer than a gap that is bridged
    assert seen(found["a"]) == [
        ("lip corners pulled up", "AU12", 0.4, 0.8),
        ("lip corners pulled up", "AU12", 1.0, 1.2),
    ]
    assert seen(found["b"]) == [("brows drawn together", "AU4", 0.0, 0.4)]
    assert told(found["b"], "face") == "The face shows: brows drawn together (AU4) 0-0.4 s."


def test_landmarks_tell_eyes_mouth_and_head() -> None:
    from emollm.data.describe_face import read_face

    def row(i: int) -> str:
        points = [(0.0, 0.0)] * 68
        lid = 0.02 if i >= 25 else 0.3
        for at, left in ((36, 0.0), (42, 3.0)):
            shape = [(0, 0), (0.3, lid / 2), (0.7, lid / 2), (1, 0), (0.7, -lid / 2), (0.3, -lid / 2)]
            points[at : at + 6] = [(left + x, y + (0.8 if at == 42 and i < 10 else 0)) for x, y in shape]
        points[60:68] = [(0, 3), (0.3, 3.05), (0.5, 3.05), (0.7, 3.05), (1, 3), (0.7, 2.95), (0.5, 2.95), (0.3, 2.95)]
        return ",".join(map(str, [i / 25, *(p[0] for p in points), *(p[1] for p in points)]))

    table("a", ",".join(["timestamp", *(f"x_{n}" for n in range(68)), *(f"y_{n}" for n in range(68))]), row)
    facts = [(fact.text, fact.start_s, fact.end_s) for fact in read_face(Path("faces/a.csv"), None)]
    assert facts == [("head tilted to one side", 0.0, 0.4), ("eyes closed", 1.0, 2.0)]


@pytest.mark.parametrize(
    ("header", "row", "what"),
    [
        ("timestamp,smile", "0,1", "neither action units nor landmarks"),
        ("frame,AU12", "0,1", "no times"),
        ("timestamp,AU12_c", "0,1,2", "faces/a.csv:2: a: 3 cells, not 2"),
        ("timestamp,AU12_c", "5,1\n4,1", "times are missing or go back"),
    ],
)
def test_a_wrong_face_table_fails_its_record(header: str, row: str, what: str) -> None:
    table("a", header, lambda i: row, rows=1)
    found, output = describe([say("a")], "--faces", "faces", code=1)
    assert what in output and not found["a"].targets.description


def test_norms_hold_no_more_than_what_is_usual() -> None:
    describe([say(f"t{i}", seed=i) for i in range(6)])
    norms = json.loads(Path("out.norms.json").read_text())
    assert set(norms) == {"schema", "edges", "speakers", "vowels"} and set(norms["speakers"]) == {"", "x:ann"}
    assert norms["speakers"]["x:ann"]["voice.rate"][0] == 6
