"""Put into words how a person sounds and what the face does, and write the records again with these words.

    emollm data describe records.jsonl -o described.jsonl [--vowels aligned/] [--faces faces/]

Each record gains a description of kind `prosody` and, with a face table, one of kind `face` (`targets.description`, author
`emollm.describe/1`); one that has no cues gains these facts as its cues. Words of the voice tell how a clip differs from the speaker's
others, in the manner of VowelPrompt (https://arxiv.org/abs/2602.06270): z-scores in bins by quantiles (describe_norms.py), first of the
whole utterance, then of its vowels. What is usual is written beside the records (`described.norms.json`), so that a test set can be
described by the norms of its training set (`--norms`).

In tonal languages, and where no transcript tells the language, pitch is told of the whole utterance only: the rest is the words' own tone.
Departs from VowelPrompt: five bins of our own shares; without an alignment, voiced nuclei stand for vowels. Does not: name emotions.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from emollm.data.describe_face import Fact, facts_text, read_face
from emollm.data.describe_norms import Norms, Value
from emollm.data.describe_vowels import SUFFIXES, read_vowels
from emollm.data.prosody import Interval, Prosody, Vowel, measure
from emollm.data.stream import stream
from emollm.errors import ConfigError, EmoError, MediaError
from emollm.jsonl import write_rows
from emollm.media import decode, probe
from emollm.media.workers import Decoders, Job
from emollm.records import Cue, Description, MediaRef, Record
from emollm.synth.wording import PROSODY_PHRASES, joined

AUTHOR = "emollm.describe/1"
TONAL = frozenset({"zh", "cmn", "yue", "nan", "wuu", "hak", "vi", "th", "lo", "my", "pa", "yo", "ig", "ha"})
SAMPLE_RATE_HZ = 16000
DEADLINE_S = 300.0  # for one file; the first of a process waits for the imports, too
VOWEL_WORDS = {
    "f0_level": ("low", "high"),
    "f0_slope": ("falling", "rising"),
    "f0_range": ("level", "moving"),
    "energy": ("soft", "loud"),
    "energy_range": ("even", "uneven"),
    "duration": ("short", "long"),
}


@dataclass(frozen=True)
class Sources:
    """Folders of what others measured, one file a clip, named after the record's native id or its media file; None: none."""

    vowels: Path | None = None
    faces: Path | None = None


@dataclass
class Described:
    """How many records gained which words, why others did not, and what failed."""

    records: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    failures: list[EmoError] = field(default_factory=list)


@dataclass(frozen=True)
class _Found:
    """What was measured of one record; `problem`: why not."""

    prosody: Prosody | None = None
    facts: tuple[Fact, ...] | None = None
    problem: EmoError | None = None


def describe(
    records: Sequence[Path | str],
    output: Path,
    sources: Sources | None = None,
    norms: Path | None = None,
    workers: int = 2,
) -> Described:
    """Describe the records of files and write them; media paths count from the folder of `output`.

    Args:
        records: Records files.
        output: Records file to write; the norms go beside it.
        sources: Alignments and face tables.
        norms: Norms of other records to describe by.
        workers: Processes that decode and measure.

    Raises:
        ConfigError: A folder of `sources` is missing.
        EmoError: A records file is broken, or `norms` are none.
    """
    sources = sources or Sources()
    for folder in (sources.vowels, sources.faces):
        if folder is not None and not folder.is_dir():
            raise ConfigError("no such folder", str(folder), "one file a clip, named after the clip")
    base = None if norms is None else Norms.load(norms)
    made = Described()
    with closing(sqlite3.connect("")) as rows:  # a database without a name lies on disk and goes with its connection
        rows.execute("CREATE TABLE measured (number INTEGER PRIMARY KEY, speaker TEXT, found TEXT)")
        _measure_all(records, sources, workers, rows, made)
        fitted = Norms.fit(lambda: _spoken(rows), base)
        written = (
            _described(record, number, fitted, rows, made)
            for number, record in enumerate(stream(records, output.parent))
        )
        made.records = write_rows(output, written)
    fitted.save(output.with_suffix(".norms.json"))
    return made


def speaker_of(record: Record) -> str:
    """Return whose voice it is, unique over data sets; empty where the record does not tell."""
    name = record.subject_id or (record.speaker.id if record.speaker else None)
    return f"{record.dataset}:{name}" if name else ""


def has_word_tone(record: Record) -> bool:
    """Tell whether pitch belongs to the words: in tonal languages, and where the language is unknown."""
    line = record.transcript
    return line is None or line.lang is None or line.lang.lower().partition("-")[0].partition("_")[0] in TONAL


def _measure_all(
    records: Sequence[Path | str], sources: Sources, workers: int, rows: sqlite3.Connection, made: Described
) -> None:
    """Measure every record in processes of their own; what fails is kept as an error."""
    asked: dict[int, tuple[int, Record]] = {}

    def jobs() -> Iterator[Job[_Found]]:
        for number, record in enumerate(stream(records)):
            ref = record.media.audio or record.media.video
            job = Job(ref.path if ref else record.id, partial(_measure, record.model_dump_json(), sources))
            asked[id(job)] = number, record
            yield job

    with Decoders(workers, DEADLINE_S) as pool:
        for job, found in pool.each(jobs()):
            number, record = asked.pop(id(job))
            if isinstance(found, MediaError):
                found = _Found(problem=found)
            if found.problem is not None:
                error = found.problem
                made.failures.append(EmoError(f"{record.id}: {error.what}", error.where, error.fix))
            facts = None if found.facts is None else [asdict(fact) for fact in found.facts]
            row = {"prosody": found.prosody and asdict(found.prosody), "facts": facts}
            rows.execute("INSERT INTO measured VALUES (?, ?, ?)", (number, speaker_of(record), json.dumps(row)))


def _measure(record_json: str, sources: Sources) -> _Found:
    """Measure one record; runs in a process of its own."""
    record = Record.model_validate_json(record_json)
    prosody, facts = None, None
    try:
        table = _beside(record, sources.faces, (".csv",))
        if table is not None:
            facts = tuple(read_face(table, _fps(record.media.video)))
        prosody = _voice(record, _beside(record, sources.vowels, SUFFIXES))
    except EmoError as error:
        return _Found(prosody, facts, error)
    return _Found(prosody, facts)


def _voice(record: Record, alignment: Path | None) -> Prosody | None:
    """Decode and measure the sound of a record; times count from the start of the file."""
    media = record.media
    ref = media.audio or (media.video if media.video and media.video.has_audio is not False else None)
    if ref is None:
        return None
    try:
        clip = decode(ref.path, start_s=ref.start_s, end_s=ref.end_s, want_video=False, sample_rate_hz=SAMPLE_RATE_HZ)
    except MediaError as error:
        if error.code == "no_streams" and ref is media.video:  # a video without sound
            return None
        raise
    if clip.audio is None or clip.states["audio"] != "present":
        return None
    shift_s = ref.start_s or 0.0
    vowels = None
    if alignment is not None:
        vowels = [Interval(one.label, one.start_s - shift_s, one.end_s - shift_s) for one in read_vowels(alignment)]
    found = measure(clip.audio, SAMPLE_RATE_HZ, vowels)
    if found is None or not shift_s:
        return found
    moved = tuple(Vowel(v.label, v.start_s + shift_s, v.end_s + shift_s, v.values) for v in found.vowels)
    return Prosody(found.start_s + shift_s, found.end_s + shift_s, found.values, moved)


def _beside(record: Record, folder: Path | None, suffixes: Sequence[str]) -> Path | None:
    """Return the file of a record in a folder, by its native id or the name of its media."""
    if folder is None:
        return None
    refs = [ref for ref in (record.media.audio, record.media.video) if ref is not None]
    names = [Path(record.native_id).name if record.native_id else "", *(Path(ref.path).stem for ref in refs)]
    files = (folder / f"{name}{suffix}" for name in names if name for suffix in suffixes)
    return next((file for file in files if file.is_file()), None)


def _fps(video: MediaRef | None) -> float | None:
    """Return the frames a second that a video declares."""
    found = probe(video.path).video if video is not None else None
    return found.fps if found is not None else None


def _spoken(rows: sqlite3.Connection) -> Iterator[tuple[str, Prosody]]:
    """Yield the speaker and the measures of every utterance."""
    for speaker, found in rows.execute("SELECT speaker, found FROM measured ORDER BY number"):
        prosody = _prosody(json.loads(found)["prosody"])
        if prosody is not None:
            yield speaker, prosody


def _prosody(data: dict[str, Any] | None) -> Prosody | None:
    if data is None:
        return None
    return Prosody(data["start_s"], data["end_s"], data["values"], tuple(Vowel(**one) for one in data["vowels"]))


def _described(record: Record, number: int, norms: Norms, rows: sqlite3.Connection, made: Described) -> Record:
    """Return a record with its words, in place of those of an earlier run."""
    (text,) = rows.execute("SELECT found FROM measured WHERE number = ?", (number,)).fetchone()
    found = json.loads(text)
    prosody = _prosody(found["prosody"])
    facts = None if found["facts"] is None else [Fact(**one) for one in found["facts"]]
    told: list[Description] = []
    cues: list[Cue] = []
    if prosody is not None:
        text, cues = voice_words(prosody, norms, speaker_of(record), has_word_tone(record))
        told.append(Description(text=text, kind="prosody", author=AUTHOR, lang="en"))
    if facts is not None:
        told.append(Description(text=facts_text(facts), kind="face", author=AUTHOR, lang="en"))
        cues += [Cue(modality="video", text=f.text, au=f.au, start_s=f.start_s, end_s=f.end_s) for f in facts]
    made.counts.update(one.kind for one in told)
    targets = record.targets
    kept = tuple(one for one in targets.description if one.author != AUTHOR)
    update: dict[str, Any] = {"description": (*kept, *told)}
    if targets.cues is None and cues:
        update["cues"] = tuple(cues)
    return record.model_copy(update={"targets": targets.model_copy(update=update)})


def voice_words(prosody: Prosody, norms: Norms, speaker: str, word_tone: bool) -> tuple[str, list[Cue]]:
    """Return how a voice sounds as a text, and its facts about the whole utterance as cues.

    Args:
        prosody: What was measured.
        norms: What is usual.
        speaker: Whose voice it is.
        word_tone: Pitch belongs to the words: of vowels it is not told, nor its slope.
    """
    start_s, end_s = round(prosody.start_s, 1), round(prosody.end_s, 1)
    phrases, cues = [], []
    for name, value in prosody.values.items():
        degree = norms.degree(Value(speaker, f"voice.{name}", "", value))
        if degree and not (word_tone and name == "f0_slope"):
            phrase = PROSODY_PHRASES[name][degree > 0]
            phrases.append(phrase + (" (markedly)" if abs(degree) == 2 else ""))
            cues.append(Cue(modality="audio", text=phrase, start_s=start_s, end_s=end_s))
    against = "the speaker's other clips" if norms.knows(speaker) else "other clips"
    text = f"Compared with {against}: {joined(phrases) if phrases else 'nothing about the voice stands out'}."
    vowels = list(filter(None, (_vowel_words(vowel, norms, speaker, word_tone) for vowel in prosody.vowels)))
    return text + (f" Vowels: {'; '.join(vowels)}." if vowels else ""), cues


def _vowel_words(vowel: Vowel, norms: Norms, speaker: str, word_tone: bool) -> str:
    """Return when a vowel is and what of it stands out; empty where nothing does."""
    words = []
    for name, pair in VOWEL_WORDS.items():
        if name not in vowel.values or (word_tone and name.startswith("f0_")):
            continue
        degree = norms.degree(Value(speaker, f"vowel.{name}", vowel.label, vowel.values[name]))
        if degree:
            words.append(("very " if abs(degree) == 2 else "") + pair[degree > 0])
    label = f" {vowel.label}" if vowel.label else ""
    return f"{vowel.start_s:.2f}-{vowel.end_s:.2f} s{label} {', '.join(words)}" if words else ""
