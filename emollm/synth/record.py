"""Put one synthetic clip together as a record: truth, words, raters' votes, gold, cues and texts.

Gold is what the raters perceived from the media, not what was intended (`targets.intended`). Clips whose words contradict the state
carry a gold per modality as well: votes of raters who were given only sound, only picture or only words.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emollm.records import (
    QA,
    Cause,
    ClassLabel,
    Cue,
    Description,
    Distribution,
    License,
    Media,
    MediaRef,
    OpenLabel,
    Quality,
    Record,
    RecordProvenance,
    Salience,
    Targets,
    TextLine,
    Turn,
    Vad,
)
from emollm.records import Speaker as RecordSpeaker
from emollm.synth.causal import Truth, draw_clip, draw_speaker
from emollm.synth.events import events
from emollm.synth.explain import MAX_CUES, true_cues
from emollm.synth.language import Line, draw_dialogue, draw_sentence
from emollm.synth.likelihood import evidence_of, log_likelihood, posterior
from emollm.synth.raters import (
    CONSERVATISM,
    LAPSE,
    N_RATERS,
    Ballot,
    gold_families,
    gold_labels,
    vote,
    vote_shares,
)
from emollm.synth.script import ClipScript
from emollm.synth.vocabulary import VAD_SCALE, VALENCE_SIGN
from emollm.synth.wording import QUESTIONS, answer_question, explanation, question

WORDS_SPACE, FAMILY_SPACE = "synth-words", "synth12"
READER = "emollm.synth/1"


@dataclass(frozen=True)
class Clip:
    """A clip before it is drawn: its record without media, its truth and its script."""

    record: Record
    truth: Truth
    script: ClipScript


def record_id(split: str, index: int) -> str:
    """Return the id of a record."""
    return f"synth:{split}:{index:08d}"


def media_name(split: str, index: int, truth: Truth) -> str:
    """Return the file name of a clip's media; sound without a picture is a wav file."""
    return f"{split}-{index:08d}{'.wav' if truth.video_state == 'absent' else '.mp4'}"


def perceived(truth: Truth, modalities: str = "avt") -> np.ndarray:
    """Return P(state) as raters perceive it from the modalities, (states,)."""
    return posterior(log_likelihood(evidence_of([truth.to_dict()]), modalities), CONSERVATISM, LAPSE)[0]


def supplied(truth: Truth) -> str:
    """Return the letters (out of `avt`) of the modalities that carry something."""
    present = {"a": truth.audio_state == "present", "v": truth.video_state == "present", "t": truth.words is not None}
    return "".join(letter for letter, there in present.items() if there)


def in_conflict(truth: Truth) -> bool:
    """Tell whether the words speak for a family of another valence than the state's."""
    if truth.words is None or truth.words == "none":
        return False
    return VALENCE_SIGN[truth.words] != VALENCE_SIGN[truth.primary]


def _distributions(truth: Truth, ballot: Ballot | None, rng: np.random.Generator) -> tuple[Distribution, ...]:
    if ballot is None:
        return ()
    ballots = {supplied(truth): ballot}
    if in_conflict(truth):
        ballots |= {letter: vote(perceived(truth, letter), rng) for letter in supplied(truth) if letter not in ballots}
    return tuple(
        Distribution(space=WORDS_SPACE, kind="votes", probs=vote_shares(votes), modality=letters, n=N_RATERS)
        for letters, votes in ballots.items()
    )


def _question(kind: str, labels: tuple[str, ...], cues: tuple[Cue, ...], rng: np.random.Generator) -> QA:
    own = [cue for cue in cues if cue.modality == kind][:MAX_CUES]
    supporting = [cue for cue in cues if cue.supports is not None]
    return QA(
        question=question(kind, labels, rng),
        answer=answer_question(kind, labels, supporting if kind == "why" else own),
        task=f"ask:{kind}",
        needs=() if kind == "why" else (kind,),
    )


def _vad(ballot: Ballot) -> Vad:
    valence, arousal, dominance = (round(float(value), 3) for value in ballot.vad.mean(axis=0))
    spread = [round(float(value), 3) for value in ballot.vad.std(axis=0)]
    return Vad(
        valence=valence,
        arousal=arousal,
        dominance=dominance,
        scale=VAD_SCALE,
        sd=(spread[0], spread[1], spread[2]),
    )


def _targets(truth: Truth, script: ClipScript, cause: tuple[Cause, ...] | None, rng: np.random.Generator) -> Targets:
    ballot = vote(perceived(truth), rng) if supplied(truth) else None
    labels = gold_labels(ballot) if ballot else ()
    cues = true_cues(truth, script, labels)
    blend = [(truth.primary, 1.0)] if truth.secondary is None else [(truth.primary, 0.7), (truth.secondary, 0.3)]
    kinds = rng.permutation(list(QUESTIONS))[: rng.integers(1, 3)]
    return Targets(
        labels_ov=tuple(OpenLabel(text=label, lang="en") for label in labels),
        label=ClassLabel(space=FAMILY_SPACE, name=gold_families(labels)[0]) if labels else None,
        intended=tuple(Salience(label=label, weight=weight) for label, weight in blend),
        distribution=_distributions(truth, ballot, rng),
        raters=tuple({"rater": i, "labels": list(words)} for i, words in enumerate(ballot.words)) if ballot else None,
        vad=_vad(ballot) if ballot else None,
        description=(
            Description(
                text=explanation(labels, [cue for cue in cues if cue.supports is not None]),
                kind="reasoning",
                author="generator",
                lang="en",
            ),
        ),
        cues=cues,
        cause=cause,
        qa=tuple(_question(str(kind), labels, cues, rng) for kind in kinds),
    )


def _turns(identifier: str, truth: Truth, lines: tuple[Line, ...]) -> tuple[tuple[Turn, ...], tuple[Cause, ...] | None]:
    turns = tuple(
        Turn(
            id=f"{identifier}:turn{i}",
            speaker=truth.speaker if line.who == "speaker" else "listener",
            text=line.text,
            emotion=line.emotion,
        )
        for i, line in enumerate(lines)
    )
    clause = events()[truth.event].text
    causes = tuple(
        Cause(
            utterance=turn.id,
            span=(turn.text.index(clause), turn.text.index(clause) + len(clause)),
            text=clause,
            modality="text",
        )
        for turn, line in zip(turns, lines, strict=True)
        if line.tells_event
    )
    return turns, causes or None


def _flags(truth: Truth) -> tuple[str, ...]:
    flags = {
        f"audio_{truth.audio_state}": truth.audio_state != "present",
        "no_face" if truth.video_state == "no_face" else f"video_{truth.video_state}": truth.video_state != "present",
        "no_transcript": truth.words is None,
        "conflict": in_conflict(truth),
    }
    return tuple(flag for flag, holds in flags.items() if holds)


def build_clip(split: str, index: int, n_speakers: int, seed: int, generator_sha256: str | None = None) -> Clip:
    """Draw one clip with its record; media are written by the caller.

    Args:
        split: One of causal.SPLITS.
        index: Number of the clip within its split.
        n_speakers: How many speakers the split has.
        seed: Seed of the whole set.
        generator_sha256: Goes into the record's provenance.
    """
    identifier = record_id(split, index)
    speaker = draw_speaker(split, index % n_speakers, seed)
    truth, script, rng = draw_clip(identifier, split, index, speaker, seed)
    sentence = None if truth.words is None else draw_sentence(split, truth.words, rng)
    lines = draw_dialogue(split, truth.event, rng) if truth.event_told else ()
    turns, cause = _turns(identifier, truth, lines)
    path = f"media/{media_name(split, index, truth)}"
    sound_only = truth.video_state == "absent"
    ref = MediaRef(path=path, has_audio=truth.audio_state != "absent")
    record = Record(
        id=identifier,
        dataset="synth",
        split=split,
        native_id=f"{split}-{index:08d}",
        media=Media(audio=ref) if sound_only else Media(video=ref),
        text=() if sentence is None else (TextLine(text=sentence, lang="en", kind="transcript", source="generator"),),
        speaker=RecordSpeaker(id=speaker.id, role="speaker"),
        context=turns,
        targets=_targets(truth, script, cause, rng),
        quality=Quality(label_origin="simulated", n_raters=N_RATERS, flags=_flags(truth)),
        license=License(name="own", redistributable=True, commercial=True),
        provenance=RecordProvenance(reader=READER, row=index, generator_sha256=generator_sha256),
    )
    return Clip(record, truth, script)
