"""Errors carry what, where and fix, through pickling too; plugins name what is missing."""

import pickle

import pytest

from emollm.errors import ConfigError, EmoError, MediaError, collect
from emollm.plugins import load_object


def test_error_text_and_pickle():
    error = MediaError("not_media", "no picture or sound in it", "a.mp4", "check the file")
    again = pickle.loads(pickle.dumps(error))
    assert (again.code, str(again)) == ("not_media", "a.mp4: no picture or sound in it\n  fix: check the file")


def test_several_problems_are_one_error():
    assert collect([], "{n} problems") is None
    error = collect([EmoError("one", "a"), EmoError("two", "b", "mend it")], "{n} problem(s):", ConfigError)
    assert isinstance(error, ConfigError)
    assert str(error) == "2 problem(s):\n  a: one\n  b: two\n    fix: mend it"


def test_load_object_by_path_and_by_module(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("def brevity(): return 7\n")
    assert load_object(f"{file}:brevity")() == 7
    assert load_object("emollm.errors:EmoError") is EmoError


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("nothing", "names no object"),
        ("missing.py:x", "no such Python file"),
        ("no_such_pkg:x", "no module"),
        ("emollm.errors:Nope", "no 'Nope'"),
    ],
)
def test_load_object_says_what_is_missing(reference, message):
    with pytest.raises(EmoError, match=message):
        load_object(reference)
