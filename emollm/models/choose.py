"""Pick a block by the name that a configuration gives it, and refuse names and options that do not exist.

A block specification is a mapping such as `{"name": "resampler", "queries": 8, "width": 64}`. Each room (towers,
adapters, fusion, decoders) holds one explicit table from names to classes; adding a block is one file and one line.
"""

from __future__ import annotations

import inspect
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypeVar

from emollm.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

Block = TypeVar("Block")


def choose(kind: str, table: Mapping[str, type[Block]], name: str) -> type[Block]:
    """Return the class called `name`.

    Args:
        kind: What is chosen, for the message ("adapter").
        table: Names and their classes.
        name: The wanted name.
    """
    if name in table:
        return table[name]
    close = get_close_matches(name, table, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    raise ConfigError(f"there is no {kind} called {name!r}", fix=f"{hint}known: {', '.join(sorted(table))}")


def make(kind: str, table: Mapping[str, type[Block]], spec: Mapping[str, Any], **sizes: Any) -> Block:
    """Construct the block that `spec` describes.

    Args:
        kind: What is made, for messages ("adapter").
        table: Names and their classes.
        spec: `name` plus the options of that block.
        sizes: Arguments that the model itself knows (widths, configurations).
    """
    options = dict(spec)
    if "name" not in options:
        raise ConfigError(f"the {kind} has no name", fix=f"add `name`, one of: {', '.join(sorted(table))}")
    block = choose(kind, table, options.pop("name"))
    accepted = [key for key in inspect.signature(block).parameters if key not in sizes]
    unknown = sorted(set(options) - set(accepted))
    if unknown:
        raise ConfigError(
            f"{kind} {spec['name']!r} has no option {', '.join(unknown)}",
            fix=f"options: {', '.join(accepted) or 'none'}",
        )
    parameters = inspect.signature(block).parameters
    missing = [key for key in accepted if key not in options and parameters[key].default is inspect.Parameter.empty]
    if missing:
        raise ConfigError(f"{kind} {spec['name']!r} needs {', '.join(missing)}", fix="add it to the block's options")
    return block(**sizes, **options)
