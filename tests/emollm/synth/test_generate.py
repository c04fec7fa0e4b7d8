"""Sets on disk: same bytes for the same seed, whole files, disjoint splits."""

import json

import pytest

from emollm.errors import EmoError
from emollm.records import read_records
from emollm.synth import generate


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("synth")
    return folder, generate.make_synth(folder, 20, seed=1, split="all", workers=2)


def test_files_records_and_truth_agree(made):
    folder, facts = made
    records = list(read_records(facts.records))
    truths = generate.read_truth(folder / "truth.jsonl")
    assert [record.id for record in records] == [truth["id"] for truth in truths]
    assert [sum(r.split == split for r in records) for split in generate.SHARES] == [14, 2, 2, 2]
    paths = {(record.media.video or record.media.audio).path for record in records}
    assert paths == {str(path) for path in (folder / "media").iterdir()}
    told = json.loads((folder / "generator.json").read_text())
    assert told["generator_sha256"] == generate.generator_hash() == facts.generator_sha256
    assert {record.provenance.generator_sha256 for record in records} == {facts.generator_sha256}
    speakers = {split: {r.speaker.id for r in records if r.split == split} for split in generate.SHARES}
    assert sum(len(ids) for ids in speakers.values()) == len(set().union(*speakers.values()))


def test_same_seed_same_bytes(made, tmp_path):
    folder, _ = made
    generate.make_synth(tmp_path, 20, seed=1, split="all", workers=1)
    files = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file())
    for name in files:
        assert (folder / name).read_bytes() == (tmp_path / name).read_bytes(), name


def test_truth_is_not_in_the_records(made):
    _, facts = made
    text = facts.records.read_text()
    assert not any(f'"{key}"' in text for key in ("prosody", "face_gain", "event_told", "masking"))


def test_wrong_calls_are_refused(tmp_path):
    with pytest.raises(EmoError, match="unknown split"):
        generate.make_synth(tmp_path, 5, split="valid")
    with pytest.raises(EmoError, match="0 clips"):
        generate.make_synth(tmp_path, 0)
