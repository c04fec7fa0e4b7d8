"""The weighted list of rewards that a recipe gets when it names none.

Chosen on the synthetic training clips with `benchmarks/experiments/cheating.py`: every honest policy there that beats the best constant
list earns more than every cheat.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from emollm.config_model import Options, Section


class RewardItem(Section):
    """One reward of a recipe."""

    name: Annotated[str, Field(min_length=1)]
    """A file of emollm/rewards/, or one's own: `file.py:name` or `package.module:name`."""
    weight: float = 1.0
    """Factor in the total; 0: logged only."""
    options: Options = Field(default_factory=dict)
    """What the reward itself can be told."""

    @property
    def column(self) -> str:
        """Name of the reward in tables: for one's own, what stands after the colon."""
        return self.name.rpartition(":")[2]


DEFAULT = (
    RewardItem(name="contrastive_wheel"),
    RewardItem(name="cue_grounding"),
    RewardItem(name="format", weight=0.2),
    RewardItem(name="emotion_words"),
    RewardItem(name="repetition"),
)
