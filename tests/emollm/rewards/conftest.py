"""Completions with what they answer, and one reward at a time."""

import json

from emollm.prompts import TASKS
from emollm.records import ClassLabel, Cue, OpenLabel, Record, Targets, Vad
from emollm.rewards import Grade, RewardItem, Rollout
from emollm.rewards.loading import load_rewards

LIPS = Cue(modality="video", text="lip corners pulled up", au="AU12", supports="happy", start_s=0, end_s=2)
CHEEKS = Cue(modality="video", text="cheeks raised", au="AU6", supports="happy", start_s=1, end_s=2)
LOUD = Cue(modality="audio", text="voice is loud", start_s=0, end_s=3)  # there, but speaks for no label


def clip(*labels, id_="clip", cues=None, vad=None, name=None):
    """A record with open labels (or one class), cues, and (valence, arousal) on 1..5."""
    targets = Targets(
        labels_ov=None if name else tuple(OpenLabel(text=label) for label in labels),
        label=ClassLabel(space="mer6", name=name) if name else None,
        cues=cues,
        vad=vad and Vad(valence=vad[0], arousal=vad[1], scale=(1, 5)),
    )
    return Record(id=id_, targets=targets)


def answer(*labels, cues=(), explanation="", confidence=0.5, task="labels"):
    """The answer string; a cue is its modality and text, and its times if there are four."""
    names = ("modality", "text", "start_s", "end_s")
    told = [dict(zip(names, cue, strict=False)) for cue in cues]
    whole = {"labels": labels, "cues": told, "explanation": explanation, "confidence": confidence}
    return json.dumps({key: whole[key] for key in TASKS[task].answer_keys})


def grade(name, record, text, task="labels", records=(), tokens=0, truncated=False, **options) -> Grade:
    """What one reward gives one completion."""
    asked = TASKS[task] if isinstance(task, str) else task
    rewards = load_rewards([RewardItem(name=name, options=options)], list(records))
    (given,) = rewards.judges[0]([Rollout(text, record, asked, tokens, truncated)])
    return given


def value(*arguments, **options):
    """The value alone."""
    return grade(*arguments, **options).value
