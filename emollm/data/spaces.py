"""Label spaces: ids of closed sets of classes, each with its labels in the order of its source.

Open vocabulary has no space. A leaf whose labels stand in no list here adds its own with `Spec(spaces={...})`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_SPACES = {
    "mer6": "neutral angry happy sad worried surprise",
    "merr9": "neutral angry happy sad worried surprise fear contempt doubt",
    "meld7": "neutral surprise fear sadness joy disgust anger",
    "iemocap4": "happy sad neutral angry",
    "iemocap6": "happy sad neutral angry excited frustrated",
    "iemocap10": "happy sad neutral angry excited frustrated fearful surprised disgusted other",
    "dfew7": "happy sad neutral angry surprise disgust fear",
    "ferv7": "happy sad neutral angry surprise disgust fear",
    "mafw11": "anger disgust fear happiness neutral sadness surprise contempt anxiety helplessness disappointment",
    "ravdess8": "neutral calm happy sad angry fearful disgust surprised",
    "cremad6": "anger disgust fear happy neutral sad",
    "msp8": "anger happy sad neutral surprise fear disgust contempt",
    "msp9": "anger happy sad neutral surprise fear disgust contempt other",
    "msp4": "anger happy sad neutral",
    "msp5": "anger happy sad neutral other",
    "m3ed7": "happy neutral sad disgust anger fear surprise",
    "emotiontalk7": "neutral happy sad angry surprised disgusted fearful",
    "emotionlines8": "neutral joy sadness fear anger surprise disgust non-neutral",
    "ekman6": "anger disgust fear joy sadness surprise",
    "ekman7": "anger disgust fear joy sadness surprise neutral",
    "goemotions28": "admiration amusement anger annoyance approval caring confusion curiosity desire disappointment "
    "disapproval disgust embarrassment excitement fear gratitude grief joy love nervousness optimism pride realization "
    "relief remorse sadness surprise neutral",
    "emotic26": "Affection Anger Annoyance Anticipation Aversion Confidence Disapproval Disconnection Disquietment "
    "Doubt/Confusion Embarrassment Engagement Esteem Excitement Fatigue Fear Happiness Pain Peace Pleasure Sadness "
    "Sensitivity Suffering Surprise Sympathy Yearning",
    "abaw8": "Neutral Anger Disgust Fear Happiness Sadness Surprise Other",
    "blemore6": "anger disgust fear happiness sadness neutral",
    "sentiment3": "negative neutral positive",
}
SPACES: Mapping[str, tuple[str, ...]] = MappingProxyType({name: tuple(text.split()) for name, text in _SPACES.items()})
