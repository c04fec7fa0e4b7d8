"""Data files in the layouts of LLaVA, ms-swift, LLaMA-Factory and AffectGPT."""

from collections.abc import Callable
from typing import Any

import pytest

Make = Callable[..., Any]
TALK = [("<video>\n<audio>\nWhat does she feel?", "She seems worried."), ("Why?", "Her voice trembles.")]


def chat(role: str, content: str, user: str, model: str) -> list[dict[str, str]]:
    return [message for q, a in TALK for message in ({role: user, content: q}, {role: model, content: a})]


def assert_talk(record: Any) -> None:
    assert [(qa.question, qa.answer) for qa in record.targets.qa] == [
        ("What does she feel?", "She seems worried."),
        ("Why?", "Her voice trembles."),
    ]


def test_llava(make_copy: Make) -> None:
    copy = make_copy("llava")
    item = {"id": "x1", "video": "/mnt/data/clips/小.mp4", "conversations": chat("from", "value", "human", "gpt")}
    copy.json("train.json", [item])
    copy.media("clips/小.mp4")
    assert "train.json:1: the path '/mnt/data/clips/小.mp4' leaves the root" in copy.refused()
    (record,) = copy.prep("--set", "strip=/mnt/data/").records.values()
    assert record.id == "llava:all:x1" and record.media.video.path.endswith("clips/小.mp4")
    assert_talk(record)
    copy.json("other.json", [])
    assert "needs a fact that its files do not tell: file" in copy.refused()
    assert copy.prep("--set", "file=train.json", "--set", "strip=/mnt/data/").code == 0


def test_ms_swift(make_copy: Make) -> None:
    copy = make_copy("ms_swift")
    row = {
        "messages": [{"role": "system", "content": "Be brief."}, *chat("role", "content", "user", "assistant")],
        "videos": ["a.mp4"],
    }
    copy.jsonl("train.jsonl", [row | {"audios": ["a.wav"], "rejected_response": "I cannot tell."}])
    copy.media("a.mp4", "a.wav")
    (record,) = copy.prep().records.values()
    assert_talk(record)
    assert (record.targets.preference.a, record.targets.preference.b) == ("Her voice trembles.", "I cannot tell.")
    assert record.media.audio.path.endswith("a.wav")
    copy.jsonl(
        "train.jsonl", [row | {"videos": ["a.mp4", "b.mp4"]}, {"messages": [{"role": "user", "content": "Hm?"}]}]
    )
    message = copy.refused()
    assert "train.jsonl:1: 2 files of one kind" in message and "train.jsonl:2: a question without an answer" in message


def test_llama_factory(make_copy: Make) -> None:
    copy = make_copy("llama_factory")
    rank = {"columns": {"messages": "conversations", "chosen": "chosen", "rejected": "rejected"}, "ranking": True}
    openai = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}
    entries = {
        "talk": {
            "file_name": "talk.json",
            "formatting": "sharegpt",
            "columns": {"messages": "conversations", "videos": "videos"},
        },
        "plain": {"file_name": "plain.json"},
        "rank": {"file_name": "rank.json", "formatting": "sharegpt"} | rank,
        "openai": {
            "file_name": "openai.jsonl",
            "formatting": "sharegpt",
            "columns": {"messages": "messages"},
            "tags": openai,
        },
    }
    copy.json("dataset_info.json", entries)
    copy.json("talk.json", [{"conversations": chat("from", "value", "human", "gpt"), "videos": ["a.mp4"]}])
    copy.json("plain.json", [{"instruction": "Name the emotion.", "input": "I am fine.", "output": "calm"}])
    answers = {key: {"from": "gpt", "value": key} for key in ("chosen", "rejected")}
    copy.json("rank.json", [{"conversations": [{"from": "human", "value": "Q"}], **answers}])
    copy.jsonl("openai.jsonl", [{"messages": chat("role", "content", "user", "assistant")}])
    copy.media("a.mp4")
    made = copy.prep()
    assert made.code == 0, made.err
    records = {record.split: record for record in made.records.values()}
    assert_talk(records["talk"])
    assert_talk(records["openai"])
    assert records["plain"].targets.qa[0].question == "Name the emotion.\nI am fine."
    assert (records["rank"].targets.preference.a, records["rank"].targets.preference.b) == ("chosen", "rejected")
    assert set(copy.prep("--set", "file=plain").report["splits"]) == {"plain"}


@pytest.mark.parametrize("nested", [True, False])
def test_affectgpt(make_copy: Make, nested: bool) -> None:
    copy = make_copy("affectgpt")
    copy.csv("ovlabel.csv", ("name", "openset"), [("sample_1", "['calm']"), ("x", "['joy', 'awe']")])
    copy.csv("reasons.csv", ("name", "reason"), [("sample_1", "She rests.")])
    copy.csv("subtitle.csv", ("name", "chinese", "english"), [("x", "好", "Good")], "utf-8-sig")
    for name in ("sample_1", "x"):
        face = f"openface_face/{name}/{name}.npy" if nested else f"openface_face/{name}.npy"
        copy.media(f"video/{name}.mp4", f"audio/{name}.wav", face)
    records = copy.prep().records
    first, second = records["affectgpt:all:sample_1"], records["affectgpt:all:x"]
    assert first.targets.labels_ov[0].text == "calm" and first.targets.description[0].text == "She rests."
    assert first.provenance.parents == ("mer2023:sample_1",) and second.provenance.parents == ()
    assert [line.text for line in second.text] == ["好", "Good"]
    assert second.media.face.path.endswith("x/x.npy" if nested else "openface_face/x.npy")


def test_affectgpt_faces_are_opened_without_unpickling(make_copy: Make) -> None:
    import numpy as np

    copy = make_copy("affectgpt")
    copy.csv("ovlabel.csv", ("name", "openset"), [("a", "['calm']"), ("b", "['joy']")])
    copy.media("video/a.mp4", "video/b.mp4", "openface_face/a.npy")
    np.save(copy.root / "openface_face" / "a.npy", np.zeros((2, 3), np.float32))
    np.save(copy.root / "openface_face" / "b.npy", np.array([{}], dtype=object))
    records = copy.prep("--probe", "--allow-missing").records
    assert records["affectgpt:all:a"].media.face is not None and records["affectgpt:all:b"].media.face is None
    assert "openface_face/b.npy: no array of numbers" in copy.refused("--probe")


def test_affectgpt_without_labels_is_no_copy(make_copy: Make) -> None:
    copy = make_copy("affectgpt")
    copy.media("label.npz", "video/x.mp4")
    assert "labels in a pickled archive are not read" in copy.refused()
