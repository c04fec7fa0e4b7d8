"""What all leaves of dialogues, texts and question sets have in common."""

from collections.abc import Callable
from typing import Any

import pytest

from emollm.data.prep import load_leaf

FACTS = {"mc_eiu": ("language=en", "emotions=" + ",".join(load_leaf("mc_eiu").spec.labels("mceiu7")))}
FACTS["mc_eiu"] += ("intents=" + ",".join(load_leaf("mc_eiu").spec.labels("mceiu9")),)
LEAVES = (
    "meld", "emotionlines", "iemocap", "m3ed", "emotiontalk", "mc_eiu", "ecf", "brighter", "goemotions", "msp_podcast", "msp_improv",
    "emobench_m", "mme_emotion", "emorealm", "eibench",
)  # fmt: skip


@pytest.mark.parametrize("name", LEAVES)
def test_another_folder_is_refused_with_the_layout(name: str, make_copy: Callable[..., Any]) -> None:
    copy = make_copy(name, load_leaf(name).spec.counts)
    copy.text("notes.txt", "nothing of this data set")
    message = copy.refused("--allow-missing", *(word for fact in FACTS.get(name, ()) for word in ("--set", fact)))
    spec = load_leaf(name).spec
    assert f"no {spec.title} here (missing: " in message
    assert spec.layout.strip().splitlines()[0] in message


@pytest.mark.parametrize("name", LEAVES)
def test_a_leaf_says_where_its_data_comes_from(name: str) -> None:
    leaf = load_leaf(name)
    spec = leaf.spec
    assert spec.name == name == leaf.path.stem
    assert spec.url.startswith("http") and spec.citation.startswith("http") and spec.access and spec.languages
    assert f"emollm data prep {name} " in leaf.path.read_text(encoding="utf-8").split('"""')[1]
    for classes in spec.classes.values():
        assert any(set(classes) <= set(spec.labels(space)) for space in spec.spaces)
