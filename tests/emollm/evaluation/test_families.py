"""Every metric finds its truth and its answer: the right answers get the best value, the neighbour's answers a worse one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from emollm.errors import EmoError
from emollm.evaluation.choose import choose
from emollm.evaluation.extraction import Outputs
from emollm.evaluation.families import METRICS
from emollm.evaluation.joining import join
from emollm.evaluation.score import score
from emollm.records import (
    ClassLabel,
    ClassLabels,
    Cue,
    Distribution,
    Prediction,
    Provenance,
    Record,
    Salience,
    Sentiment,
    Targets,
    Vad,
    write_records,
)

BEST = dict.fromkeys(METRICS, 1.0) | {"calibration": 0.0}
PROVENANCE = Provenance(model="m", engine="fake", emollm="0")


def truth(i: int, end: float) -> dict[str, Any]:
    """Return what both sides say of clip i: class, valence, shares, cues."""
    name = "positive" if i % 2 == 0 else "negative"
    valence = (0.2 + i / 10) * (1 if i % 2 == 0 else -1)
    shares = {name: 0.5 + i / 10, f"other{i}": 0.5 - i / 10}
    cues = [
        Cue(modality="audio", text=f"sound{i} rises", start_s=i, end_s=i + 1),
        Cue(modality="video", text=f"AU{i + 1} moves", start_s=i, end_s=i + 2),
    ]
    return {"name": name, "valence": valence, "sentiment": valence * end, "shares": shares, "cues": cues}


def record(i: int, end: float) -> Record:
    true = truth(i, end)
    return Record(
        id=f"clip{i}",
        subject_id=f"speaker{i % 3}",
        targets=Targets(
            label=ClassLabel(space="s", name=true["name"].upper()),
            labels_multi=ClassLabels(space="s", names=(true["name"],)),
            distribution=(Distribution(space="s", kind="votes", probs=true["shares"]),),
            salience=tuple(Salience(label=k, weight=v) for k, v in true["shares"].items()),
            vad=Vad(valence=true["valence"] * 2, arousal=i / 4, dominance=-i / 4, scale=(-2, 2)),
            sentiment=Sentiment(value=true["sentiment"], scale=(-end, end)),
            cues=tuple(
                c.model_copy(update={"au": f"AU{i + 1}" if c.modality == "video" else None}) for c in true["cues"]
            ),
        ),
    )


def prediction(i: int, of: int) -> Prediction:
    """Return the answer about clip i that is right for clip `of`; valence and its like on the scale -1..1."""
    true = truth(of, 1.0)
    return Prediction.model_validate(
        {
            "id": f"clip{i}",
            "task": "full",
            "status": "ok",
            "labels": [{"text": true["name"]}],
            "cues": [cue.model_dump() for cue in true["cues"]],
            "confidence": 1.0,
            "confidence_source": "verbalised",
            "distribution": {"kind": "choices", "probs": true["shares"]},
            "vad": {"valence": true["valence"], "arousal": of / 8, "dominance": -of / 8, "scale": [-1, 1]},
            "provenance": PROVENANCE.model_dump(),
        }
    )


def ranked(folder: Path, name: str, answers: Sequence[Prediction]) -> float:
    end = 3.0 if name == "sentiment-mosi" else 1.0
    gold, file = folder / "gold.jsonl", folder / "answers.jsonl"
    write_records(gold, [record(i, end) for i in range(4)])
    file.write_text("")
    chosen = choose([name])
    report = score(join(gold, [Outputs(file, "emollm", list(answers))], chosen), chosen, draws=20)
    (row,) = report["scores"]
    assert report["intervals"] | {"by": "speaker", "clusters": 3} == report["intervals"]
    return row["values"][row["ranks"]]["value"]


def test_gold_that_cannot_be_read_is_listed_with_its_clip(tmp_path: Path) -> None:
    (tmp_path / "answers.jsonl").write_text("")
    wrong = Cue(modality="video", text="smiles", au="smile")
    records = [record(i, 1.0).model_copy(update={"targets": Targets(cues=(wrong,))}) for i in range(2)]
    write_records(tmp_path / "gold.jsonl", records)
    outputs = Outputs(tmp_path / "answers.jsonl", "emollm", [prediction(i, i) for i in range(2)])
    with pytest.raises(EmoError) as error:
        join(tmp_path / "gold.jsonl", [outputs], choose(["action-units", "presence"]))
    for told in ("(clip0): 'smile' names no action unit", "(clip1): 'smile'", "without targets.salience: clip0, clip1"):
        assert told in str(error.value)


@pytest.mark.parametrize("name", METRICS)
def test_right_answers_score_best_and_exchanged_ones_worse(tmp_path: Path, name: str) -> None:
    right = ranked(tmp_path, name, [prediction(i, i) for i in range(4)])
    wrong = ranked(tmp_path, name, [prediction(i, (i + 1) % 4) for i in range(4)])
    assert right == pytest.approx(BEST[name])
    assert abs(wrong - BEST[name]) > 0.1
