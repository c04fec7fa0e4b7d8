"""Labels are read in all the ways people write them; what means no emotion is told apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emollm.emotions.lexicon import KINDS, concepts, read_word, split_labels, valence
from emollm.emotions.own import NAMES, own_maps, wheel
from emollm.errors import EmoError


@pytest.mark.parametrize(
    ("concept", "labels"),
    {
        "joy": [
            "happy",
            " HAPPY! ",
            "very happy",
            "so very happy",
            "happiness",
            "Happily.",
            "joyfulness",
            "**happy**",
            "开心",
            "很开心",
            "开心的",
        ],
        "sadness": [
            "sadness",
            "a bit sad",
            "unhappy",
            "feeling of sadness",
            "sad expression",
            "有点难过",
            "不开心",
            "悲伤情绪",
        ],
        "annoyance": ["annoyed", "annoying", "annoyance", "irritations", "annoyingly"],
        "disappointment": ["let down", "let-down", "let_down", "disappointments"],
        "amusement": ["light-hearted", "lighthearted", "light hearted", "humor", "humour", "humourous"],
        "indifference": ["don't care", "don\u2019t care"],
        "despair": ["hopeless", "hopelessness"],
        "confidence": ["fearless"],
        "fear": ["fear", "fears", "害怕"],
        "awe": ["in awe"],
        "neutral": ["neutral", "中性"],
    }.items(),
)
def test_what_labels_mean(concept: str, labels: list[str]) -> None:
    assert {label: read_word(label).concept for label in labels} == dict.fromkeys(labels, concept)


@pytest.mark.parametrize(
    ("kind", "labels"),
    {
        "negated": ["not happy", "no fear", "without anger", "不悲伤"],
        "not_emotion": ["table", "the man", "emotions", "mixed feelings", "视频"],
        "no_word": ["qqq", "zzzz", "12", "x", "...", "", "sdkfjh"],
        "other_language": ["うれしい", "грусть", "행복", "fâché"],
        "unknown": ["blargh", "velocipede"],
    }.items(),
)
def test_what_means_no_emotion_is_told_apart(kind: str, labels: list[str]) -> None:
    assert {label: read_word(label).kind for label in labels} == dict.fromkeys(labels, kind)


@pytest.mark.parametrize(
    ("answer", "labels"),
    [
        ("['happy', \"sad\"]", ["happy", "sad"]),
        ("happy; sad/angry | glad", ["happy", "sad", "angry", "glad"]),
        ("1. happy\n2) sad\n- angry", ["happy", "sad", "angry"]),
        ("Labels: happy and a little sad.", ["happy", "a little sad"]),
        ("happy, sad, and angry", ["happy", "sad", "angry"]),
        ("sick and tired", ["sick and tired"]),
        ("don't care, let down", ["don't care", "let down"]),
        ("高兴和难过、平和\uff0c愤怒", ["高兴", "难过", "平和", "愤怒"]),
        (["happy, sad", "angry"], ["happy", "sad", "angry"]),
        ("[]", []),
        (None, []),
    ],
)
def test_lists_are_split(answer: str | list[str] | None, labels: list[str]) -> None:
    assert split_labels(answer) == labels


@given(st.text(max_size=40))
def test_any_text_is_read(text: str) -> None:
    word = read_word(text)
    assert word.kind in KINDS and bool(word.concept) == (word.kind == "emotion")
    assert all(label.strip() for label in split_labels(text))


def test_every_listed_word_means_its_concept_whatever_its_case() -> None:
    for concept in concepts().values():
        for word in concept.words:
            assert read_word(word.upper()).concept == concept.name, word
            assert split_labels(word) == [word]


def test_valence() -> None:
    assert [valence(name) for name in ("joy", "neutral", "grief")] == [1, 0, -1]
    with pytest.raises(EmoError, match="no concept 'nope'"):
        valence("nope")


def test_every_wheel_names_its_source_and_known_concepts() -> None:
    from emollm.emotions import own

    for name in NAMES:
        text = (own.FOLDER / f"{name}.txt").read_text(encoding="utf-8")
        assert "# Source:" in text and "https://" in text
        assert set(wheel(name)) <= set(concepts())


def test_own_maps_place_words_as_the_literature_does() -> None:
    maps = own_maps()
    assert maps.version == "emollm-1" and len(maps.level(1)) == 6
    assert maps.group("very annoyed", "plutchik-L1") == ("anger",)
    assert set(maps.group("loving", "plutchik-L1")) == {"joy", "trust"}, "a dyad belongs to both primaries"
    assert maps.group("难过", "ekman-L1") == ("sadness",)
    assert maps.group("terrified", "circumplex-L1") == ("V-A+",)
    assert maps.group("curious", "ekman-L1") == ()
    sizes = [
        len(g.groups)
        for g in maps.all_groupings
        if g.name in ("plutchik-L1", "willcox-L1", "shaver-L1", "goemotions-L2")
    ]
    assert sizes == [8, 6, 6, 28]


def test_no_word_leaves_its_own_group() -> None:
    """The name of each sector and group, read as a label, lies in that sector or group, wherever the lexicon has the name."""
    maps = own_maps()
    for grouping in maps.all_groupings[2:]:
        for name in grouping.groups:
            found = maps.group(name, grouping.name)
            assert not found or name in found, (grouping.name, name, found)
