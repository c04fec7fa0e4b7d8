"""Batches of pairs: same prompt on both sides, loss on the answers alone, and each row with the clip that its side is about."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from emollm.errors import EmoError
from emollm.pairs import Pair
from emollm.prompts import TASKS, Answer, answer_string
from emollm.records import Cue, Media, MediaRef, Record
from emollm.synth.mp4 import write_clip
from emollm.train.examples import Example
from emollm.train.pair_batches import PairCollator, clips_of
from emollm.train.sft import make_collator

BOTH, OTHER, SOUND, PICTURE, SILENT = 0, 1, 4, 5, 7  # records of conftest's cases: av, av, audio, video, silent


def answer(text: str) -> str:
    return answer_string(Answer(("sad",), (Cue(modality="audio", text=text),)), TASKS["cues"])


def pair(kind: str, record: Record, media: Media | None = None) -> Pair:
    rejected = answer("voice is loud" if kind in ("hallucinated_cue", "spurious_link") else "voice is low")
    fields: dict[str, Any] = {"kind": kind, "record": record, "rejected_media": media}
    return Pair(id=f"{record.id}#{kind}", task="cues", chosen=answer("voice is low"), rejected=rejected, **fields)


@pytest.fixture
def collate(built: Any) -> Any:
    def make(pairs: Sequence[Pair], with_prior: bool = True) -> PairCollator:
        clips, places = clips_of(pairs)
        return PairCollator(pairs, make_collator(built.recipe, clips, built.processor), places, with_prior)

    return make


def shown(batch: dict[str, torch.Tensor], name: str) -> list[torch.Tensor]:
    """A media tensor row by row."""
    return [batch[name][place] for place in batch["clips"].tolist()]


def rows(count: int) -> list[dict[str, Any]]:
    return [{"pair": number} for number in range(count)]


def test_what_counts_is_the_answer_and_its_end(collate: Any, records: list[Record], built: Any) -> None:
    pairs = [pair("hallucinated_cue", records[BOTH]), pair("swapped", records[BOTH], records[OTHER].media)]
    batch = collate(pairs)(rows(2))
    tokenizer = built.processor.tokenizer
    counted = [ids[mask.bool()] for ids, mask in zip(batch["input_ids"], batch["completion_mask"], strict=True)]
    texts = [text + tokenizer.eos_token for text in (*(one.chosen for one in pairs), *(one.rejected for one in pairs))]
    assert [tokenizer.decode(ids) for ids in counted] == texts
    prompts = [
        ids[(mask - taught).bool()].tolist()
        for ids, mask, taught in zip(
            *(batch[n] for n in ("input_ids", "attention_mask", "completion_mask")), strict=True
        )
    ]
    assert prompts[0] == prompts[1] == prompts[2] == prompts[3]
    assert prompts[0] == built.collator.tokens_of(Example(BOTH, "cues")).prompt.tolist(), "as in supervised training"


def test_each_side_has_its_clip(collate: Any, records: list[Record], built: Any) -> None:
    kinds = ("hallucinated_cue", "swapped", "muted", "frozen")
    pairs = [pair(kind, records[BOTH], records[OTHER].media if kind == "swapped" else None) for kind in kinds]
    batch = collate(pairs)(rows(4))
    sound, picture = shown(batch, "input_features"), shown(batch, "pixel_values_videos")
    own, others = sound[0], sound[5]
    assert all(torch.equal(one, own) for one in (*sound[:5], sound[7]))
    assert not torch.equal(others, own) and not torch.equal(sound[6], own), "swapped and muted"
    assert sound[6].std() < own.std() and batch["input_features_mask"].any(dim=1).all(), "silence is heard, not absent"
    assert all(torch.equal(one, picture[0]) for one in (*picture[:5], picture[6]))
    assert not torch.equal(picture[5], picture[0])
    assert all(torch.equal(frame, picture[0][0]) for frame in picture[7])
    assert len(batch["pixel_values_videos"]) == 4, "own, swapped, muted and frozen: the clip itself is there once"


def test_pictures_that_move_stand_still(collate: Any, records: list[Record], tmp_path: Path) -> None:
    frames = np.repeat(np.linspace(0, 240, 8).astype(np.uint8)[:, None, None, None], 32 * 32 * 3, 1).reshape(
        8, 32, 32, 3
    )
    write_clip(tmp_path / "moves.mp4", frames, None, fps=8)
    moving = records[BOTH].model_copy(update={"media": Media(video=MediaRef(path=str(tmp_path / "moves.mp4")))})
    right, still = shown(collate([pair("frozen", moving)])(rows(1)), "pixel_values_videos")
    assert not torch.equal(right[0], right[-1])
    assert all(torch.equal(frame, right[0]) for frame in still)


def test_pairs_that_the_files_do_not_allow_are_left_out(collate: Any, records: list[Record], tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no clip")
    pairs = [
        pair("hallucinated_cue", records[BOTH]),
        pair("muted", records[SILENT]),
        pair("frozen", records[SOUND]),
        pair("swapped", records[BOTH], records[PICTURE].media),
        pair("swapped", records[OTHER], Media(video=MediaRef(path=str(broken)))),
    ]
    collator = collate(pairs)
    batch = collator(rows(5))
    assert len(batch["input_ids"]) == 2
    assert collator.unfit == {one.id for one in pairs[1:]}
    with pytest.raises(EmoError, match="no pair of this batch"):
        collator([{"pair": 1}])


def test_what_words_tell_is_asked_without_media(collate: Any, records: list[Record], built: Any) -> None:
    pairs = [pair("muted", records[BOTH]), pair("spurious_link", records[OTHER])]
    batch = collate(pairs)(rows(2))
    assert batch["prior_rows"].tolist() == [1, 3], "the pair over answers, both sides"
    texts = built.processor.tokenizer.batch_decode(batch["prior_input_ids"])
    assert all("<|clip|>" not in text and "i say number 1" in text for text in texts)
    assert pairs[1].chosen in texts[0] and pairs[1].rejected in texts[1]
    assert not any(name.startswith("prior_") for name in collate(pairs, with_prior=False)(rows(2)))


def test_a_clip_is_decoded_once_for_all_its_pairs(collate: Any, records: list[Record]) -> None:
    pairs = [pair(kind, records[BOTH]) for kind in ("hallucinated_cue", "spurious_link", "muted", "frozen")]
    pairs += [pair("swapped", records[BOTH], records[OTHER].media), pair("hallucinated_cue", records[OTHER])]
    clips, places = clips_of(pairs)
    assert len(clips) == 2 and places == [0] * 9 + [1, 1, 1]
    collator = collate(pairs)
    read = []
    original = collator.clips.memory.reader
    collator.clips.memory.reader = lambda media: read.append(media) or original(media)
    batch = collator(rows(6))
    assert len(read) == 2 and len(batch["clips"]) == 12
    assert batch["kinds"].tolist() == [0, 1, 3, 4, 2, 0]
