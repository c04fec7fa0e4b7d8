"""A folder as the field's emotion_wheel folder is built, with words of our own: five wheels, eight runs of synonyms, forms."""

from pathlib import Path

import pytest

from tests.workbook import write_xlsx

WHEEL = [
    ["level1", "level2", "level3"],
    ["Glad", "Zesty", "Merry "],
    ["", "", "Bold"],
    ["", "Airy", "Light"],
    ["Grim", "Low", "Blue"],
]
OTHER = [["level1", "level2", "level3"], ["glad", "zesty", "merry"], ["grim", "low", "bold"], ["", "stern", "merry"]]
SYNONYMS = {"glad": "happy, Joyful", "merry": "happy", "bold": "fearless", "grim": "fear, 'bleak'", "low": "sad"}
FORMS = {
    "happy": "happy,happiness",
    "fear": "fear,fears",
    "fearless": "fear,fearless",
    "sad": "sad",
    "bleak": "bleak,zesty",
    "glad": "glad",
    "orphan": "orphans",
}


@pytest.fixture
def wheel_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "emotion_wheel"
    folder.mkdir()
    for number in range(1, 6):
        write_xlsx(folder / f"wheel{number}.xlsx", WHEEL if number < 5 else OTHER)
    header = [f"{kind}_run{run}" for run in range(1, 9) for kind in ("word", "synonym")]
    rows = [[text for _ in range(8) for text in pair] for pair in SYNONYMS.items()]
    write_xlsx(folder / "synonym.xlsx", [header, *rows])
    lines = "".join(f'{name},"{forms}"\n' for name, forms in FORMS.items())
    (folder / "format.csv").write_text("\ufeffname,format\n" + lines, encoding="utf-8")
    return folder
