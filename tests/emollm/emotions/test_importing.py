"""A folder of wheels becomes twelve static dictionaries, whose version is known by their content."""

from pathlib import Path

import pytest

from emollm.emotions.importing import import_folder, imported_sources, read_folder
from emollm.emotions.maps import load_maps, maps_names
from emollm.emotions.tracing import leavers, trace
from emollm.errors import EmoError

from .conftest import OTHER, SYNONYMS, WHEEL, write_xlsx

REFERENCE = Path(__file__).parents[4] / "shared" / "reference" / "mer_wheels"
needs_reference = pytest.mark.skipif(not REFERENCE.is_dir(), reason="no ../shared/reference/mer_wheels")


def test_the_groupings_follow_their_definitions(wheel_folder: Path) -> None:
    maps = read_folder(wheel_folder).compile()
    assert maps.groupings == ("M1", "M2", *(f"W{w}-L{level}" for w in range(1, 6) for level in (1, 2)))

    def groups(word: str) -> list[str]:
        return ["".join(maps.group(word, name)) for name in ("M1", "M2", "W1-L1", "W1-L2")]

    assert groups("Happiness ") == [
        "happy",
        "glad",
        "glad",
        "airy",
    ]  # a level-1 word goes to its alphabetically first level 2
    assert groups("fear") == [
        "fear",
        "grim",
        "glad",
        "zesty",
    ]  # all bases count: fearless -> bold comes before fear -> grim
    assert groups("fears") == ["fear", "grim", "grim", "low"]
    assert groups("sad") == ["sad", "low", "grim", "low"]
    assert groups("orphans") == ["orphan", "", "", ""]
    assert groups("unheard") == ["", "", "", ""]


def test_a_word_in_two_sectors_belongs_to_the_last(wheel_folder: Path) -> None:
    sectors = read_folder(wheel_folder).wheels["W5"]
    assert sectors["merry"] == ("grim", "stern") and sectors["grim"] == ("grim", "low")


def test_versions_are_named_by_content(wheel_folder: Path) -> None:
    version = import_folder(wheel_folder).version
    assert version.startswith("own-") and version in maps_names()
    write_xlsx(
        wheel_folder / "wheel1.xlsx",
        [[cell.upper() if row else cell for cell in line] for row, line in enumerate(WHEEL)],
    )
    assert read_folder(wheel_folder).compile().version == version
    write_xlsx(wheel_folder / "wheel1.xlsx", OTHER)
    assert read_folder(wheel_folder).compile().version != version


def test_what_is_loaded_is_what_was_compiled(wheel_folder: Path) -> None:
    compiled = import_folder(wheel_folder)
    loaded = load_maps(compiled.version)
    assert loaded.words == compiled.words and loaded.sha256 == compiled.sha256
    assert (loaded.bits == compiled.bits).all() and loaded.groupings == compiled.groupings
    assert imported_sources(compiled.version).synonyms["happy"] == ["glad", "merry"]


def test_all_problems_of_a_folder_are_told_at_once(wheel_folder: Path) -> None:
    (wheel_folder / "format.csv").write_text("name,forms\nhappy,happy\n")
    write_xlsx(wheel_folder / "wheel2.xlsx", [["level1", "level3"], ["a", "b"]])
    write_xlsx(wheel_folder / "synonym.xlsx", [["word_run1", "synonym_run1"], *SYNONYMS.items()])
    with pytest.raises(EmoError) as caught:
        read_folder(wheel_folder)
    for part in (
        "3 files",
        "wheel2.xlsx: columns level2 are missing",
        "synonym_run8 are missing",
        "columns name and format",
    ):
        assert part in str(caught.value)
    (wheel_folder / "wheel3.xlsx").unlink()
    (wheel_folder / "synonym.xlsx").unlink()
    with pytest.raises(EmoError, match="2 files are missing"):
        read_folder(wheel_folder)


def test_a_damaged_or_absent_version_is_told(wheel_folder: Path, tmp_path: Path) -> None:
    version = import_folder(wheel_folder).version
    (tmp_path / "cache" / "wheels" / f"{version}.json").write_text('{"words":')
    load_maps.cache_clear()
    with pytest.raises(EmoError, match="damaged"):
        load_maps(version)
    with pytest.raises(EmoError, match="there are emollm, own-"):
        load_maps("mer2025")


def test_a_trace_names_the_word_that_decides(wheel_folder: Path) -> None:
    version = import_folder(wheel_folder).version
    lines = trace("fear", version)
    assert "  bases: fear, fearless" in lines and "  W1: glad > zesty (through bold)" in lines
    assert "  W1: -" in trace("orphan", version)


def test_words_that_leave_their_sector_are_found(wheel_folder: Path) -> None:
    found = {
        (leaver.wheel, leaver.level, leaver.word): leaver.there
        for leaver in leavers(import_folder(wheel_folder).version)
    }
    assert found["W1", 1, "zesty"] == "grim" and found["W1", 1, "airy"] == ""
    assert ("W1", 1, "glad") not in found


@needs_reference
@pytest.mark.parametrize(("year", "forms"), [("2025", 7386), ("2026", 7356)])
def test_the_published_files(year: str, forms: int) -> None:
    maps = import_folder(REFERENCE / year)
    assert maps.version == f"mer{year}" and len(maps.words) == forms
    sectors = ["".join(maps.group("fear", name)) for name in maps.level(1)]
    brave = ["scared", "happy", "joyful", "genius", "joyful"]
    assert sectors == (brave if year == "2025" else ["scared", "fearful", "scared", "fear", "scared"])
    assert ["".join(maps.group("shocked", name)) for name in maps.level(1)] == [
        "disgusted",
        "disgusted",
        "powerful",
        "fear",
        "",
    ]
    assert not any(maps.group("neutral", name) for name in maps.groupings)


@needs_reference
def test_published_words_that_leave_their_sector() -> None:
    import_folder(REFERENCE / "2025")
    found = leavers("mer2025")
    counts = [[sum((x.wheel, x.level) == (f"W{w}", level) for x in found) for w in range(1, 6)] for level in (1, 2)]
    assert counts == [[12, 16, 6, 12, 6], [24, 31, 18, 32, 21]]
