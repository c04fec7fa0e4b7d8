"""HTML and SVG elements in which every text and attribute is escaped, and which hold no character that steers what is shown."""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup

from emollm.report.scores import plain_lines


def tag(name: str, *inside: object, **attributes: object) -> Markup:
    """Return an element; attributes that are None are left out, `text_anchor` is written `text-anchor`, and `class_` is `class`."""
    told = joined(
        Markup(' {}="{}"').format(key.strip("_").replace("_", "-"), shown(value))
        for key, value in attributes.items()
        if value is not None
    )
    return Markup("<{0}{1}>{2}</{0}>").format(name, told, joined(inside))


def joined(parts: Iterable[object]) -> Markup:
    """Return parts one after the other; what is no markup is escaped."""
    return Markup("").join(map(shown, parts))


def shown(value: object) -> str:
    """Return what is written for a value: numbers short, texts without control characters."""
    if isinstance(value, Markup):
        return value
    if isinstance(value, float):
        return f"{value:.5g}"
    return plain_lines(value) if isinstance(value, str) else str(value)
