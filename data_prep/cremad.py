"""CREMA-D: 91 actors say twelve sentences; raters judged the voice, the face, and both together.

    emollm data prep cremad /data/CREMA-D -o cremad.jsonl

A record has three vote sets (modality `a`, `v`, `av`). Its label is what most raters of `av` chose (none on a tie); what the actor was
told to express is `intended`, and most papers score that. The votes are those that the authors tabulated: they left out answers whose
first click took over ten seconds. Does not read the single answers (finishedResponses.csv).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

from emollm.data.leaf import Line, Root, Spec, votes
from emollm.errors import EmoError
from emollm.records import (
    ClassLabel,
    Distribution,
    License,
    Quality,
    Record,
    Salience,
    Speaker,
    Targets,
    TextLine,
)

SPEC = Spec(
    name="cremad",
    title="CREMA-D",
    license=License(
        name="ODbL 1.0 and DbCL 1.0",
        url="https://github.com/CheyneyComputerScience/CREMA-D",
        redistributable=True,
        commercial=True,
    ),
    url="https://github.com/CheyneyComputerScience/CREMA-D",
    access="Clone its repository with Git LFS.",
    citation="https://doi.org/10.1109/TAFFC.2014.2336244",
    layout="""
CREMA-D/
  processedResults/tabulatedVotes.csv   id, A, D, F, H, N, S, fileName, ...: one row a clip and kind of rating
  VideoDemographics.csv                 ActorID, Age, Sex, Race, Ethnicity
  AudioWAV/1001_IEO_ANG_HI.wav          or AudioMP3/*.mp3
  VideoFlash/1001_IEO_ANG_HI.flv
""",
    languages=("en",),
    spaces=("cremad6",),
    counts={"all": 7442},
    splits="none official; keep actors apart",
    metrics=("accuracy, WAR and UAR against the intended label", "distances to the votes"),
    media=("AudioWAV", "VideoFlash"),
    notes=(
        "1076_MTI_SAD_XX has no signal: its sound is left out. Three other clips are flagged, see FAULTS in the leaf.",
        "Files of 130 bytes are pointers of Git LFS: run git lfs pull; --probe finds them.",
    ),
)
CODES = {"A": "anger", "D": "disgust", "F": "fear", "H": "happy", "N": "neutral", "S": "sad"}
INTENDED = {"ANG": "anger", "DIS": "disgust", "FEA": "fear", "HAP": "happy", "NEU": "neutral", "SAD": "sad"}
RATED = {"1": "a", "2": "v", "3": "av"}  # first digit of a row's id
SENTENCES = {
    "IEO": "It's eleven o'clock",
    "TIE": "That is exactly what happened",
    "IOM": "I'm on my way to the meeting",
    "IWW": "I wonder what this is about",
    "TAI": "The airplane is almost full",
    "MTI": "Maybe tomorrow it will be cold",
    "IWL": "I would like a new alarm clock",
    "ITH": "I think I have a doctor's appointment",
    "DFA": "Don't forget a jacket",
    "ITS": "I think I've seen this before",
    "TSI": "The surface is slick",
    "WSI": "We'll stop in a couple of minutes",
}
NAME = re.compile(rf"(\d{{4}})_({'|'.join(SENTENCES)})_({'|'.join(INTENDED)})_[A-Z]{{1,2}}")
SUFFIX = {"AudioWAV": ".wav", "AudioMP3": ".mp3"}
SILENT = "no_signal"
FAULTS = {
    "1076_MTI_SAD_XX": SILENT,
    "1076_MTI_NEU_XX": "nearly_empty",
    "1064_TIE_SAD_XX": "no_duration",
    "1064_IEO_DIS_MD": "all_takes_in_one",
}


def rows(root: Root) -> Iterator[Record]:
    """Yield the clips."""
    actors = root.table(root.csv("VideoDemographics.csv", "ActorID", "Age", "Sex"), "ActorID")
    sound, picture = root.first(*SUFFIX), root.first("VideoFlash")
    voted = _votes(root)

    def record(name: str) -> Record:
        found = NAME.fullmatch(name)
        if found is None:
            raise EmoError(f"no clip's name: {name[:40]!r}", "tabulatedVotes.csv", "ACTOR_SENTENCE_EMOTION_LEVEL")
        actor, sentence, emotion = found.groups()
        fault = FAULTS.get(name, "")
        files = (name, name[:-1])  # the table says 1040_ITH_SAD_XX, the file 1040_ITH_SAD_X
        both = next((one for one in voted[name] if one.modality == "av"), None)
        return root.record(
            name,
            "all",
            video=[f"VideoFlash/{file}.flv" for file in files] if picture else None,
            audio=[f"{sound}/{file}{SUFFIX[sound]}" for file in files] if sound and fault != SILENT else None,
            flags=(fault,) if fault else (),
            text=(TextLine(text=SENTENCES[sentence], lang="en"),),
            speaker=_speaker(actor, actors.get(actor)),
            subject_id=actor,
            targets=Targets(
                label=_majority(both),
                intended=(Salience(label=INTENDED[emotion], weight=1.0),),
                distribution=tuple(voted[name]),
            ),
            quality=Quality(
                label_origin="majority", n_raters=both and both.n, agreement=both and max(both.probs.values())
            ),
        )

    yield from root.each(voted, record)


def _votes(root: Root) -> dict[str, list[Distribution]]:
    """Return the vote sets of each clip."""
    voted: dict[str, list[Distribution]] = defaultdict(list)
    for line in root.csv("processedResults/tabulatedVotes.csv", "", *CODES, "fileName"):
        try:
            modality = RATED.get(line[""][:1])
            if modality is None or any(one.modality == modality for one in voted[line["fileName"]]):
                raise EmoError(
                    f"the id {line['']!r} says no kind of rating, or one twice", line.where, "1, 2 or 3 first"
                )
            counts = {label: line.number_of(code, 0, 1000) or 0 for code, label in CODES.items()}
            if one := votes("cremad6", counts, modality):
                voted[line["fileName"]].append(one)
        except EmoError as error:
            root.bad(error)
    return voted


def _majority(both: Distribution | None) -> ClassLabel | None:
    """Return the label that most raters chose; None on a tie."""
    most = max(both.probs.values()) if both else None
    names = [name for name, share in both.probs.items() if share == most] if both else []
    return ClassLabel(space="cremad6", name=names[0]) if len(names) == 1 else None


def _speaker(actor: str, line: Line | None) -> Speaker:
    if line is None:
        return Speaker(id=actor, role="actor")
    return Speaker(id=actor, role="actor", gender=line["Sex"].lower(), age=line.number_of("Age", 0, 120))
