"""Metrics by the names that `emollm score` takes, over the wheels asked for; each stands in a file of its family."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from emollm.emotions.maps import OWN, Maps, load_maps
from emollm.errors import ConfigError
from emollm.evaluation import open_labels, questions
from emollm.evaluation.cause_spans import CAUSE_SPANS
from emollm.evaluation.causes import CAUSES
from emollm.evaluation.descriptions import DESCRIPTION
from emollm.evaluation.families import METRICS as FAMILIES
from emollm.evaluation.families import Metric
from emollm.evaluation.matching import encoder
from emollm.evaluation.statements import soft_metrics
from emollm.metrics.wheel import METRICS as OVER_WHEELS

SOFT = soft_metrics()
METRICS = {
    **FAMILIES,
    **questions.METRICS,
    "causes": CAUSES,
    "cause-spans": CAUSE_SPANS,
    "description": DESCRIPTION,
    **SOFT,
}


@dataclass(frozen=True)
class Chosen:
    """A metric by the name that its row gets, with the maps it is over, or the encoder it matches by, if there is one."""

    name: str
    metric: Metric
    maps: Maps | None = None
    encoder: Mapping[str, str] | None = None


def known_metrics() -> dict[str, str]:
    """Return name -> what it is, of all metrics."""
    return open_labels.ABOUT | {"mer2024": open_labels.MER2024} | {name: one.about for name, one in METRICS.items()}


def choose(
    names: Sequence[str],
    wheels: Sequence[str] = (),
    groups: Mapping[str, Sequence[Sequence[str]]] | None = None,
    embeddings: str = "",
) -> list[Chosen]:
    """Return metrics by their names; a metric over wheels once for each of the wheels.

    Args:
        names: Names of `known_metrics`.
        wheels: Versions of maps; none: those the metric asks for, else our own.
        groups: Clip -> lists of labels that mean the same, for `mer2024`.
        embeddings: Sentence encoder, for metrics that match statements (`SOFT`); empty: words and emotions.

    Raises:
        ConfigError: A name is unknown, or `mer2024` has no groups.
        EmoError: Wheels were not imported.
    """
    chosen: list[Chosen] = []
    if not names:
        raise ConfigError("no metric", "--metric", f"known are {', '.join(known_metrics())}")
    for name in dict.fromkeys(names):
        if embeddings and name in SOFT:
            by = encoder(embeddings)
            chosen.append(Chosen(f"{name} [{by.name}]", soft_metrics(by, by.name)[name], encoder=by.facts))
        elif name in METRICS:
            chosen.append(Chosen(name, METRICS[name]))
        elif name == "mer2024":
            if groups is None:
                raise ConfigError(
                    "mer2024 needs the groups of labels that mean the same", "--metric", "add --groups FILE"
                )
            chosen.append(Chosen(name, open_labels.mer2024_metric(groups)))
        elif name in open_labels.ABOUT:
            asked = OVER_WHEELS[name].wheels if name in OVER_WHEELS else None
            for version in (asked,) if asked and (not wheels or asked in wheels) else wheels or (OWN,):
                maps = load_maps(version)
                chosen.append(Chosen(f"{name} [{maps.version}]", open_labels.wheel_metric(name, maps), maps))
        else:
            near = difflib.get_close_matches(name, known_metrics(), 1)
            fix = f"did you mean {near[0]}?" if near else f"known are {', '.join(known_metrics())}"
            raise ConfigError(f"no metric {name!r}", "--metric", fix)
    return chosen
