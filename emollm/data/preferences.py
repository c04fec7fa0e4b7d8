"""Preference pairs out of records with labels and cues: `emollm data make-preferences RECORDS -o pairs.jsonl`.

What is preferred is the answer that supervised training teaches about a clip. Against it stand (kinds: emollm/pairs.py)

    over answers   the same answer with one cue exchanged: for one that clips with this label often show and this one does not, or for one
                   that this clip shows and that speaks for no label. As many cues on both sides, so that length tells nothing.
    over media     the same answer about a clip that it does not fit: one of other emotions (no sector of any wheel in common), this one
                   without its sound (the answer names a sound), or this one standing still at its first picture (the answer names
                   something seen that starts later)

Kinds of pairs as in AVEm-DPO (Chaubey et al. 2026, https://arxiv.org/abs/2602.07054), whose pairs a language model wrote; these follow from
annotated cues alone. A cue that the annotation lacks may still be there: the pairs are as good as the cues are complete.

All chance follows from the seed and the ids. Does not: write pairs about words (they can be read), or for clips without cues.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from emollm.data.stream import stream
from emollm.emotions.maps import OWN
from emollm.errors import ConfigError
from emollm.jsonl import write_rows
from emollm.pairs import Kind, Pair
from emollm.prompts import TASKS, Answer, answer_string
from emollm.records import Cue, Media, Modality, Record, Targets
from emollm.rewards.cue_grounding import same_cue
from emollm.rewards.sectors import sectors
from emollm.synth.wording import explanation
from emollm.train.examples import has_sound
from emollm.train.targets import GENERATOR, Lesson, explanation_of, lesson, teachable

ALL: tuple[Modality, ...] = ("audio", "video", "text")
FIRST_PICTURE_S = 0.5  # what starts later is not on the first picture
TRIES = 64  # donors that are looked at


@dataclass
class Made:
    """How many pairs of each kind were written, and how many records gave none of a kind, by reason."""

    kinds: Counter[Kind] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)


def make_preferences(records: Sequence[Path | str], output: Path, seed: int = 0) -> Made:
    """Write the pairs of records files; media paths count from the folder of `output`.

    Raises:
        ConfigError: No pair can be made.
        EmoError: A file is missing or broken, or an id occurs twice.
    """
    clips = list(stream(records, output.parent))
    made, others = Made(), Others(clips)

    def rows() -> Iterator[Pair]:
        for clip in clips:
            for pair in pairs_of(clip, others, Random(f"{seed} {clip.id}"), made.left_out):  # noqa: S311
                made.kinds[pair.kind] += 1
                yield pair
        if not made.kinds:
            reasons = ", ".join(f"{count} {reason}" for reason, count in made.left_out.items())
            fix = "give records whose cues say which label they support"
            raise ConfigError(f"no pair can be made ({reasons or 'no records'})", str(records[0]), fix)

    write_rows(output, rows())
    return made


class Others:
    """What the other clips show, and which of them can stand in for one.

    Args:
        clips: All clips.
    """

    def __init__(self, clips: Sequence[Record]) -> None:
        self.usual: dict[tuple[str | None, Modality], Counter[str]] = {}
        self._donors: dict[tuple[bool, bool], list[tuple[int, Media]]] = {}
        for clip in clips:
            for cue in clip.targets.cues or ():
                for label in {cue.supports, None}:
                    self.usual.setdefault((label, cue.modality), Counter())[cue.text] += 1
            if found := sectors(OWN).gold(clip):
                self._donors.setdefault(_streams(clip), []).append((found, clip.media))

    def cue(self, clip: Record, instead: Cue, chance: Random) -> Cue | None:
        """Return a cue that the clip does not show in place of one it shows, at the same time; usual ones are drawn more often."""
        true = clip.targets.cues or ()
        for label in (instead.supports, None):
            usual = self.usual.get((label, instead.modality), Counter())
            cues = [instead.model_copy(update={"text": text, "au": None}) for text in usual]
            absent = [cue for cue in cues if not any(same_cue(one, cue) for one in true)]
            if absent:
                return chance.choices(absent, [usual[cue.text] for cue in absent])[0]
        return None

    def media(self, clip: Record, chance: Random) -> Media | None:
        """Return the media of a clip of other emotions with the same streams."""
        own = sectors(OWN).gold(clip)
        donors = self._donors.get(_streams(clip), [])
        for found, media in chance.sample(donors, min(TRIES, len(donors))) if own else ():
            if not own & found:
                return media
        return None


def pairs_of(clip: Record, others: Others, chance: Random, left_out: Counter[str]) -> Iterator[Pair]:
    """Yield the pairs of one record, at most one of each kind; what there is none of is counted in `left_out`."""
    taught = lesson_of(clip)
    named = [cue for cue in taught.answer.cues if cue.modality != "text"] if taught else []
    if taught is None or not taught.answer.labels or not named:
        left_out["name nothing that is heard or seen"] += 1
        return
    chosen = answer_string(taught.answer, taught.task)
    shown = clip.model_copy(update={"targets": Targets(), "quality": None})

    def pair(kind: Kind, rejected: str = chosen, media: Media | None = None) -> Pair:
        return Pair(
            id=f"{clip.id}#{kind}",
            kind=kind,
            record=shown,
            task=taught.task.name,
            chosen=chosen,
            rejected=rejected,
            rejected_media=media,
        )

    exchanged = chance.choice(named)
    wrong: dict[Kind, tuple[Cue, Cue | None]] = {
        "hallucinated_cue": (exchanged, others.cue(clip, exchanged, chance)),
        "spurious_link": unlinked(clip, named, chance),
    }
    for kind, (old, new) in wrong.items():
        if new is None:
            left_out[f"have no cue for `{kind}`"] += 1
        else:
            yield pair(kind, answer_string(with_cue(taught.answer, old, new), taught.task))
    donor = others.media(clip, chance)
    if donor is None:
        left_out["find no clip of other emotions"] += 1
    else:
        yield pair("swapped", media=donor)
    if any(cue.modality == "audio" for cue in named):
        yield pair("muted")
    if any(cue.modality == "video" and (cue.start_s is None or cue.start_s > FIRST_PICTURE_S) for cue in named):
        yield pair("frozen")


def lesson_of(clip: Record) -> Lesson | None:
    """Return what is taught about a clip: with the explanation where it can be composed anew, else labels and cues."""
    description = explanation_of(clip)
    name = "explain" if description is not None and description.author == GENERATOR else "cues"
    return lesson(clip, TASKS[name], ALL) if teachable(clip, TASKS[name], ALL) else None


def unlinked(clip: Record, named: Sequence[Cue], chance: Random) -> tuple[Cue, Cue | None]:
    """Return a named cue, and one of the clip's that speaks for no label, of the same modality where there is one."""
    cues = clip.targets.cues or ()
    loose = (
        [cue for cue in cues if cue.supports is None and cue.modality != "text"]
        if any(c.supports for c in cues)
        else []
    )
    fitting = [(old, new) for old in named for new in loose if old.modality == new.modality]
    anywhere = fitting or [(old, new) for old in named for new in loose]
    return chance.choice(anywhere) if anywhere else (named[0], None)


def with_cue(answer: Answer, old: Cue, new: Cue) -> Answer:
    """Return an answer with one cue exchanged, its explanation composed anew."""
    cues = tuple(new if cue is old else cue for cue in answer.cues)
    return Answer(answer.labels, cues, None if answer.explanation is None else explanation(answer.labels, cues))


def _streams(clip: Record) -> tuple[bool, bool]:
    """Tell which of sound and picture a record has."""
    return has_sound(clip), clip.media.video is not None
