"""`emollm report`: one page that runs nothing, fetches nothing, and shows what the files hold."""

import json
import re
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Callable
from hashlib import sha256
from html import unescape
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import Result

from tests.emollm.report.conftest import EVIL, N

Call = Callable[..., Result]
SAFE = "<script>alert(1)</script><img src=x onerror=alert(2)> [2J {{ 7 * 7 }}'\" style='x'"
"""What a reader sees of it: all of it but the characters that steer."""


class Page(HTMLParser):
    """Elements and texts of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.raw = path.read_text()
        self.feed(self.raw)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def values(self, attribute: str) -> list[str]:
        return [found[attribute] or "" for _, found in self.elements if attribute in found]


def pictures(path: Path) -> list[str]:
    return [source for source in Page(path).values("src") if source.startswith("data:image/jpeg")]


def spread(card: str) -> float:
    """Return the standard deviation of the first picture's pixels."""
    data = b64decode(re.findall(r"base64,([^\"]+)", card)[0])
    return float(np.asarray(Image.open(BytesIO(data)), np.float64).std())


def cards(path: Path) -> dict[str, str]:
    """Return the cards of a page: title -> HTML, in their order."""
    found = re.findall(r'<article class="card".*?</article>', path.read_text(), re.DOTALL)
    return {unescape(re.findall(r"<h3[^>]*>(.*?)</h3>", one)[0]): one for one in found}


def test_nothing_in_the_page_runs_or_is_fetched(evaluated: Path) -> None:
    page = Page(evaluated / "report.html")
    tags = Counter(tag for tag, _ in page.elements)
    assert not {"script", "iframe", "object", "embed", "form", "base", "video", "audio"} & set(tags)
    names = {name for _, found in page.elements for name in found}
    assert not [name for name in names if name.startswith("on")] and "style" not in names
    assert all(source.startswith("data:image/jpeg;base64,") for source in page.values("src"))
    assert all(link.startswith("#") or link == "data:," for link in page.values("href"))
    policy = next(found["content"] for tag, found in page.elements if found.get("http-equiv"))
    style = re.findall("<style>(.*?)</style>", page.raw, re.DOTALL)[0]
    digest = b64encode(sha256(style.encode()).digest()).decode()
    assert (
        policy == f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    assert page.text.count(SAFE) > 2 * 24, "words, labels, cues and explanations are shown as they are"
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e]", page.raw) and "49'" not in page.text


def test_links_lead_somewhere_and_pictures_have_words(evaluated: Path) -> None:
    page = Page(evaluated / "report.html")
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in page.values("href") if link.startswith("#")} <= set(ids)
    assert all(found.get("alt") for tag, found in page.elements if tag == "img")
    drawn = [found for tag, found in page.elements if tag == "svg" and found.get("aria-hidden") != "true"]
    assert drawn and all(found.get("role") == "img" for found in drawn)
    assert page.raw.count("<title>") >= len(drawn), "a picture says what it is"


def test_the_numbers_are_those_of_the_results(evaluated: Path) -> None:
    results = json.loads((evaluated / "results.json").read_text())
    text = Page(evaluated / "report.html").text
    for run in results["runs"]:
        assert f"{run['value']:.4f}" in text and f"{run['low']:.4f} to {run['high']:.4f}" in text
    for told in (results["data"][0]["sha256"], "1 error row(s)", "does not measure", "every run", "article 5(1)(f)"):
        assert told.lower() in text.lower()
    for title in ("What was given", "Reliability", "Risk and coverage", "Families", "Commonest labels"):
        assert f"<h3>{title}</h3>" in (evaluated / "report.html").read_text() or title in text


def test_failures_come_first_and_the_worst_of_them_before(evaluated: Path) -> None:
    shown = cards(evaluated / "report.html")
    verdicts = [re.findall(r'class="verdict.*?>(.*?)</span>', one, re.DOTALL)[0] for one in shown.values()]
    assert verdicts[:2] == ["error", "unreadable"] and list(shown)[:2] == ["clip 6", "clip 7"]
    assert verdicts[2:] == ["wrong"] * 11 + ["right"] * 11
    assert "mend it" in shown["clip 6"] and "The answer as it came" in shown["clip 7"]


def test_cues_lead_to_their_seconds(evaluated: Path) -> None:
    one = cards(evaluated / "report.html")["clip 0"]
    links = re.findall(r'<a href="#([^"]+)">([^<]+)</a>', one)
    assert [text for _, text in links] == ["voice is loud", "0.1-0.6 s"] and len({link for link, _ in links}) == 1
    assert f'<g id="{links[0][0]}">' in one and "truth: " in one
    assert "2 pictures, 0.8 s of sound, transcript (given)" in one


def test_media_are_shown_where_the_licence_allows_or_the_user_asks(call: Call, evaluated: Path, tmp_path: Path) -> None:
    usual, asked, faces = evaluated / "report.html", tmp_path / "asked.html", tmp_path / "faces.html"
    shown = {title: one.count("data:image/jpeg") for title, one in cards(usual).items()}
    assert {title for title, n in shown.items() if n} == {"clip 0", "clip 1"} and shown["clip 0"] == 2
    assert "blurred" in cards(usual)["clip 0"] and "blurred" not in cards(usual)["clip 1"], "a drawing shows nobody"
    assert call("report", evaluated, "--with-media", "-o", asked).exit_code == 0
    assert len(pictures(asked)) == 2 * N and 'class="wave"' in asked.read_text()
    assert call("report", evaluated, "--with-media", "--show-faces", "-o", faces).exit_code == 0
    assert "blurred" not in faces.read_text()
    blurred, plain = (spread(cards(path)["clip 5"]) for path in (asked, faces))
    assert blurred < plain / 4, "of noise that is blurred not much is left"


def test_records_and_answers_that_are_gone_are_told(call: Call, evaluated: Path, records: Path, tmp_path: Path) -> None:
    records.unlink()
    assert call("report", evaluated / "results.json", "-o", tmp_path / "a.html").exit_code == 0
    text = Page(tmp_path / "a.html").text
    assert "shown without words, truth and media" in text and "no truth" in text
    next((evaluated / "predictions").glob("*.avt.jsonl")).unlink()
    assert call("report", evaluated, "-o", tmp_path / "b.html").exit_code == 0
    assert "Answers of little are not shown" in Page(tmp_path / "b.html").text and not cards(tmp_path / "b.html")


def test_answers_alone_and_with_their_records(call: Call, answers: Path, records: Path, tmp_path: Path) -> None:
    assert call("report", answers).exit_code == 0
    text = Page(tmp_path / "answers.html").text
    assert "no truth" in text and "valid for synthetic clips only" in text
    assert call("report", answers, "--data", records, "--clips", 6, "-o", tmp_path / "b.html").exit_code == 0
    assert len(cards(tmp_path / "b.html")) == 6 and "Families" in Page(tmp_path / "b.html").text
    records.write_text(records.read_text().splitlines()[0] + "\n")
    result = call("report", answers, "--data", records, "-o", tmp_path / "c.html")
    assert result.exit_code == 2 and f"{N - 1} answered clip(s) without a record" in result.stderr
    assert not (tmp_path / "c.html").exists()


def test_every_table_and_figure_as_a_file(call: Call, evaluated: Path, tmp_path: Path) -> None:
    folder = tmp_path / "figures"
    assert call("report", evaluated, "--files", folder).exit_code == 0
    names = {path.name for path in folder.iterdir()}
    assert {Path(name).suffix for name in names} == {".md", ".tex", ".csv", ".png"}
    assert all(re.fullmatch(r"[a-z0-9-]+\.[a-z]+", name) for name in names)
    value = json.loads((evaluated / "results.json").read_text())["runs"][0]["value"]
    assert f"{value:.4f}" in (folder / "numbers-every-run.csv").read_text()
    assert (folder / "answers-little-families.png").read_bytes().startswith(b"\x89PNG")
    assert not [
        line for line in (folder / "answers-little-answers.csv").read_text().splitlines() if line.startswith("=")
    ]


def test_calls_that_cannot_be_meant(call: Call, evaluated: Path, records: Path, tmp_path: Path) -> None:
    assert "name their records themselves" in call("report", evaluated, "--data", records).stderr
    file = evaluated / "results.json"
    file.write_text(file.read_text().replace("emollm.results/1", "emollm.results/9"))
    result = call("report", evaluated)
    assert result.exit_code == 2 and "emollm.results/9" in result.stderr
    assert "no such file or folder" in call("report", tmp_path / "none").stderr
    (tmp_path / "empty.jsonl").write_text("")
    assert "no answer in the file" in call("report", tmp_path / "empty.jsonl").stderr


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """A run folder as GRPO leaves it."""
    folder = tmp_path / "run"
    (folder / "checkpoints" / "final").mkdir(parents=True)
    (folder / "config.yaml").write_text(f"name: {EVIL!r}\n")
    rows = [
        {"step": step, "loss": 1 / step, "reward": step / 10, "rewards/format": 0.5, "kl": "nan"} for step in (1, 2, 3)
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    rolls = [
        {
            "step": 3,
            "id": "a",
            "text": f"{EVIL} {reward}",
            "reward": reward,
            "advantage": reward - 1,
            "reasons": {"f": EVIL},
        }
        for reward in (0.5, 1.5, 1.0)
    ]
    (folder / "rollouts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rolls))
    return folder


def test_a_training_run_shows_its_curves_and_what_was_sampled(call: Call, trained: Path) -> None:
    assert call("report", trained).exit_code == 0
    page = Page(trained / "report.html")
    assert "Reward" in page.text and "weighted sum ends at 0.3" in page.text and "loss ends at 0.3333" in page.text
    assert "1.500" in page.text and "0.500" in page.text and "1.000" not in page.text, "the best and the worst"
    assert "not ended" not in page.text and "<h3>KL" not in page.raw and "script" not in dict(page.elements)
    (trained / "checkpoints" / "final").rmdir()
    (trained / "metrics.jsonl").write_text("{broken\n")
    assert "metrics.jsonl" in call("report", trained).stderr
