"""Copies of data sets made by code, and `emollm data prep` over them."""

import csv
import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from emollm.cli.main import app
from emollm.data import prep as prep_module
from emollm.records import Record, read_records


@dataclasses.dataclass
class Prepared:
    """What a run of `emollm data prep` left behind."""

    code: int
    out: str
    err: str
    path: Path

    @property
    def records(self) -> dict[str, Record]:
        return {record.id: record for record in read_records(self.path)}

    @property
    def report(self) -> dict[str, Any]:
        return json.loads(self.path.with_name("report.json").read_text(encoding="utf-8"))


class Copy:
    """A copy of a data set: write its files, then `prep` it."""

    def __init__(self, root: Path, name: str) -> None:
        self.root, self.name = root, name

    def text(self, name: str, text: str, encoding: str = "utf-8") -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode(encoding))

    def csv(
        self, name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], encoding: str = "utf-8", **form: Any
    ) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding=encoding, newline="") as out:
            writer = csv.writer(out, **form)
            writer.writerows([columns] if columns else [])
            writer.writerows(rows)

    def json(self, name: str, value: Any) -> None:
        self.text(name, json.dumps(value, ensure_ascii=False))

    def jsonl(self, name: str, rows: Iterable[Any]) -> None:
        self.text(name, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))

    def media(self, *names: str) -> None:
        """Make files that are there; no reader opens them without `--probe`."""
        for name in names:
            self.text(name, "x")

    def remove(self, name: str) -> None:
        (self.root / name).unlink()

    def prep(self, *arguments: str, root: Path | None = None) -> Prepared:
        output = self.root.parent / "out" / "records.jsonl"
        call = [
            "data",
            "prep",
            self.name,
            str(root or self.root),
            "-o",
            str(output),
            "--report",
            str(output.parent / "report.json"),
        ]
        result = CliRunner().invoke(app, [*call, *arguments])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return Prepared(result.exit_code, result.stdout, result.stderr, output)

    def refused(self, *arguments: str, root: Path | None = None) -> str:
        """Prep what must be refused; return the message. No file may be left."""
        (self.root.parent / "out" / "records.jsonl").unlink(missing_ok=True)
        result = self.prep(*arguments, root=root)
        assert result.code == 2, result.out
        assert not result.path.exists() and not list(result.path.parent.glob(".*")), "something half-written is left"
        return result.err


@pytest.fixture
def make_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Copy]:
    """`make_copy("mer2024", counts={"train": 3})` gives an empty copy of a data set that is, for this test, so small."""

    def make(
        name: str,
        counts: Mapping[str, int] | None = None,
        classes: Mapping[str, Mapping[str, int]] | None = None,
        **spec: Any,
    ) -> Copy:
        real = prep_module.load_leaf

        def load(asked: str) -> prep_module.Leaf:
            leaf = real(asked)
            small = dataclasses.replace(leaf.spec, counts=counts or {}, classes=classes or {}, **spec)
            return dataclasses.replace(leaf, spec=small)

        monkeypatch.setattr(prep_module, "load_leaf", load)
        root = tmp_path / "copy"
        root.mkdir()
        return Copy(root, name)

    return make
