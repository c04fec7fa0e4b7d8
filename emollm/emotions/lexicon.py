"""Read labels as people and models write them: "Very happy!", "sadness", "light-hearted", "sad; angry", "有点难过".

    read_word("very happy")   # Word(text='very happy', base='happy', concept='joy', kind='emotion', language='en')

`lexicon.txt` gathers words for what a person appears to express under concepts, in English and Chinese; regular forms are found by rule.
What is not in it is told apart: an ordinary word (`ordinary.txt`), a negation, another language, no word at all, or unknown. Scores that
follow a publication never use this file: they read labels with `emollm/emotions/labels.py`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Literal, get_args

from emollm.emotions.labels import Answer, reference_pieces
from emollm.errors import EmoError, collect

Kind = Literal["emotion", "not_emotion", "negated", "unknown", "no_word", "other_language"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_FOLDER = Path(__file__).parent
_SIGN = {"+": 1, "0": 0, "-": -1}

_DEGREE = (
    "very|so|really|extremely|quite|rather|pretty|slightly|somewhat|mildly|deeply|highly|truly|totally|fairly|too|more|most|strongly|"
    "increasingly|visibly|clearly|seemingly|genuinely|intensely|overly|a (?:little|bit|sense of|feeling of|hint of|touch of|lot of)|bit|"
    "feelings? of|sense of|state of|full of|hint of|feeling|feels?|felt|being|seems?|looks?|appears?(?: to be)?|sounds?|mixed|"
    "mild|slight|strong|deep|great|intense|extreme|some|being|in|with|of|an?|the"
)
_FILLER = "emotions?|emotional|feelings?|moods?|tones?|expressions?|states?|attitudes?"
_LEADING = re.compile(rf"(?:{_DEGREE}) (?=.)")
_TRAILING = re.compile(rf"(?<=.) (?:{_FILLER})$")
_NEGATION = re.compile(r"(?:not|no|non|never|without|lack of|isn't|hardly|less)\b[ -]?(?=.)")
_DEGREE_ZH = re.compile(
    "^(?:很|非常|十分|特别|有点儿?|有些|比较|极其|极度|略微|稍微|稍|太|更|最|挺|相当|感到|感觉|觉得|显得|充满)+"
)
_FILLER_ZH = re.compile("(?:的|地|了|之情|情绪|心情|感|的?样子|的?表情)$")
_NEGATION_ZH = re.compile("^(?:不太|不是|不|没有|没|无)")
_SEPARATOR = re.compile(r"[,;/|\n、。]+")
_BULLET = re.compile(r"^\s*(?:[-*•·]|\(?\d+[.)、])\s*")
_HEADING = re.compile(
    r"^\s*(?:the )?(?:\w+ )?(?:labels?|emotions?|answer|output|标签|情绪)(?: are| is)?\s*:", re.IGNORECASE
)
_EDGES = " \t\r\n\"'`*_.!?()[]{}<>«»“”\u2018\u2019「」『』《》:~"
_APOSTROPHES = str.maketrans(dict.fromkeys("\u2019\u2018\u02bc`", "'"))
_DASHES = re.compile(r"[\u2010-\u2015_-]")
_JOINS = re.compile(r" (?:and|or|but|plus|mixed with|as well as) | & | \+ ")
_JOINS_ZH = re.compile("[和与及并]|以及|而且")


@dataclass(frozen=True)
class Word:
    """A label that was read; `base` and `concept` are those of the lexicon, empty unless `kind` is `emotion`."""

    text: str
    base: str
    concept: str
    kind: Kind
    language: str


@dataclass(frozen=True)
class Concept:
    """Words that mean nearly the same; valence and arousal are signs: -1, 0, 1."""

    name: str
    valence: int
    arousal: int
    words: tuple[str, ...]


@cache
def concepts() -> dict[str, Concept]:
    """Return the concepts of the lexicon by name.

    Raises:
        EmoError: A line of `lexicon.txt` cannot be read, or a word stands under two concepts.
    """
    found: dict[str, Concept] = {}
    owner: dict[str, str] = {}
    problems = []
    for where, line in data_lines(_FOLDER / "lexicon.txt"):
        head, _, rest = line.partition(":")
        try:
            name, valence, arousal = head.split()
            words = tuple(word for part in rest.split("|") for piece in part.split(",") if (word := piece.strip()))
            found[name] = Concept(name, _SIGN[valence], _SIGN[arousal], words)
        except (ValueError, KeyError):
            problems.append(EmoError("not `concept valence arousal: words | words`", where))
            continue
        for word in words:
            if owner.setdefault(word, name) != name:
                problems.append(
                    EmoError(f"{word!r} stands under {owner[word]} and {name}", where, "leave it under one")
                )
    if error := collect(problems, "{n} problems in the lexicon:"):
        raise error
    return found


def valence(concept: str) -> int:
    """Return the sign of a concept's valence: -1, 0 or 1.

    Raises:
        EmoError: There is no such concept.
    """
    if concept not in concepts():
        raise EmoError(f"no concept {concept!r}", "lexicon", "see emollm/emotions/lexicon.txt")
    return concepts()[concept].valence


def data_lines(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the lines of a data file that are neither empty nor comments, each with its place."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            yield f"{path.name}:{number}", line


def split_labels(answer: Answer) -> list[str]:
    """Return the labels of an answer: lists by comma, semicolon, slash, line, "and", 、 or 和, numbered or not, quoted or not.

    A label of several words stays whole, also one with "and" in it that the lexicon has ("sick and tired").
    """
    if not isinstance(answer, str):
        return [label for item in reference_pieces(answer) for label in split_labels(item)]
    text = _HEADING.sub("", unicodedata.normalize("NFKC", answer).translate(_APOSTROPHES))
    labels: list[str] = []
    for piece in _SEPARATOR.split(text.replace('"', ",")):
        label = _BULLET.sub("", piece).strip(_EDGES).removeprefix("and ")
        if _entry(label.lower()) is None:
            parts = _JOINS.split(label)
            if len(parts) == 1 and all(_entry(part) for part in _JOINS_ZH.split(label)):
                parts = _JOINS_ZH.split(label)
            labels += [part.strip(_EDGES) for part in parts]
        else:
            labels.append(label)
    return [label for label in labels if label]


@lru_cache(maxsize=65536)
def read_word(text: str) -> Word:
    """Return what one label means, and of what kind it is when it means no emotion."""
    label = unicodedata.normalize("NFKC", text).translate(_APOSTROPHES).lower()
    label = " ".join(_DASHES.sub(" ", label).strip(_EDGES).split())
    language = _language(label)
    tries = (label, *_without_degree(label, language))
    for attempt in tries:
        if entry := _entry(attempt):
            return Word(text, *entry, "emotion", language)
    return Word(text, "", "", _other_kind(tries, language), language)


def stem(word: str) -> str:
    """Return what regular English forms of a word have in common; no ending that turns the meaning (-less, un-) is touched."""
    word = re.sub(r"is(e|ed|es|ing|ation)$", r"iz\1", word).replace("our", "or")
    for _ in range(2):
        for ending in ("ness", "ment", "ing", "ion", "ed", "ly", "es", "s"):
            rest = word.removesuffix(ending)
            if (
                rest != word
                and len(rest) > 2
                and re.search("[aeiouy]", rest)
                and not (ending == "s" and rest[-1] in "su")
            ):
                word = rest
                break
    word = re.sub(r"([bdgmnprt])\1$", r"\1", word.removesuffix("e"))
    return re.sub("y$", "i", word)


@cache
def bases() -> dict[str, str]:
    """Return the concept of each base: the first word of the lexicon that has its stem."""
    return dict(_entries()[0].values())


def ambiguous_stems() -> list[str]:
    """Return the stems that words of two concepts share: a form that the lexicon does not list is not read by them."""
    return sorted(form for form, entry in _entries()[2].items() if entry is None)


@cache
def _entries() -> tuple[dict[str, tuple[str, str]], dict[str, tuple[str, str]], dict[str, tuple[str, str] | None]]:
    """Return (base, concept) of each word as listed, of each word without its blanks, and of each stem (None: of two concepts)."""
    exact: dict[str, tuple[str, str]] = {}
    joined: dict[str, tuple[str, str]] = {}
    stems: dict[str, tuple[str, str] | None] = {}
    for concept in concepts().values():
        own: dict[str, str] = {}  # stem -> the first word that has it
        for word in concept.words:
            base = own.setdefault(stem(word), word)
            exact[word] = joined[word.replace(" ", "")] = (base, concept.name)
        for form, base in own.items():
            stems[form] = None if form in stems else (base, concept.name)
    return exact, joined, stems


def _entry(label: str) -> tuple[str, str] | None:
    """Return (base, concept) of a label in lower case."""
    exact, joined, stems = _entries()
    return exact.get(label) or joined.get(label.replace(" ", "")) or stems.get(stem(label))


def _without_degree(label: str, language: str) -> Iterator[str]:
    """Yield the label without words of degree before it and filling words after it, one less at a time."""
    while label:
        if language == "zh":
            shorter = _DEGREE_ZH.sub("", label) or label
            shorter = shorter if shorter != label else _FILLER_ZH.sub("", label)
        else:
            shorter = _LEADING.sub("", label, count=1) if _LEADING.match(label) else _TRAILING.sub("", label)
        if shorter == label:
            return
        label = shorter
        yield label


def _other_kind(tries: tuple[str, ...], language: str) -> Kind:
    """Return the kind of a label that the lexicon does not have."""
    label = tries[-1] or tries[0]
    negation = (_NEGATION_ZH if language == "zh" else _NEGATION).match(label)
    if negation and _entry(label[negation.end() :]):
        return "negated"
    if any(attempt in _ordinary() for attempt in tries) or (
        label and all(word in _ordinary() for word in label.split())
    ):
        return "not_emotion"
    if language not in ("en", "zh"):
        return "other_language" if language else "no_word"
    return "no_word" if language == "en" and not all(map(_may_be_english, label.split())) else "unknown"


def _may_be_english(word: str) -> bool:
    """Return whether letters could be an English word: a vowel, no letter thrice in a row, no run of five consonants or four vowels."""
    letters = word.replace("'", "")
    shape = r"(.)\1\1|[^aeiouy]{5}|[aeiou]{4}"
    return (
        1 < len(letters) <= 24
        and letters.isalpha()
        and bool(re.search("[aeiouy]", letters))
        and not re.search(shape, letters)
    )


def _language(label: str) -> str:
    """Return `en` or `zh`, the script of anything else ("hiragana", "cyrillic"; "latin" with accents), or "" without letters."""
    scripts = {unicodedata.name(letter, "unknown").split()[0] for letter in label if letter.isalpha()}
    if not scripts:
        return ""
    if scripts == {"LATIN"}:
        return "en" if label.isascii() else "latin"
    other = sorted(scripts - {"LATIN", "CJK"})
    return other[0].lower() if other else "zh"


@cache
def _ordinary() -> frozenset[str]:
    """Return the words that surely name no emotion."""
    return frozenset(word for _, line in data_lines(_FOLDER / "ordinary.txt") for word in line.split())
