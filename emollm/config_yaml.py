"""Strict YAML with dotted overrides, checked against a pydantic schema; every problem names its line and key.

PyYAML reads YAML 1.1, where `1e-4` is text and a key that stands twice silently wins. Here `1e-4` is a number and a doubled key
is an error. A typo is answered with the nearest key that exists.
"""

from __future__ import annotations

import difflib
import re
import types
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, Tag, ValidationError

from emollm.errors import ConfigError, collect

Schema = TypeVar("Schema", bound=BaseModel)
Location = tuple[str | int, ...]


class _Loader(yaml.SafeLoader):
    """SafeLoader that refuses doubled keys and reads `1e-4` as a number."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key `{key}` stands twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: list(resolvers) for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def _parse(text: str, where: str) -> tuple[Any, yaml.Node | None]:
    """Return a YAML text as objects and as nodes (which know their lines)."""
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        return (None if node is None else _unshared(loader.construct_document(node))), node
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        mark = error.problem_mark if isinstance(error, yaml.MarkedYAMLError) else None
        line = f":{mark.line + 1}" if mark else ""
        what = error.problem if isinstance(error, yaml.MarkedYAMLError) and error.problem else str(error)
        raise ConfigError(f"not valid YAML: {what}", f"{where}{line}", "see https://yaml.org/spec/1.2.2") from None
    finally:
        loader.dispose()


def _unshared(value: Any) -> Any:
    """Copy what aliases share, so that an override of one place leaves the others as they are."""
    if isinstance(value, dict):
        return {key: _unshared(inner) for key, inner in value.items()}
    return [_unshared(inner) for inner in value] if isinstance(value, list) else value


@dataclass
class YamlFile:
    """A mapping read from a file, the lines its keys stand on, and the overrides that were laid over it."""

    path: Path
    tree: dict[str, Any]
    nodes: yaml.Node
    overridden: dict[Location, str] = field(default_factory=dict)
    shorthands: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> YamlFile:
        """Read a file whose top level is a mapping.

        Raises:
            ConfigError: It isn't UTF-8, isn't YAML, or holds no mapping.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"cannot be read: {error}", str(path), "give a YAML file in UTF-8") from None
        tree, nodes = _parse(text, str(path))
        if not isinstance(tree, dict) or nodes is None:
            raise ConfigError("holds no `key: value` lines", str(path), "give a YAML mapping")
        return cls(path, tree, nodes)

    def shorten(self, section: str, key: str) -> None:
        """Let `section: value` stand for `section: {key: value}`, here and in overrides, when value is no mapping."""
        self.shorthands[section] = key
        if isinstance(self.tree.get(section), str | list):
            self.tree[section] = {key: self.tree[section]}

    def override(self, overrides: Iterable[str]) -> None:
        """Lay `key=value` settings over the tree, later ones over earlier ones.

        Raises:
            ConfigError: All that cannot be placed; whether a key exists is the schema's to say.
        """
        problems = []
        for item in overrides:
            try:
                self._override(item)
            except ConfigError as problem:
                problems.append(problem)
        if error := collect(problems, "{n} problem(s) in the overrides:", ConfigError):
            raise error

    def _override(self, item: str) -> None:
        dotted, equals, text = item.partition("=")
        where = f"override `{item}`"
        if not equals or not dotted:
            raise ConfigError("is not of the form key=value", where, "write it as stages.0.epochs=2")
        value, _ = _parse(text, where)
        keys = dotted.split(".")
        if dotted in self.shorthands and isinstance(value, str | list):
            keys.append(self.shorthands[dotted])
        node: Any = self.tree
        location: list[str | int] = []
        for position, key in enumerate(keys):
            place = _index(node, key, where, ".".join(keys[:position]))
            location.append(place)
            if position == len(keys) - 1:
                node[place] = value
            elif isinstance(node, dict) and node.get(key) is None:
                node[key] = {}
                node = node[key]
            else:
                node = node[place]
        self.overridden[tuple(location)] = item

    def where(self, location: Location) -> str:
        """Return where a key was set: the override, else file and line (of the nearest key above it that the file has)."""
        for length in range(len(location), 0, -1):
            if item := self.overridden.get(location[:length]):
                return f"override `{item}`"
        line, found = _line(self.nodes, location)
        below = [item for key, item in self.overridden.items() if key[: len(location)] == location]
        return f"override `{below[0]}`" if below and not found else f"{self.path}:{line}"


def validate(schema: type[Schema], file: YamlFile) -> Schema:
    """Check a file against a schema.

    Raises:
        ConfigError: All problems, each with its place, its key and what to write instead.
    """
    try:
        return schema.model_validate(file.tree)
    except ValidationError as error:
        problems = []
        for problem in error.errors():
            location = _without_tags(problem["loc"], schema)
            key = ".".join(map(str, location)) or "(the whole file)"
            problems.append(ConfigError(f"{key}: {_explain(problem, location, schema)}", file.where(location)))
    raise collect(problems, f"{{n}} problem(s) in {file.path}:", ConfigError) or ConfigError("invalid", str(file.path))


def nearest(word: str, known: Iterable[str]) -> str:
    """Return ` (did you mean ...?)` when a known word is close, else nothing."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean `{close[0]}`?)" if close else ""


# ---------------------------------------------------------------- details


def _index(node: Any, key: str, where: str, parent: str) -> str | int:
    """Return the key as `node` takes it: text for a mapping, a number for a list."""
    if isinstance(node, dict):
        return key
    if not isinstance(node, list):
        raise ConfigError(f"`{parent}` is {node!r} and has no keys of its own", where, f"set {parent}=... as a whole")
    if not key.isdecimal() or int(key) >= len(node):
        raise ConfigError(
            f"`{parent}` is a list of {len(node)}, and {key!r} is none of its places", where, "count from 0"
        )
    return int(key)


def _explain(problem: Any, location: Location, schema: type[BaseModel]) -> str:
    """Say in plain words what is wrong with a value."""
    kind, shown = problem["type"], f" (got {str(problem['input'])[:80]})"
    if kind == "extra_forbidden":
        leaf = str(location[-1])
        siblings = [path[-1] for path in _keys(schema, location[:-1])]
        if hint := nearest(leaf, siblings):
            return f"unknown key{hint}"
        tail = tuple(map(str, location))
        elsewhere = [".".join(path) for path in _all_keys(schema) if path[-len(tail) :] == tail or path[-1] == leaf]
        return "unknown key" + (
            f" (did you mean `{elsewhere[0]}`?)" if elsewhere else f"; known: {', '.join(siblings)}"
        )
    if kind == "missing":
        return "is missing"
    if kind == "value_error":
        return str(problem["ctx"]["error"])
    if kind == "model_type":
        return "should be a mapping of `key: value`" + shown
    return problem["msg"].removeprefix("Input ").lower() + shown


def _models(annotation: Any) -> list[type[BaseModel]]:
    """Return the schemas that an annotation holds, through optional, union, tuple and Annotated."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (Union, types.UnionType, tuple, list, Annotated):
        return [model for argument in get_args(annotation) for model in _models(argument)]
    return []


def _keys(schema: type[BaseModel], location: Location) -> list[tuple[str, ...]]:
    """Return the keys that the schema knows directly below a location."""
    models: list[type[BaseModel]] = [schema]
    for part in location:
        if isinstance(part, str):
            models = [m for model in models if part in model.model_fields for m in _models(_annotation(model, part))]
    return list(dict.fromkeys((name,) for model in models for name in model.model_fields))


def _all_keys(schema: type[BaseModel], prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield every key of a schema as a path; list items are written as place 0."""
    for name in schema.model_fields:
        path = (*prefix, name)
        yield path
        annotation = _annotation(schema, name)
        inner = (*path, "0") if get_origin(annotation) is tuple else path
        for model in _models(annotation):
            yield from _all_keys(model, inner)


def _annotation(model: type[BaseModel], name: str) -> Any:
    return model.model_fields[name].annotation


def _without_tags(location: Location, schema: type[BaseModel]) -> Location:
    """Take out the names of union members, which pydantic puts into a location and no file holds."""
    tags = {
        note.tag
        for model in (schema, *_models_below(schema))
        for info in model.model_fields.values()
        for argument in get_args(info.annotation)
        for note in getattr(argument, "__metadata__", ())
        if isinstance(note, Tag)
    }
    return tuple(part for part in location if part not in tags)


def _models_below(schema: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for name in schema.model_fields:
        for model in _models(_annotation(schema, name)):
            yield model
            yield from _models_below(model)


def _line(node: yaml.Node | None, location: Location) -> tuple[int, bool]:
    """Return the line of the deepest key of `location` that the file has, and whether it has them all."""
    line = 1
    for part in location:
        inner: yaml.Node | None = None
        if isinstance(node, yaml.MappingNode):
            for key_node, value_node in node.value:
                if key_node.value == part:
                    line, inner = key_node.start_mark.line + 1, value_node
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            inner = node.value[part]
            line = inner.start_mark.line + 1
        if inner is None:
            return line, False
        node = inner
    return line, True
