"""From the list in a recipe to rewards that grade: loaded, checked, taught by the training records, and added up.

Ours by name (one file of this room each), a user's by `file.py:name` or `package.module:name`: a function of a list of rollouts, or a class
whose instances are called so. Both may give a grade, a number or None for each rollout.
"""

from __future__ import annotations

import inspect
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from pydantic import ValidationError

from emollm.config_yaml import nearest
from emollm.errors import ConfigError, EmoError, collect
from emollm.plugins import load_object
from emollm.records import Record
from emollm.rewards.action_units import ActionUnits
from emollm.rewards.affective_tree import AffectiveTree
from emollm.rewards.alignment import Alignment
from emollm.rewards.brier import Brier
from emollm.rewards.contrastive_wheel import ContrastiveWheel
from emollm.rewards.cue_grounding import CueGrounding
from emollm.rewards.default import RewardItem
from emollm.rewards.dual import Dual
from emollm.rewards.emotion_words import EmotionWords
from emollm.rewards.exact import Exact
from emollm.rewards.format import Format
from emollm.rewards.hit import Hit
from emollm.rewards.length import Length
from emollm.rewards.log_score import LogScore
from emollm.rewards.overlong import Overlong
from emollm.rewards.repetition import Repetition
from emollm.rewards.rollout import Grade, Judge, Reward, Rollout
from emollm.rewards.sectors import sectors
from emollm.rewards.vad_ccc import VadCcc
from emollm.rewards.vad_distance import VadDistance
from emollm.rewards.valence import Valence
from emollm.rewards.wheel import Wheel

REWARDS: Mapping[str, type[Reward]] = {
    "action_units": ActionUnits,
    "affective_tree": AffectiveTree,
    "alignment": Alignment,
    "brier": Brier,
    "contrastive_wheel": ContrastiveWheel,
    "cue_grounding": CueGrounding,
    "dual": Dual,
    "emotion_words": EmotionWords,
    "exact": Exact,
    "format": Format,
    "hit": Hit,
    "length": Length,
    "log_score": LogScore,
    "overlong": Overlong,
    "repetition": Repetition,
    "vad_ccc": VadCcc,
    "vad_distance": VadDistance,
    "valence": Valence,
    "wheel": Wheel,
}


@dataclass(frozen=True)
class Grades:
    """What a batch earned.

    Attributes:
        names: Names of the rewards.
        values: What each reward gave, (rollouts, rewards); NaN where it does not apply.
        total: Weighted sum, (rollouts,); what does not apply counts as nothing.
        reasons: Why, rollouts x rewards.
        rollouts: The rollouts.
    """

    names: tuple[str, ...]
    values: np.ndarray
    total: np.ndarray
    reasons: list[list[str]]
    rollouts: Sequence[Rollout]

    def row(self, place: int) -> dict[str, Any]:
        """Return the total, values and reasons of one rollout, as a row of rollouts.jsonl has them."""
        values = [None if math.isnan(value) else float(value) for value in self.values[place]]
        return {
            "reward": float(self.total[place]),
            "rewards": dict(zip(self.names, values, strict=True)),
            "reasons": dict(zip(self.names, map(_writable, self.reasons[place]), strict=True)),
        }

    def means(self) -> dict[str, float]:
        """Return means over the batch, as a row of metrics.jsonl has them; a reward that never applied is left out."""
        row = {"reward": float(self.total.mean()), "reward_std": float(self.total.std())}
        for name, column in zip(self.names, self.values.T, strict=True):
            if not np.isnan(column).all():
                row[f"rewards/{name}"] = float(np.nanmean(column))
        row["labels"] = float(np.mean([len(rollout.answer.labels) for rollout in self.rollouts]))
        row["parse/ok"] = float(np.mean([rollout.parsed.status == "ok" for rollout in self.rollouts]))
        return row


@dataclass(frozen=True)
class Rewards:
    """The weighted rewards of a recipe, ready to grade."""

    names: tuple[str, ...]
    weights: tuple[float, ...]
    judges: tuple[Judge, ...]
    citations: tuple[str, ...]

    def grade(self, rollouts: Sequence[Rollout]) -> Grades:
        """Grade a batch of completions, of one clip or many.

        Raises:
            EmoError: A reward gave something else than one finite number, or None, for each rollout.
        """
        columns = [
            _checked(name, judge(rollouts), rollouts) for name, judge in zip(self.names, self.judges, strict=True)
        ]
        values = np.array([[math.nan if g.value is None else g.value for g in column] for column in columns]).T
        values = values.reshape(len(rollouts), len(self.names))
        total = np.nan_to_num(values) @ np.array(self.weights)
        return Grades(
            self.names, values, total, [[g.reason for g in row] for row in zip(*columns, strict=True)], rollouts
        )


def check_rewards(items: Sequence[RewardItem]) -> list[EmoError]:
    """Return everything that is wrong with a list of rewards: names, options, files, wheels, two of one name."""
    return _load(items)[1]


def load_rewards(items: Sequence[RewardItem], records: Sequence[Record]) -> Rewards:
    """Load rewards and let them learn from the training records what they need.

    Args:
        items: The list of a recipe.
        records: Training records.

    Raises:
        ConfigError: All that is wrong with the list, or a reward cannot learn from these records.
    """
    loaded, problems = _load(items)
    judges = []
    for item, reward in zip(items, loaded, strict=True):
        learn = getattr(reward, "learn", None)
        try:
            judges.append(reward if learn is None else learn(records))
        except EmoError as problem:
            problems.append(EmoError(problem.what, f"reward {item.name}", problem.fix))
    if error := collect(problems, "{n} problem(s) with the rewards:", ConfigError):
        raise error
    return Rewards(
        tuple(item.column for item in items),
        tuple(item.weight for item in items),
        tuple(judges),
        tuple(dict.fromkeys(text for reward in loaded if (text := getattr(reward, "citation", "")))),
    )


def _writable(reason: str) -> str:
    """Return a reason without lone surrogates, which a completion can hold as an escape, and UTF-8 cannot."""
    return reason.encode(errors="replace").decode()


def _load(items: Sequence[RewardItem]) -> tuple[list[Any], list[EmoError]]:
    """Return the rewards, None for those that cannot be loaded, and what is wrong."""
    loaded: list[Any] = []
    problems = []
    for item in items:
        where = f"reward {item.name}"
        try:
            loaded.append(_make_own(item, where) if ":" in item.name else _make(item, where))
        except EmoError as error:
            loaded.append(None)
            problems.append(error)
    doubled = [name for name, times in Counter(item.column for item in items).items() if times > 1]
    problems += [
        EmoError("stands twice", f"reward {name}", "list each reward once, with one weight") for name in doubled
    ]
    return loaded, problems


def _make(item: RewardItem, where: str) -> Reward:
    """Return one of our rewards with its options."""
    if item.name not in REWARDS:
        fix = f"known: {', '.join(REWARDS)}; or give one of your own as file.py:name"
        raise EmoError(f"there is no such reward{nearest(item.name, REWARDS)}", where, fix)
    kind = REWARDS[item.name]
    try:
        reward = kind.model_validate(item.options)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'options'}: {e['msg']}" for e in error.errors())
        options = ", ".join(kind.model_fields) or "none"
        raise EmoError(wrong, where, f"its options: {options}") from None
    if (wheels := getattr(reward, "wheels", None)) is not None:
        sectors(wheels)
    return reward


def _make_own(item: RewardItem, where: str) -> Callable[..., Any]:
    """Return a user's reward: an instance of a class, or a function with its options."""
    found: Any = load_object(item.name)
    if not callable(found):
        raise EmoError(
            f"{type(found).__name__} is no function and no class", where, "give a function of a list of rollouts"
        )
    try:
        signature = inspect.signature(found)
        if inspect.isclass(found):
            signature.bind(**item.options)
        else:
            signature.bind([], **item.options)
    except (TypeError, ValueError) as error:
        raise EmoError(
            f"cannot be called with these options: {error}", where, f"it is {found.__name__}{signature}"
        ) from None
    make: Callable[..., Any] = found
    return make(**item.options) if inspect.isclass(found) else partial(make, **item.options)


def _checked(name: str, given: Sequence[Grade | float | None], rollouts: Sequence[Rollout]) -> list[Grade]:
    """Return what a reward gave as grades."""
    fix = "give one Grade, finite number or None for each rollout"
    if not isinstance(given, list | tuple | np.ndarray) or len(given) != len(rollouts):
        count = len(given) if hasattr(given, "__len__") else type(given).__name__
        raise EmoError(f"gave {count} for {len(rollouts)} rollouts", f"reward {name}", fix)
    grades = [one if isinstance(one, Grade) else Grade(one, "") for one in given]
    for grade, rollout in zip(grades, rollouts, strict=True):
        try:
            odd = grade.value is not None and not math.isfinite(grade.value)
        except TypeError:
            odd = True
        if odd:
            raise EmoError(f"gave {grade.value!r} for {rollout.record.id}", f"reward {name}", fix)
    return grades
