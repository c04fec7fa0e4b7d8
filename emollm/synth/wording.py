"""From parameters to words: cue phrases, explanations, questions and their answers.

`explanation` and `answer_question` are pure functions of labels and cues, so that training can rebuild a text when a modality is taken
away. Everything says what a person appears to feel, never what someone feels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from emollm.records import Cue

ACTION_PHRASES: dict[str, str] = {
    "au1": "inner brows raised",
    "au2": "outer brows raised",
    "au4": "brows drawn together",
    "au5": "eyes wide open",
    "au6": "cheeks raised",
    "au7": "eyelids tightened",
    "au9": "nose wrinkled",
    "au10": "upper lip raised",
    "au12": "lip corners pulled up",
    "au14": "one lip corner tightened",
    "au15": "lip corners turned down",
    "au17": "chin pushed up",
    "au20": "lips stretched wide",
    "au23": "lips pressed thin",
    "au26": "jaw dropped",
    "au43": "eyelids drooping",
    "gaze_down": "gaze lowered",
    "gaze_away": "gaze turned away",
    "head_down": "head lowered",
    "head_back": "head tipped back",
    "head_tilt": "head tilted to one side",
    "head_shake": "head shaking",
}
PROSODY_PHRASES: dict[str, tuple[str, str]] = {  # below and above the speaker's neutral
    "f0_level": ("voice is low", "voice is high"),
    "f0_range": ("voice is flat", "voice is lively"),
    "f0_slope": ("pitch falls", "pitch rises"),
    "energy": ("voice is quiet", "voice is loud"),
    "rate": ("speech is slow", "speech is fast"),
    "pauses": ("speech runs without pauses", "speech has long pauses"),
    "tremor": ("voice is steady", "voice trembles"),
    "breathiness": ("voice is clear", "voice is breathy"),
    "tension": ("voice is lax", "voice is tense"),
}
EVIDENT = "words suggest {}"  # a family
TOLD = "tells that {}"  # an event clause
NO_EVIDENCE = "There is too little to see or hear to say what the person appears to feel."

QUESTIONS: dict[str, tuple[str, ...]] = {
    "why": ("Why does the person seem {label}?", "What makes the person appear {label}?"),
    "video": ("What does the face show?", "What can be seen in the face?"),
    "audio": ("How does the voice sound?", "What can be heard in the voice?"),
    "text": ("What do the words suggest?", "What does the wording tell?"),
}
_SUBJECT = {"video": "The face shows", "audio": "The voice gives this", "text": "The words give this"}
_NOTHING = {
    "video": "The face shows nothing clear.",
    "audio": "The voice gives nothing clear.",
    "text": "The words give nothing clear.",
}


def joined(parts: Sequence[str]) -> str:
    """Join with commas and a final "and"."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def explanation(labels: Sequence[str], cues: Sequence[Cue]) -> str:
    """Say what the person appears to feel and by which cues; only the cues given are named.

    Args:
        labels: Emotion words, most salient first; none means that there is not enough to go by.
        cues: The cues to name, in order.
    """
    if not labels:
        return NO_EVIDENCE
    head = f"The person appears {joined(labels)}"
    return f"{head}: {joined([cue.text for cue in cues])}." if cues else f"{head}, though no single cue stands out."


def answer_question(kind: str, labels: Sequence[str], cues: Sequence[Cue]) -> str:
    """Answer one of QUESTIONS in one sentence from cues.

    Args:
        kind: `why`, or a modality (`video`, `audio`, `text`).
        labels: Emotion words of the clip.
        cues: True cues; for a modality, those of the other modalities are left out.
    """
    if kind == "why":
        return explanation(labels, cues)
    own = [cue.text for cue in cues if cue.modality == kind]
    return f"{_SUBJECT[kind]}: {joined(own)}." if own else _NOTHING[kind]


def question(kind: str, labels: Sequence[str], rng: np.random.Generator) -> str:
    """Draw one wording of a question."""
    stock = QUESTIONS[kind]
    return stock[rng.integers(len(stock))].format(label=labels[0] if labels else "moved")
