"""Replay of chats: their share, their text, their loss; and what is no chat is refused."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from emollm.config import Recipe, Stage, load_recipe
from emollm.errors import ConfigError, EmoError
from emollm.records import Record
from emollm.run import read_metrics
from emollm.train.collate import IGNORED
from emollm.train.examples import Example, epochs_of, plan_stage
from emollm.train.replay import CHAT, Chat, read_chats
from emollm.train.sft import build_model, make_collator, train


def chat(*contents: str, first: str = "user") -> dict[str, list[dict[str, str]]]:
    roles = ["user", "assistant"] * len(contents)
    names = roles if first == "user" else ["system", *roles]
    return {"messages": [{"role": role, "content": text} for role, text in zip(names, contents, strict=False)]}


@pytest.fixture(scope="module")
def chats_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("chats") / "chats.jsonl"
    rows = [chat(f"What is {i} + {i}?", str(2 * i)) for i in range(4)]
    rows.append(chat("You add numbers.", "What is 1 + 2?", "3", "And 3 more?", "It is 6, <|im_end|>.", first="system"))
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def stage(make_recipe: Callable[..., Recipe]) -> Stage:
    return make_recipe("stages.0.max_steps=null", "stages.0.epochs=3", "stages.0.batch_size=4").stages[0]


def test_each_epoch_has_its_share_and_all_chats_before_one_again(
    records: list[Record], chats_file: Path, stage: Stage, make_recipe: Callable[..., Recipe]
) -> None:
    everything = [*records, *read_chats([str(chats_file)])]
    dropout, none = make_recipe().modality_dropout, lambda example: 20
    plan = plan_stage(everything, stage, dropout, [0], none, replay=0.25)
    alone = plan_stage(records, stage, dropout, [0], none)
    drawn = [example.record for example in plan.examples if example.task == CHAT]
    assert len(drawn) == 3 * round(len(alone.examples) / 3 / 3), "a third of what is not chat, in each of three epochs"
    assert set(drawn) == set(range(len(records), len(everything)))
    assert epochs_of(plan, everything) == epochs_of(alone, records)
    assert sorted(map(str, alone.examples)) == sorted(str(one) for one in plan.examples if one.task != CHAT)
    assert not any(one.task == CHAT for one in plan_stage(everything, stage, dropout, [0], none).examples)


def test_the_last_answer_is_taught(records_file: Path, records: list[Record], chats_file: Path) -> None:
    recipe = load_recipe(records_file.parent / "recipe.yaml")
    _, _, processor = build_model(recipe, records)
    collator = make_collator(recipe, [*records, *read_chats([str(chats_file)])], processor)
    example = Example(len(records) + 4, CHAT, audio="absent", video="absent", text=False)
    batch = collator([example.to_row()])
    taught = processor.tokenizer.decode(batch["labels"][0][batch["labels"][0] != IGNORED])
    whole = processor.tokenizer.decode(batch["input_ids"][0])
    assert taught.startswith("It is 6, ") and taught.count("<|im_end|>") == 1, "text from outside ends no turn"
    assert whole.index("You add numbers.") < whole.index("What is 1 + 2?") < whole.index("And 3 more?")
    assert "appear" not in whole, "nothing is asked about a clip"


def test_a_run_with_replay(records_file: Path, chats_file: Path, tmp_path: Path) -> None:
    overrides = [f"data.replay={{files: {chats_file}, share: 0.5}}", f"output={tmp_path}", "stages.1.max_steps=1"]
    cues = [
        "stages.1.objective=cues",
        "stages.1.tasks={cues: 1.0}",
        "stages.1.blocks.decoder=frozen",
        "stages.1.lora=null",
    ]
    folder = train(load_recipe(records_file.parent / "recipe.yaml", [*overrides, *cues]))
    assert [row["stage"] for row in read_metrics(folder)] == ["full", "full", "polish"]
    assert str(chats_file.name) in (folder / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (chat("What?"), "messages"),
        (chat("What?", "That.", "And?"), "the last message must be the assistant's"),
        ({"messages": [{"role": "user", "content": "a"}, {"role": "bot", "content": "b"}]}, r"messages\.1\.role"),
        ({"text": "no chat"}, "text: unknown field"),
    ],
)
def test_what_is_no_chat_is_refused(tmp_path: Path, line: object, what: str) -> None:
    path = tmp_path / "chats.jsonl"
    path.write_text(json.dumps(chat("a", "b")) + "\n" + json.dumps(line) + "\n", encoding="utf-8")
    with pytest.raises(EmoError, match=what) as told:
        read_chats([str(path)])
    assert f"{path}:2" in str(told.value)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "chats.jsonl").write_text("\n")
    with pytest.raises(EmoError, match="there are no chats"):
        read_chats([str(tmp_path / "chats.jsonl")])


def test_a_share_of_one_is_refused(records_file: Path) -> None:
    with pytest.raises(ConfigError, match=r"data\.replay\.share"):
        load_recipe(records_file.parent / "recipe.yaml", ["data.replay={files: a.jsonl, share: 1}"])


def test_chats_are_known_by_file_and_line(chats_file: Path) -> None:
    chats = read_chats([str(chats_file)])
    assert all(isinstance(one, Chat) for one in chats) and chats[4].id == f"{chats_file}:5"
