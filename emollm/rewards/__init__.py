"""Rewards: what a completion earns, one reward a file, computed here and now without another model.

    rewards = load_rewards(DEFAULT, records)                   # emollm/rewards/loading.py
    grades = rewards.grade([Rollout(text, record, task)])      # values, reasons, weighted total

A reward says `None` only where the record or the task has nothing to judge by, never because of what the completion says: an answer
cannot leave a reward by keeping silent.
"""

from emollm.rewards.default import DEFAULT, RewardItem
from emollm.rewards.rollout import Grade, Reward, Rollout

__all__ = ["DEFAULT", "Grade", "Reward", "RewardItem", "Rollout"]
