"""MSP-Improv: acted and improvised dyads of twelve people, each turn with its raters' answers.

    emollm data prep msp_improv /data/MSP-IMPROV -o msp_improv.jsonl

Reads the evaluation file and finds picture and sound. The emotion that the scene was made for (`intended`) and the one that raters saw
(`label`) are two things.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from emollm.data.leaf import Line, Root, Spec, votes
from emollm.errors import EmoError
from emollm.records import ClassLabel, License, Quality, Record, Salience, Speaker, Targets, Vad

SPEC = Spec(
    name="msp_improv",
    title="MSP-Improv",
    license=License(name="academic licence of UT Dallas", redistributable=False, commercial=False),
    url="https://ecs.utdallas.edu/research/researchlabs/msp-lab/MSP-Improv.html",
    access="Licence signed by the institution, MSP lab of UT Dallas.",
    citation="https://doi.org/10.1109/TAFFC.2016.2515617",
    layout="""
MSP-IMPROV/
  Evaluation.txt                                                     or Evalution.txt
  session{1..6}/S01A/{P,R,S,T}/MSP-IMPROV-S01A-F01-P-FM01.{avi,wav}
""",
    languages=("en",),
    spaces=("msp4", "msp5"),
    splits="none official: six folds, one session left out (record.fold; split all)",
    metrics=("UA", "WA", "CCC"),
    notes=(
        "No class where raters disagree (flag no_agreement) or agree on another emotion (flag other); votes are in the space msp5.",
        "subset is the letter of the recording condition in the file's name. Attributes go from 1 to 5; activation is arousal.",
        "A rater who answered twice for a clip counts once.",
    ),
)
CLASSES = {"A": "anger", "H": "happy", "S": "sad", "N": "neutral"}
SEEN = {"angry": "anger", "happy": "happy", "sad": "sad", "neutral": "neutral"}
NAME = re.compile(r"S\d\d([AHSN])-([FM])(0[1-6])-([PRST])-\w{4}")
HEAD = "UTD-IMPROV-"


def rows(root: Root) -> Iterator[Record]:
    """Yield the turns."""

    def record(line: Line) -> Record:
        name, code, found = (
            line["name"],
            line.pick("code", ("A", "H", "S", "N", "O", "X")),
            NAME.fullmatch(line["name"]),
        )
        if not found:
            raise EmoError(f"no turn: {name!r}", line.where, "a name such as S01A-F01-P-FM01")
        acted, sex, session, condition = found.groups()
        stem = f"session{int(session)}/{name[:4]}/{condition}/MSP-IMPROV-{name}"
        answers = list(line["raters"].values())
        soft = votes("msp5", Counter(SEEN.get(one["label"].lower(), "other") for one in answers), modality="av")
        return root.record(
            name,
            "all",
            line,
            video=f"{stem}.avi",
            audio=[f"{stem}.wav", f"Audio/{stem}.wav"],
            fold=int(session),
            subset=condition,
            speaker=Speaker(id=sex + session, role="actor", gender="female" if sex == "F" else "male"),
            subject_id=sex + session,
            targets=Targets(
                label=ClassLabel(space="msp4", name=CLASSES[code]) if code in CLASSES else None,
                intended=(Salience(label=CLASSES[acted], weight=1),),
                vad=_vad(line["marks"]),
                distribution=(soft,) if soft else (),
                raters=tuple(answers) or None,
            ),
            flags={"O": ["other"], "X": ["no_agreement"]}.get(code, []),
            quality=Quality(label_origin="majority", n_raters=len(answers) or None),
        )

    if file := root.first("Evaluation.txt", "Evalution.txt"):
        yield from root.each(list(_blocks(root, file)), record)


def _blocks(root: Root, file: str) -> Iterator[Line]:
    """Yield the clips of the evaluation file: `UTD-IMPROV-NAME.avi; H; A:2.5; V:3.5; D:3.0; N:3.9;`, then a line for each rater."""
    raters: dict[str, dict[str, Any]] = {}
    for number, text in root.lines(file):
        cells = [cell.strip() for cell in text.split(";")]
        pairs = (cell.partition(":") for cell in cells if ":" in cell)
        try:
            marks = {key.strip(): float(value) for key, _, value in pairs}
        except ValueError:
            root.bad(EmoError(f"no marks: {text[:80]!r}", f"{file}:{number}", "A:2.5; V:3.5; D:3.0; N:3.9;"))
            continue
        if cells[0].startswith(HEAD):
            raters = {}
            name = cells[0].removeprefix(HEAD).removesuffix(".avi")
            yield Line({"name": name, "code": cells[1], "marks": marks, "raters": raters}, file, number)
        elif len(cells) > 1:
            vad = [None if math.isnan(marks.get(key, math.nan)) else marks[key] for key in "VAD"]
            raters.setdefault(cells[0], {"rater": cells[0], "label": cells[1], "vad": vad})


def _vad(marks: dict[str, float]) -> Vad:
    """Return the consensus; NaN is unknown."""
    valence, arousal, dominance = (None if math.isnan(marks.get(key, math.nan)) else marks[key] for key in "VAD")
    return Vad(valence=valence, arousal=arousal, dominance=dominance, scale=(1, 5))
