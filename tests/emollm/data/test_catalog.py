"""docs/datasets.md says what the specs say."""

from pathlib import Path

from emollm.data.catalog import catalog_text
from emollm.data.prep import leaf_names, load_leaf

DOCS = Path(__file__).parents[3] / "docs" / "datasets.md"


def test_the_page_is_up_to_date() -> None:
    made = catalog_text(load_leaf(name).spec for name in leaf_names())
    assert DOCS.read_text(encoding="utf-8") == made.rstrip("\n") + "\n", "emollm data info --all > docs/datasets.md"
