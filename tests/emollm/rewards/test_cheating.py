"""The default rewards rank honest policies above cheats; plain wheel F does not."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.experiments.cheating import Bench, failures, grade, read_lists, show
from emollm.records import Cue, OpenLabel, Record, Targets, TextLine

REFERENCE = Path(__file__).parents[4] / "shared" / "reference" / "mer2024_ov" / "check-openset.csv"
SIGNS = {  # label -> what is usually seen or heard with it
    "happy": ("lip corners pulled up", "voice is lively"),
    "joyful": ("cheeks raised", "voice is lively"),
    "sad": ("gaze lowered", "voice is quiet"),
    "furious": ("brows drawn together", "voice is loud"),
    "afraid": ("eyes wide open", "voice trembles"),
    "neutral": ("gaze lowered", "voice is flat"),
}


def clips(count: int) -> list[Record]:
    """Clips with one or two labels, the first of them common, and their cues."""
    noise = np.random.default_rng(0)
    words, common = list(SIGNS), [0.35, 0.2, 0.15, 0.1, 0.1, 0.1]
    found = []
    for number in range(count):
        labels = noise.choice(words, noise.integers(1, 3), replace=False, p=common)
        cues = [
            Cue(modality=modality, text=text, supports=label)
            for label in labels
            for modality, text in zip(("video", "audio"), SIGNS[label], strict=True)
        ]
        targets = Targets(labels_ov=tuple(OpenLabel(text=label) for label in labels), cues=tuple(cues))
        said = (TextLine(text="there are ten chairs in this room i guess"),)
        found.append(Record(id=f"clip{number}", text=said, targets=targets))
    return found


def test_default_cannot_be_gamed_where_plain_f_can():
    found = clips(120)
    rows = grade(Bench(found[::2], found[1::2], candidates=6))
    assert failures(rows, "default") == []
    assert failures(rows, "ew"), "the bench would see it"
    by = {row.policy: row for row in rows}
    constant = next(row for row in rows if row.policy.startswith("constant, best for ew"))
    assert constant.ew > 0.4 > 0.1 > abs(constant.parts["contrastive_wheel"])
    assert by["right labels, wrong explanation"].ew == 1 > by["right labels, wrong explanation"].parts["cue_grounding"]
    assert by["honest, 0% of labels replaced"].f == 1
    assert [row.default for row in rows[:3]] == sorted((row.default for row in rows[:3]), reverse=True)
    assert len(show(rows).splitlines()) == len(rows) + 2
    assert {"transcript copied", "every word", "non-words", "nothing written", "empty list", "always neutral"} <= set(
        by
    )


@pytest.mark.skipif(not REFERENCE.is_file(), reason="no ../shared/reference/mer2024_ov")
def test_default_cannot_be_gamed_on_real_label_lists():
    found = read_lists(REFERENCE)
    assert len(found) == 332
    rows = grade(Bench(found[::2], found[1::2], candidates=12))
    assert failures(rows, "default") == []
    assert sum(row.honest for row in rows) == 3
