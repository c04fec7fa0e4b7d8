"""What other ways of asking tell about a model: does it hold to its answers when words change, and let go of them when the clip does.

- `against_plain` of a run: share of clips that get the same labels as when asked plainly, and share of answers that name cues of each
  modality, then and now. A model that hears names fewer audio cues of a muted clip.
- `spread`: mean, standard deviation, lowest and highest number over wordings of the question (`prompt-N`) and over orders of the choices
  (`permuted-N`), the plain one among them.
- `shortcut`: the number given the text alone beside the fullest; where both are near, the set can be solved by reading (as AVUT
  asks of its questions, https://arxiv.org/abs/2503.19951).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

from emollm.evaluation.families import clean
from emollm.records import Prediction

_KINDS = {"prompt": "wordings", "permuted": "orders of choices"}
Run = Mapping[str, Any]


def against_plain(plain: Sequence[Prediction], answers: Sequence[Prediction]) -> dict[str, Any]:
    """Return what changed against the plain answers about the same clips, in one order."""
    same = fmean(_labels(one) == _labels(other) for one, other in zip(plain, answers, strict=True))
    named = {
        modality: {"plain": _naming(plain, modality), "now": _naming(answers, modality)}
        for modality in ("audio", "video", "text")
    }
    return {"same_labels": same, "named_cues": {name: one for name, one in named.items() if max(one.values()) > 0}}


def spreads(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Return a row for each part, subset of modalities and seed that was asked in several wordings or orders."""
    rows = []
    for plain in runs:
        if plain["variant"] != "plain" or plain["value"] is None:
            continue
        for kind, what in _KINDS.items():
            others = [run for run in runs if _place(run) == _place(plain) and run["variant"].startswith(f"{kind}-")]
            values = [plain["value"], *(run["value"] for run in others)]
            if len(values) > 1 and None not in values:
                row = {key: plain[key] for key in ("part", "given", "seed")} | {"over": what, "n": len(values)}
                row |= {"mean": fmean(values), "sd": stdev(values), "lowest": min(values), "highest": max(values)}
                row["same_labels"] = fmean(run["against_plain"]["same_labels"] for run in others)
                rows.append(row)
    return rows


def shortcuts(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Return a row for each part that was asked with text alone and with more: both numbers, and their quotient."""
    rows = []
    plain = [run for run in runs if run["variant"] == "plain" and run["value"] is not None and not run["seed"]]
    for part in dict.fromkeys(run["part"] for run in plain):
        given = {run["given"]: run for run in plain if run["part"] == part}
        full = max(given, key=len)
        if "t" in given and "t" in full and full != "t":
            text, whole = given["t"]["value"], given[full]["value"]
            rows.append(
                {"part": part, "text": text, "given": full, "full": whole, "share": text / whole if whole else None}
            )
    return rows


def robustness_rows(results: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield the cells of a table: head first, then what changed in each way of asking, spreads, and shortcuts."""
    yield "part", "given", "asked otherwise", "same labels", "value", "plain", "cues named (then, now)"
    plain = {_place(run): run["value"] for run in results["runs"] if run["variant"] == "plain"}
    for run in results["runs"]:
        if "against_plain" in run:
            changed = run["against_plain"]
            cues = "; ".join(f"{k} {v['plain']:.2f}, {v['now']:.2f}" for k, v in changed["named_cues"].items())
            values = (_number(changed["same_labels"]), _number(run["value"]), _number(plain.get(_place(run))))
            yield run["part"], run["given"], run["variant"], *values, cues
    for row in results.get("spread", ()):
        told = f"{row['n']} {row['over']}: sd {row['sd']:.4f}, {row['lowest']:.4f} to {row['highest']:.4f}"
        yield row["part"], row["given"], told, _number(row["same_labels"]), _number(row["mean"]), "", ""
    for row in results.get("shortcut", ()):
        yield (
            row["part"],
            "t",
            f"text alone, against {row['given']}",
            "",
            _number(row["text"]),
            _number(row["full"]),
            "",
        )


def _place(run: Run) -> tuple[Any, ...]:
    return run["part"], run["given"], run["seed"], run["answers"]


def _labels(answer: Prediction) -> frozenset[str]:
    """Return the labels of an answer; the text of one in free words."""
    return frozenset(clean(label.text) for label in answer.labels) or frozenset({answer.explanation or ""})


def _naming(answers: Sequence[Prediction], modality: str) -> float:
    return fmean(any(cue.modality == modality for cue in answer.cues) for answer in answers)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
