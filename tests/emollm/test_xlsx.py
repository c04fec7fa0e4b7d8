"""Sheets are read as text; what could run or explode is refused."""

from pathlib import Path

import pytest

from emollm import xlsx
from emollm.errors import EmoError
from emollm.xlsx import read_sheet
from tests.workbook import SPACE, write_sheet, write_xlsx


def test_cells_keep_their_places(tmp_path: Path) -> None:
    rows = [["a", "", "c & d"], ["", "", "<e>"], ["f", "g", ""]]
    assert read_sheet(write_xlsx(tmp_path / "t.xlsx", rows)) == rows


def test_rows_and_cells_that_are_left_out_are_empty(tmp_path: Path) -> None:
    def cell(place: str, text: str) -> str:
        inline = f'<c r="{place}" t="inlineStr"><is><r><t>{text[:1]}</t></r><r><t>{text[1:]}</t></r></is></c>'
        return inline if text else ""

    path = write_xlsx(tmp_path / "t.xlsx", [["ab", "", "cd"], ["", "", ""], ["", "ef", ""]], cell)
    assert read_sheet(path) == [["ab", "", "cd"], ["", "", ""], ["", "ef", ""]]


def test_columns_after_z(tmp_path: Path) -> None:
    path = write_xlsx(tmp_path / "t.xlsx", [["a"]], lambda _, text: f'<c r="AB1"><v>{text}</v></c>')
    assert read_sheet(path) == [[""] * 27 + ["a"]]


@pytest.mark.parametrize(
    ("sheet", "message"),
    [
        ('<c r="A1"><f>HYPERLINK("x")</f><v>1</v></c>', "cell A1 holds a formula"),
        ('<c r="A1" t="s"><v>7</v></c>', "cannot be read"),
        ("<c><v>1</v></c>", "has no place"),
        ('<c r="A1"><v>1</v>', "cannot be read"),
    ],
)
def test_what_is_no_table_of_words_is_refused(tmp_path: Path, sheet: str, message: str) -> None:
    path = write_sheet(tmp_path / "t.xlsx", f'<worksheet xmlns="{SPACE}">{sheet}</worksheet>')
    with pytest.raises(EmoError, match=message):
        read_sheet(path)


def test_entities_are_refused_before_they_are_expanded(tmp_path: Path) -> None:
    path = write_sheet(tmp_path / "t.xlsx", '<!DOCTYPE w [<!ENTITY a "aa">]><w>&a;</w>')
    with pytest.raises(EmoError, match="declares entities"):
        read_sheet(path)


def test_size_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx, "MAX_PART_BYTES", 10)
    with pytest.raises(EmoError, match="larger than 10 bytes"):
        read_sheet(write_xlsx(tmp_path / "t.xlsx", [["a"]]))


def test_no_file_and_no_xlsx(tmp_path: Path) -> None:
    (tmp_path / "t.xlsx").write_text("level1,level2")
    for name, message in (("none.xlsx", "no such file"), ("t.xlsx", "cannot be read as .xlsx")):
        with pytest.raises(EmoError, match=message):
            read_sheet(tmp_path / name)


def test_a_sheet_is_found_by_its_name(tmp_path: Path) -> None:
    path = write_xlsx(tmp_path / "t.xlsx", [["a", 25]])
    assert read_sheet(path, "Sheet1") == [["a", "25"]]
    with pytest.raises(EmoError, match=r"(?s)no sheet 'Two'.*Sheet1"):
        read_sheet(path, "Two")
