"""Read the cells of an .xlsx sheet as text, with the standard library alone.

An .xlsx file is a zip of XML (ECMA-376, https://ecma-international.org/publications-and-standards/standards/ecma-376). Only what a table
of words needs is read: shared and inline strings, numbers as they are written, empty cells as "". Formulas, encrypted or oversized files
are refused; nothing in the file is ever run, and no entity is expanded.
"""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from xml.etree import ElementTree

from emollm.errors import EmoError

MAX_PART_BYTES = 256 * 2**20
_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_LINK = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_REFERENCE = re.compile(r"([A-Z]{1,3})([0-9]{1,7})$")


def read_sheet(path: Path | str, sheet: str | None = None) -> list[list[str]]:
    """Return the rows of a sheet, all of the same width; rows and cells that the file leaves out are empty.

    Args:
        path: An .xlsx file.
        sheet: Name of the sheet; the first one.

    Raises:
        EmoError: The file is missing, no .xlsx, damaged, larger than `MAX_PART_BYTES` unpacked, has no such sheet, or holds a formula.
    """
    where = str(path)
    try:
        with zipfile.ZipFile(path) as archive:
            strings = _strings(archive, where)
            cells = _cells(_part(archive, _place(archive, sheet, where), where), strings, where)
    except FileNotFoundError:
        raise EmoError("no such file", where, "give an .xlsx file") from None
    except (zipfile.BadZipFile, KeyError, IndexError, ValueError, RuntimeError, ElementTree.ParseError) as error:
        raise EmoError(
            f"cannot be read as .xlsx ({error})", where, "save it again as .xlsx, not .xls or .csv"
        ) from None
    height = 1 + max((row for row, _ in cells), default=-1)
    width = 1 + max((column for _, column in cells), default=-1)
    return [[cells.get((row, column), "") for column in range(width)] for row in range(height)]


def _place(archive: zipfile.ZipFile, sheet: str | None, where: str) -> str:
    """Return the name of a sheet's part, which the workbook tells by links."""
    links = {node.get("Id"): node.get("Target", "") for node in _part(archive, "xl/_rels/workbook.xml.rels", where)}
    book = _part(archive, "xl/workbook.xml", where)
    sheets = {node.get("name", ""): links[node.get(_LINK)] for node in book.iter(f"{_MAIN}sheet")}
    name = sheet or next(iter(sheets), "")
    if name not in sheets:
        raise EmoError(f"no sheet {name!r}", where, "sheets there: " + ", ".join(sheets))
    target = sheets[name].removeprefix("/")
    return target if target.startswith("xl/") else f"xl/{target}"


def _part(archive: zipfile.ZipFile, name: str, where: str) -> ElementTree.Element:
    """Return the root element of one XML part of the archive."""
    if archive.getinfo(name).file_size > MAX_PART_BYTES:
        raise EmoError(f"{name} is larger than {MAX_PART_BYTES} bytes unpacked", where, "save only the table itself")
    text = archive.read(name)
    if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
        raise EmoError(f"{name} declares entities, which no spreadsheet does", where, "do not use this file")
    return ElementTree.fromstring(text)  # noqa: S314 - entities, the danger in it, were refused above


def _strings(archive: zipfile.ZipFile, where: str) -> list[str]:
    """Return the shared strings; a string in several formats (runs) is joined, phonetic hints are left out."""
    if "xl/sharedStrings.xml" not in archive.namelist():
        return []
    root = _part(archive, "xl/sharedStrings.xml", where)
    return [_text(item) for item in root.iter(f"{_MAIN}si")]


def _text(item: ElementTree.Element) -> str:
    """Return the text of a string item: its own, or that of its runs."""
    own = [item, *item.findall(f"{_MAIN}r")]
    return "".join(part.findtext(f"{_MAIN}t") or "" for part in own)


def _cells(root: ElementTree.Element, strings: list[str], where: str) -> dict[tuple[int, int], str]:
    """Return the filled cells by (row, column), from 0."""
    cells = {}
    for cell in root.iter(f"{_MAIN}c"):
        name = cell.get("r", "")
        place = _REFERENCE.match(name)
        if place is None:
            raise ValueError(f"cell {name!r} has no place")
        if cell.find(f"{_MAIN}f") is not None:
            raise EmoError(f"cell {name} holds a formula", where, "save the values instead of the formulas")
        value, inline = cell.findtext(f"{_MAIN}v"), cell.find(f"{_MAIN}is")
        text = _text(inline) if inline is not None else value or ""
        if cell.get("t") == "s" and value is not None:
            text = strings[int(value)]
        column = 0
        for letter in place[1]:
            column = 26 * column + ord(letter) - ord("A") + 1
        if text:
            cells[int(place[2]) - 1, column - 1] = text
    return cells
