"""Small Excel workbooks, as spreadsheets write them: one sheet, text in the shared strings."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape
from zipfile import ZipFile

SPACE = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
LINKS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"


def write_sheet(path: Path, sheet: str, strings: str = "") -> Path:
    """Write a workbook around the XML of its one sheet, `Sheet1`, and of the items of its shared strings."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sheets = '<sheets><sheet name="Sheet1" r:id="rId1"/></sheets>'
    link = '<Relationship Id="rId1" Target="worksheets/sheet1.xml"/>'
    with ZipFile(path, "w") as book:
        book.writestr("xl/workbook.xml", f'<workbook xmlns="{SPACE}" xmlns:r="{LINKS}">{sheets}</workbook>')
        book.writestr("xl/_rels/workbook.xml.rels", f'<Relationships xmlns="{PACKAGE}">{link}</Relationships>')
        if strings:
            book.writestr("xl/sharedStrings.xml", f'<sst xmlns="{SPACE}">{strings}</sst>')
        book.writestr("xl/worksheets/sheet1.xml", sheet)
    return path


def write_xlsx(path: Path, rows: Sequence[Sequence[Any]], cell: Callable[[str, str], str] | None = None) -> Path:
    """Write rows as a spreadsheet program does: text shared, numbers as numbers; `cell(place, text)` may write a cell otherwise."""
    strings = list(dict.fromkeys(value for row in rows for value in row if isinstance(value, str) and value))

    def shared(place: str, value: Any) -> str:
        if not isinstance(value, str):
            return f'<c r="{place}"><v>{value}</v></c>'
        return f'<c r="{place}" t="s"><v>{strings.index(value)}</v></c>' if value else f'<c r="{place}" s="1"/>'

    lines = []
    for number, row in enumerate(rows, 1):
        cells = ((f"{chr(ord('A') + column)}{number}", value) for column, value in enumerate(row))
        lines.append(f'<row r="{number}">{"".join((cell or shared)(*parts) for parts in cells)}</row>')
    items = "".join(f"<si><t>{escape(text)}</t><phoneticPr fontId='1'/></si>" for text in strings)
    return write_sheet(path, f'<worksheet xmlns="{SPACE}"><sheetData>{"".join(lines)}</sheetData></worksheet>', items)
