"""`emollm data make-preferences`: each pair differs in the one thing that its kind says, and the same call gives the same file."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from emollm.cli.main import app
from emollm.errors import EmoError
from emollm.pairs import KINDS, Pair, read_pairs
from emollm.records import Cue, Description, Media, MediaRef, OpenLabel, Record, Targets, TextLine, write_records
from emollm.synth.wording import explanation

SHOWN = {  # label -> cues that speak for it: heard, seen late, seen from the start
    "joyful": ("voice is lively", "lip corners pulled up", "cheeks raised"),
    "furious": ("voice is loud", "brows drawn together", "lips pressed thin"),
    "sad": ("voice is quiet", "gaze lowered", "eyelids drooping"),
}


def clip(number: int, label: str, *, author: str = "generator", shows: tuple[str, ...] | None = None) -> Record:
    """A clip whose cues alternate, so that each lacks one that its label often shows."""
    heard, late, early = SHOWN[label]
    cues = [
        Cue(modality="audio", text=heard, supports=label, start_s=0.2, end_s=2.0),
        Cue(
            modality="video",
            text=late if number % 2 else early,
            supports=label,
            start_s=1.0 if number % 2 else 0.0,
            end_s=2.0,
        ),
        Cue(modality="text", text=f"words suggest {label}", supports=label),
        Cue(modality="video", text="head tilted", start_s=0.5, end_s=1.0),
    ]
    cues = [cue for cue in cues if shows is None or cue.modality in shows]
    said = explanation([label], [cue for cue in cues if cue.supports])
    targets = Targets(
        labels_ov=(OpenLabel(text=label),),
        cues=tuple(cues),
        description=(Description(text=said, kind="reasoning", author=author, lang="en"),),
    )
    return Record(
        id=f"{label}:{number}",
        media=Media(video=MediaRef(path=f"clips/{label}{number}.mp4")),
        text=(TextLine(text="i say so"),),
        targets=targets,
    )


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_records("in/records.jsonl", [clip(number, label) for number in range(6) for label in SHOWN])


def make(*arguments: str, records: str = "in/records.jsonl", code: int = 0) -> Any:
    result = CliRunner().invoke(app, ["data", "make-preferences", records, "-o", "out/pairs.jsonl", *arguments])
    assert result.exit_code == code, result.output
    return result


def pairs() -> dict[str, Pair]:
    return {pair.id: pair for pair in read_pairs("out/pairs.jsonl")}


def cues_of(answer: str) -> list[tuple[str, str]]:
    return [(cue["modality"], cue["text"]) for cue in json.loads(answer)["cues"]]


def test_every_clip_gives_every_kind_that_it_can() -> None:
    result = make()
    found = Counter(pair.kind for pair in pairs().values())
    assert found == dict.fromkeys(KINDS, 18) | {"frozen": 9}, "every other clip stands from its first picture on"
    assert "81 pairs (hallucinated_cue 18" in result.output


@pytest.mark.parametrize("kind", ["hallucinated_cue", "spurious_link"])
def test_wrong_answers_differ_in_one_cue(kind: str) -> None:
    make()
    exchanged = Counter()
    for number in range(6):
        for label in SHOWN:
            pair, true = pairs()[f"{label}:{number}#{kind}"], clip(number, label).targets.cues or ()
            right, wrong = cues_of(pair.chosen), cues_of(pair.rejected)
            assert right == [(cue.modality, cue.text) for cue in true if cue.supports] and len(wrong) == len(right)
            ((old, new),) = [(one, other) for one, other in zip(right, wrong, strict=True) if one != other]
            assert old[0] == new[0] != "text"
            linked = {(cue.modality, cue.text): cue.supports for cue in true}
            if kind == "spurious_link":
                assert linked[new] is None
            else:
                assert new not in linked and new[1] in {cue for cues in SHOWN.values() for cue in cues}
            told = json.loads(pair.rejected)
            assert told["explanation"] == explanation([label], [Cue(modality="text", text=text) for _, text in wrong])
            assert told["labels"] == [label]
            exchanged[old[0]] += 1
    assert kind == "spurious_link" or len(exchanged) == 2, "what is heard and what is seen"


def test_an_own_label_s_cue_is_made_up_before_another_s() -> None:
    make()
    made_up = []
    for number in range(6):
        for label in SHOWN:
            right, wrong = (
                cues_of(text)
                for text in (
                    pairs()[f"{label}:{number}#hallucinated_cue"].chosen,
                    pairs()[f"{label}:{number}#hallucinated_cue"].rejected,
                )
            )
            made_up += [(label, new[1]) for new in wrong if new not in right and new[0] == "video"]
    assert made_up and all(cue in SHOWN[label] for label, cue in made_up)


def test_wrong_clips_keep_the_answer() -> None:
    make()
    for pair in pairs().values():
        if pair.kind in ("swapped", "muted", "frozen"):
            assert pair.chosen == pair.rejected
        assert (pair.rejected_media is not None) == (pair.kind == "swapped")
        if pair.rejected_media is not None and pair.rejected_media.video is not None:
            donor = Path(pair.rejected_media.video.path).name
            assert not donor.startswith(pair.record.id.split(":")[0]), "its emotion is another one"
            assert pair.rejected_media.video.path.startswith("out/../in/clips/")
    line = json.loads(Path("out/pairs.jsonl").read_text().splitlines()[0])
    assert line["schema"] == "emollm.pair/1" and line["record"]["media"]["video"]["path"].startswith("../in/clips/")


def test_no_pair_carries_the_truth() -> None:
    make()
    assert all(pair.record.targets == Targets() and pair.record.transcript is not None for pair in pairs().values())


def test_the_same_call_gives_the_same_file() -> None:
    texts = []
    for seed in ("0", "0", "1"):
        make("--seed", seed)
        texts.append(Path("out/pairs.jsonl").read_text())
    assert texts[0] == texts[1] != texts[2]


def test_what_a_clip_does_not_show_is_not_taken_away() -> None:
    seen = [clip(number, label, shows=("video",)) for number in range(2) for label in SHOWN]
    write_records("in/records.jsonl", seen)
    make()
    assert "muted" not in {pair.kind for pair in pairs().values()}


def test_an_explanation_of_a_person_is_not_rewritten() -> None:
    write_records("in/records.jsonl", [clip(number, label, author="human") for number in range(2) for label in SHOWN])
    make()
    assert {pair.task for pair in pairs().values()} == {"cues"}
    assert all("explanation" not in json.loads(pair.rejected) for pair in pairs().values())


def test_swaps_keep_their_streams() -> None:
    lone = clip(0, "sad")
    media = Media(video=MediaRef(path="clips/x.mp4", has_audio=False))
    write_records("in/records.jsonl", [lone.model_copy(update={"media": media}), clip(1, "joyful"), clip(2, "furious")])
    result = make()
    assert "sad:0#swapped" not in pairs() and "joyful:1#swapped" in pairs()
    assert "1 find no clip of other emotions" in result.output


def test_records_without_cues_give_no_file() -> None:
    write_records("in/records.jsonl", [clip(0, "sad", shows=("text",)), Record(id="bare")])
    result = make(code=2)
    assert "2 name nothing that is heard or seen" in result.stderr and not Path("out/pairs.jsonl").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "muted"}, "has one answer"),
        ({"kind": "swapped", "rejected": "a"}, "goes with kind 'swapped'"),
        ({"rejected": "a"}, "has two"),
        ({"task": "explian"}, "did you mean `explain`"),
        ({"kind": "blurred"}, "kind"),
    ],
)
def test_a_malformed_pair_is_refused(change: dict[str, str], message: str) -> None:
    pair = {
        "id": "x",
        "kind": "spurious_link",
        "record": {"id": "r"},
        "task": "explain",
        "chosen": "a",
        "rejected": "b",
    }
    Path("pairs.jsonl").write_text(json.dumps(pair) + "\n" + json.dumps({**pair, "id": "y", **change}) + "\n")
    with pytest.raises(EmoError, match=r"pairs.jsonl:2") as caught:
        list(read_pairs("pairs.jsonl"))
    assert message in str(caught.value)
    Path("pairs.jsonl").write_text((json.dumps(pair) + "\n") * 2)
    with pytest.raises(EmoError, match="occurs twice"):
        list(read_pairs("pairs.jsonl"))
