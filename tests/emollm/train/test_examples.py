"""The plan: deterministic, balanced by weight, nothing cut, every loss of a modality counted where it should be."""

from collections import Counter
from collections.abc import Callable
from itertools import pairwise

import pytest

from emollm.config import Curriculum, ModalityDropout, Recipe, Stage
from emollm.errors import EmoError
from emollm.records import Quality, Record
from emollm.train.examples import Example, draw, plan_dev, plan_stage

NONE = ModalityDropout()
HALF = ModalityDropout(audio_absent=0.25, audio_silent=0.25, video_absent=0.25, video_black=0.25, text_absent=0.5)


def length_of(example: Example) -> int:
    return 10 + 7 * (example.record % 5) + (40 if example.task == "explain" else 0)


@pytest.fixture
def stage(make_recipe: Callable[..., Recipe]) -> Stage:
    return make_recipe("stages.0.max_steps=null", "stages.0.epochs=3", "stages.0.batch_size=4").stages[0]


def test_same_seed_same_plan(records: list[Record], stage: Stage) -> None:
    one, same, other = (plan_stage(records, stage, HALF, [seed], length_of) for seed in (1, 1, 2))
    assert one.examples == same.examples and one.examples != other.examples


def test_every_epoch_has_every_record(records: list[Record], stage: Stage) -> None:
    plan = plan_stage(records, stage, HALF, [0], length_of)
    taught = [r for r in range(len(records)) if draw(records[r], r, stage, NONE, [0])]
    assert set(Counter(example.record for example in plan.examples).values()) == {3}
    assert sorted({example.record for example in plan.examples}) == taught
    assert plan.lengths == [length_of(example) for example in plan.examples]


def test_batches_hold_examples_of_like_length(records: list[Record], stage: Stage) -> None:
    def padding(plan_lengths: list[int]) -> int:
        batches = [plan_lengths[i : i + 4] for i in range(0, len(plan_lengths), 4)]
        return sum(max(batch) * len(batch) - sum(batch) for batch in batches)

    grouped = plan_stage(records, stage, NONE, [0], length_of)
    plain = plan_stage(records, stage.model_copy(update={"group_by_length": False}), NONE, [0], length_of)
    assert padding(grouped.lengths) < padding(plain.lengths) / 2


def test_steps_take_the_place_of_epochs(records: list[Record], stage: Stage) -> None:
    steps = stage.model_copy(update={"max_steps": 7, "gradient_accumulation": 2})
    assert len(plan_stage(records, steps, NONE, [0], length_of, world_size=2).examples) == 7 * 4 * 2 * 2
    part = stage.model_copy(update={"epochs": 1.5})
    assert len(plan_stage(records, part, NONE, [0], length_of).examples) == 24


def test_long_examples_are_left_out_and_counted(records: list[Record], stage: Stage) -> None:
    short = stage.model_copy(update={"max_length": 40})
    plan = plan_stage(records, short, NONE, [0], length_of)
    assert max(plan.lengths) <= 40
    assert plan.left_out["longer than 40 tokens"] + len(plan.examples) == 3 * len(records)
    with pytest.raises(EmoError, match="no training example"):
        plan_stage(records, stage.model_copy(update={"max_length": 16}), NONE, [0], lambda _: 99)


def test_dropout_rates(records: list[Record], stage: Stage) -> None:
    record = records[0]
    drawn = [draw(record, 0, stage, HALF, [0, i]) for i in range(2000)]
    audio = Counter(example.audio for example in drawn if example)
    text = Counter(example.text for example in drawn if example)
    assert audio["absent"] == pytest.approx(500, abs=80) and audio["silent"] == pytest.approx(500, abs=80)
    assert text[False] == pytest.approx(1000, abs=100)
    assert all(
        example and example.audio == "present" for example in (draw(record, 0, stage, NONE, [i]) for i in range(9))
    )


def test_task_weights(records: list[Record], stage: Stage) -> None:
    tasks = Counter(example.task for i in range(2500) if (example := draw(records[0], 0, stage, NONE, [i])))
    assert tasks["labels"] == pytest.approx(1000, abs=120) and tasks["ask"] == pytest.approx(500, abs=100)


def test_questions_are_asked_only_where_they_can_be_answered(records: list[Record], stage: Stage) -> None:
    dropout = ModalityDropout(audio_absent=0.5)
    asked = [draw(records[0], 0, stage, dropout, [i]) for i in range(400)]
    deaf = [example for example in asked if example and example.task == "ask" and example.audio == "absent"]
    heard = [example for example in asked if example and example.task == "ask" and example.audio == "present"]
    assert heard and all((records[0].targets.qa or ())[e.question].needs != ("audio",) for e in deaf)


def test_dev_plan_is_the_file_with_nothing_dropped(records: list[Record], stage: Stage) -> None:
    plan = plan_dev(records, stage, [0], length_of)
    assert [example.record for example in plan.examples] == list(range(len(records)))
    assert plan.examples[0].present == ("audio", "video", "text")


def test_a_curriculum_sorts_each_epoch(records: list[Record], stage: Stage) -> None:
    rated = [
        record.model_copy(update={"quality": Quality(agreement=(7 * number % 16) / 16)})
        for number, record in enumerate(records)
    ]
    for first, sign in (("high", -1), ("low", 1)):
        eased = stage.model_copy(
            update={"curriculum": Curriculum(column="quality.agreement", first=first), "group_by_length": False}
        )
        plan = plan_stage(rated, eased, NONE, [0], length_of)
        per_epoch = len(plan.examples) // 3
        for epoch in range(3):
            part = plan.examples[epoch * per_epoch : (epoch + 1) * per_epoch]
            agreement = [sign * (7 * example.record % 16) for example in part]
            assert agreement == sorted(agreement)


def test_a_curriculum_keeps_runs_of_batches_in_place(records: list[Record], stage: Stage) -> None:
    many = [
        record.model_copy(update={"quality": Quality(n_raters=number)}) for number, record in enumerate(records * 30)
    ]
    eased = stage.model_copy(
        update={"curriculum": Curriculum(column="quality.n_raters", first="low"), "batch_size": 2, "epochs": 1}
    )
    shown = [example.record for example in plan_stage(many, eased, NONE, [0], length_of).examples]
    runs = [shown[at : at + 100] for at in range(0, len(shown), 100)]
    assert len(runs) > 3 and all(max(one) < min(other) for one, other in pairwise(runs))
    assert runs[0] != sorted(runs[0]), "batches are shuffled within their run"


def test_a_curriculum_needs_its_column(records: list[Record], stage: Stage) -> None:
    eased = stage.model_copy(update={"curriculum": Curriculum(column="quality.agreement", first="low")})
    with pytest.raises(EmoError, match=r"16 records have no number in quality\.agreement, such as hand:train:00"):
        plan_stage(records, eased, NONE, [0], length_of)
