"""Annotation files are read as they stand, and refused with file and line where they cannot be."""

from pathlib import Path
from typing import Any

import pytest

from emollm.data.tables import read_csv, read_json, read_jsonl, read_xlsx
from emollm.data.values import clock_s, votes, words
from emollm.errors import EmoError
from tests.workbook import SPACE, write_sheet


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_cells_stay_text(tmp_path: Path, encoding: str) -> None:
    path = write(tmp_path / "a.csv", 'name,say\r\n007,"None, ""NA""\nor näin"\r\n8,nan', encoding)
    first, second = read_csv(path, columns=["name", "say"])
    assert dict(first) == {"name": "007", "say": 'None, "NA"\nor näin'} and second["say"] == "nan"
    assert (first.where, second.where) == ("a.csv:3", "a.csv:4")


@pytest.mark.parametrize(
    "cell", ["=SUM(A1)", "=A1+1", "=1+1", "+HYPERLINK(x)", "@SUM(1)", "=cmd|' /C calc'!A0", "-CALL(x)"]
)
def test_formulas_are_refused(tmp_path: Path, cell: str) -> None:
    with pytest.raises(EmoError, match="a formula") as caught:
        list(read_csv(write(tmp_path / "a.tsv", f"name\tsay\nx\t{cell}\n"), delimiter="\t"))
    assert caught.value.where == "a.tsv:2"


@pytest.mark.parametrize(
    "cell", ["-1.5", "+2", "- No (really)?", "@USER hi", "=)", "=(", "-What?", "--", "= no", "@Anna (loud) ok"]
)
def test_what_people_say_is_no_formula(tmp_path: Path, cell: str) -> None:
    (line,) = read_csv(write(tmp_path / "a.tsv", f"say\n{cell}\n"), delimiter="\t")
    assert line["say"] == cell


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,name\n", "columns named twice"),
        ("nom,say\n", "no column name"),
        ("name,say\na\n", "1 cells"),
        ("name,say\na,b,c\n", "3 cells"),
    ],
)
def test_tables_of_another_shape_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(EmoError, match=message):
        list(read_csv(write(tmp_path / "a.csv", text), columns=["name"]))


def test_another_encoding_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "name\n你好\n", "gb18030")
    with pytest.raises(EmoError, match="not written in utf-8"):
        list(read_csv(path))
    assert [line["name"] for line in read_csv(path, encoding="gb18030")] == ["你好"]


def test_bad_rows_can_be_passed_over_and_told(tmp_path: Path) -> None:
    told: list[EmoError] = []
    lines = list(
        read_jsonl(
            write(tmp_path / "a.jsonl", '{"a": 1}\n[]\n{"a": NaN}\n{"b": 2}\n\n'), columns=["a"], refuse=told.append
        )
    )
    assert [line["a"] for line in lines] == [1]
    assert [error.where for error in told] == ["a.jsonl:2", "a.jsonl:3", "a.jsonl:4"]


def test_json_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(EmoError, match="no JSON"):
        read_json(write(tmp_path / "a.json", "{"))
    with pytest.raises(EmoError, match="no JSON"):
        read_json(write(tmp_path / "a.json", "[" * 100_000))


def workbook(path: Path, rows: str, head: str = "") -> Path:
    strings = "<si><t>clip</t></si><si><r><t>愤</t></r><r><t>怒</t></r></si>"
    return write_sheet(path, f'{head}<worksheet xmlns="{SPACE}"><sheetData>{rows}</sheetData></worksheet>', strings)


ROWS = (
    '<row><c r="A1" t="s"><v>0</v></c><c r="C1" t="inlineStr"><is><t>label</t></is></c></row>'
    '<row><c r="A2"><v>25</v></c><c r="C2" t="s"><v>1</v></c></row><row/>'
)


def test_an_excel_sheet(tmp_path: Path) -> None:
    (line,) = read_xlsx(workbook(tmp_path / "a.xlsx", ROWS), columns=["clip", "label"], sheet="Sheet1")
    assert (line["clip"], line["label"], line.where) == ("25", "愤怒", "a.xlsx:2")
    first, _ = read_xlsx(workbook(tmp_path / "a.xlsx", ROWS), header=("x", "y", "z"))
    assert dict(first) == {"x": "clip", "y": "", "z": "label"}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: workbook(path, '<row><c r="A1"><f>1+1</f><v>2</v></c></row>'), "cell A1 holds a formula"),
        (lambda path: workbook(path, ROWS, "<!DOCTYPE x [<!ENTITY a 'b'>]>"), "declares entities"),
        (lambda path: workbook(path, "<row>"), "cannot be read as .xlsx"),
        (lambda path: write(path, "text"), "cannot be read as .xlsx"),
    ],
)
def test_workbooks_that_are_refused(tmp_path: Path, make: Any, message: str) -> None:
    with pytest.raises(EmoError, match=message):
        list(read_xlsx(make(tmp_path / "a.xlsx"), columns=["clip"]))
    with pytest.raises(EmoError, match="no sheet 'Two'"):
        list(read_xlsx(workbook(tmp_path / "b.xlsx", ROWS), sheet="Two"))


@pytest.mark.parametrize(
    ("text", "seconds"), [("00:16:16,059", 976.059), ("0:13:42,477", 822.477), ("16:16.5", 976.5), ("1:00:00", 3600)]
)
def test_clock_times(text: str, seconds: float) -> None:
    assert clock_s(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "12", "1:2:3:4", "nan:00", "-1:00"])
def test_what_is_no_clock_time(text: str) -> None:
    with pytest.raises(EmoError, match="no clock time"):
        clock_s(text)


@pytest.mark.parametrize(
    ("cell", "labels"),
    [
        ("['calm', \"it's fine\", 'Calm']", ("calm", "it's fine")),
        ("[]", ()),
        ("", ()),
        ("['a' 'b']", ("ab",)),
        ("['a', b]", ("a", "b")),
        ("[concern, pessimism]", ("concern", "pessimism")),
        ("happy, sad", ("happy", "sad")),
        ("开心、悲伤\uff0c愤怒", ("开心", "悲伤", "愤怒")),
        ("[__import__('os').getcwd()]", ("[__import__(".strip("["), "os", ").getcwd()")),
    ],
)
def test_lists_written_as_text(cell: str, labels: tuple[str, ...]) -> None:
    assert words(cell) == labels


def test_votes_keep_all_labels_that_were_given() -> None:
    soft = votes("cremad6", {"anger": 7, "sad": 3, "fear": 0}, "av")
    assert soft is not None and (soft.probs, soft.n, soft.kind, soft.modality) == (
        {"anger": 0.7, "sad": 0.3},
        10,
        "votes",
        "av",
    )
    assert votes("cremad6", {"anger": 0}) is None
    with pytest.raises(EmoError, match="negative"):
        votes("cremad6", {"anger": -1})
