"""Records and predictions as plain text, for a terminal."""

from __future__ import annotations

from collections.abc import Iterable

from emollm.records import Cue, Prediction, Record


def record_text(record: Record) -> str:
    """Return a record as a person reads it; what is unknown is left out."""
    targets = record.targets
    lines = [record.id]
    for kind, ref in (("video", record.media.video), ("audio", record.media.audio)):
        if ref is not None:
            lines.append(f"  {kind:<12}{ref.path}{_span(ref.start_s, ref.end_s)}")
    lines += [f"  {turn.speaker or 'someone':<12}{turn.text}" for turn in record.context]
    lines += [f"  {line.kind:<12}{line.text}" for line in record.text]
    if targets.labels_ov is not None:
        lines.append(
            f"  {'labels':<12}{', '.join(label.text for label in targets.labels_ov) or '(insufficient evidence)'}"
        )
    if targets.label is not None:
        lines.append(f"  {'class':<12}{targets.label.name} ({targets.label.space})")
    for votes in targets.distribution:
        shares = ", ".join(
            f"{word} {share:.0%}" for word, share in sorted(votes.probs.items(), key=lambda item: -item[1])[:6]
        )
        lines.append(f"  {votes.kind:<12}{shares}{f'  [seen: {votes.modality}]' if votes.modality else ''}")
    lines += [f"  {'cause':<12}{cause.text}" for cause in targets.cause or () if cause.text]
    return "\n".join(lines + cue_lines(targets.cues or ()))


def prediction_text(prediction: Prediction) -> str:
    """Return a prediction as a person reads it: labels, cues with times, explanation, or what went wrong."""
    if prediction.error is not None:
        fix = f"\n  fix: {prediction.error.fix}" if prediction.error.fix else ""
        return f"{prediction.id}\n  error ({prediction.error.code}): {prediction.error.what}{fix}"
    labels = ", ".join(label.text for label in prediction.labels)
    head = f"The person appears to express: {labels}" if labels else "Insufficient evidence for any emotion."
    lines = [prediction.id, f"  {head}", *cue_lines(prediction.cues)]
    if prediction.explanation:
        lines.append(f"  {prediction.explanation}")
    if prediction.provenance.valid_for:
        lines.append(f"  valid for: {prediction.provenance.valid_for} clips only")
    return "\n".join(lines)


def cue_lines(cues: Iterable[Cue]) -> list[str]:
    """Return one line a cue: modality, time, text, and the label it speaks for."""
    return [
        f"  {cue.modality:<12}{cue.text}{_span(cue.start_s, cue.end_s)}{f'  -> {cue.supports}' if cue.supports else ''}"
        for cue in cues
    ]


def _span(start_s: float | None, end_s: float | None) -> str:
    """Return a time span as text, or nothing when it isn't known."""
    return "" if start_s is None or end_s is None else f"  {start_s:.1f}-{end_s:.1f} s"
