"""A report as one HTML file that needs no network and runs no script.

Everything from outside (transcripts, labels, explanations, names of files) is escaped by the template, control characters are taken out,
and the page's content security policy allows nothing but its own style and pictures that are inside it.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

import emollm
from emollm.paths import whole_file
from emollm.purpose import LIMITS, NOTICE, REGULATION
from emollm.report.clips import VERDICTS, Card
from emollm.report.figures import Figure, Table
from emollm.report.markup import shown
from emollm.report.wheel import outline
from emollm.run import APPEARANCE

_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Section:
    """A part of a report.

    Attributes:
        title: Its heading.
        about: A sentence or two below it.
        figures: Side by side where there is room.
        tables: Below them.
        cards: Clips.
        texts: Title and plain text of what is folded away.
    """

    title: str
    about: str = ""
    figures: Sequence[Figure] = ()
    tables: Sequence[Table] = ()
    cards: Sequence[Card] = ()
    texts: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class Report:
    """What a page holds; `warning` stands above all else."""

    title: str
    facts: Sequence[tuple[str, str]]
    sections: Sequence[Section]
    warning: str = ""
    notes: Sequence[str] = field(default_factory=tuple)


def write_page(report: Report, path: Path) -> None:
    """Write the page, whole or not at all."""
    style = (_FOLDER / "page.css").read_text(encoding="utf-8")
    with whole_file(path) as out:
        for piece in _template().generate(
            report=report,
            style=Markup(style),  # noqa: S704 - ours
            policy=content_policy(style),
            outline=outline(),
            verdicts=VERDICTS,
            appearance=APPEARANCE.replace("*", ""),
            limits=LIMITS,
            regulation=REGULATION,
            notice=NOTICE,
            version=emollm.__version__,
        ):
            out.write(piece)


def content_policy(style: str) -> str:
    """Return a policy under which only this style and pictures inside the page are shown: no script, no network, no frame, no form."""
    digest = b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


@cache
def _template() -> Template:
    loader = FileSystemLoader(_FOLDER)
    environment = Environment(
        loader=loader, autoescape=True, finalize=shown, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("page.html.jinja")
