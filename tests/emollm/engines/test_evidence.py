"""What a model is given of a record: the crop that it names, faces in place of pictures, a recogniser's words in place of its own."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from emollm.cli.main import app
from emollm.config_media import MediaChoice
from emollm.engines import Request
from emollm.engines.evidence import MediaSettings, gather
from emollm.media import decode, faces
from emollm.media.cache import ClipCache
from emollm.prompts import TASKS
from emollm.records import Media, MediaRef, Record, TextLine, Turn, write_records
from emollm.synth.mp4 import write_clip
from tests.emollm.speaking import RATE_HZ, talk

LOOK = "{frames: 4, max_pixels: 3136, audio_window_s: 2.0}"
SAID = (TextLine(text="as given"), TextLine(text="comme dit", kind="translation"))


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Black on the left, grey on the right, with a voice."""
    pictures = np.zeros((8, 64, 64, 3), np.uint8)
    pictures[:, :, 32:] = 200
    write_clip(tmp_path / "clip.mp4", pictures, talk(("voice", 1), ("silence", 1)), fps=4, sample_rate_hz=RATE_HZ)
    return tmp_path / "clip.mp4"


def given(record: Record, read: Callable[..., Any] = decode, **choice: Any) -> Any:
    settings = MediaSettings(4, 512, 30.0, RATE_HZ, **MediaChoice(**choice).model_dump())
    return gather(Request(record.id, record, TASKS["labels"]), settings, read)


def of(clip: Path, **parts: Any) -> Record:
    crop, face = parts.get("crop"), parts.get("face")
    media = Media(video=MediaRef(path=str(clip), crop=crop), face=face and MediaRef(path=str(face)))
    return Record(id="r", media=media, text=SAID, context=(Turn(text="before"),))


@pytest.mark.parametrize("cached", [False, True])
def test_a_record_shows_its_crop_alone(clip: Path, cached: bool) -> None:
    read = ClipCache().decode if cached else decode
    left, right, whole = (given(of(clip, crop=crop), read) for crop in ((0, 0, 0.5, 1), (0.5, 0, 1, 0.5), None))
    assert [one.frames.shape for one in (left, right, whole)] == [(4, 64, 32, 3), (4, 32, 32, 3), (4, 64, 64, 3)]
    assert left.frames.mean() < 20 and right.frames.mean() > 180
    assert left.seen.states["video"] == "black", "half of the picture is dark"


def test_faces_take_the_place_of_pictures(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faces, "find_frontal", lambda frame: [(36.0, 20.0, 60.0, 44.0)])
    found = given(of(clip), face="crop")
    assert found.frames.shape == (4, faces.SIDE_PX, faces.SIDE_PX, 3) and found.seen.states["video"] == "present"
    assert found.frames[:, 100, 100].mean() > 180
    monkeypatch.setattr(faces, "find_frontal", lambda frame: [])
    nobody = given(of(clip), face="crop")
    assert nobody.frames is None and (nobody.seen.frames, nobody.seen.states["video"]) == (0, "no_face")
    assert nobody.audio is not None


def test_faces_of_a_table(clip: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "face.npy", np.full((10, 16, 16, 3), 7, np.uint8))
    np.save(tmp_path / "none.npy", np.zeros((0, 16, 16, 3), np.uint8))
    found = given(of(clip, face=tmp_path / "face.npy"), face="file")
    assert (
        found.frames.shape == (4, 16, 16, 3)
        and (found.frames == 7).all()
        and found.picture_s == pytest.approx(2, abs=0.1)
    )
    for record in (of(clip), of(clip, face=tmp_path / "none.npy")):
        assert given(record, face="file").seen.states["video"] == "no_face"


def test_opencv_finds_a_real_face() -> None:
    pytest.importorskip("cv2", reason="needs emollm[face]")
    from matplotlib.cbook import get_sample_data
    from PIL import Image

    picture = np.asarray(Image.open(get_sample_data("grace_hopper.jpg")).convert("RGB"))
    ((x0, y0, x1, y1),) = faces.find_frontal(picture)
    assert x0 < 265 < x1 and y0 < 220 < y1, "her nose"
    assert x1 - x0 < picture.shape[1] / 2
    assert faces.find_frontal(np.zeros_like(picture)) == []


def test_without_opencv_the_call_is_refused(
    random_model: Path, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "cv2", None)
    faces.check_finder.cache_clear()
    recipe = recipe_of(tmp_path, random_model, "{face: crop}")
    result = CliRunner().invoke(app, ["label", str(clip), "--model", str(recipe)])
    assert result.exit_code == 2 and "emollm[face]" in result.output
    faces.check_finder.cache_clear()


def test_words_of_a_recogniser_and_none(clip: Path, tiny_whisper: Path) -> None:
    whisper = str(tiny_whisper)
    heard = given(of(clip), transcript="asr", recogniser=whisper)
    (line, other) = heard.record.text
    assert (line.kind, line.source, other.kind) == ("asr", f"whisper:{whisper}", "translation")
    assert heard.seen.transcript == "asr" and heard.record.context
    none = given(of(clip), transcript="none")
    assert (none.record.text, none.record.context, none.has_words, none.seen.transcript) == ((), (), False, "none")
    kept = given(of(clip))
    assert kept.record is None and kept.seen.transcript == "given"


def test_a_recipe_chooses_for_label_and_another_choice_is_another_run(
    omni_folder: Callable[[str], Path], clip: Path, tiny_whisper: Path, tmp_path: Path
) -> None:
    write_records(tmp_path / "records.jsonl", [of(clip)])
    call = ["label", str(tmp_path / "records.jsonl"), "--workers", "1", "-o", str(tmp_path / "out.jsonl")]
    model = omni_folder("qwen2_5_omni")
    recipe = recipe_of(tmp_path, model, f"{{transcript: asr, recogniser: {tiny_whisper}}}")
    result = CliRunner().invoke(app, [*call, "--model", str(recipe)])
    assert result.exit_code == 0, result.output
    (answer,) = map(json.loads, (tmp_path / "out.jsonl").read_text().splitlines())
    assert answer["seen"]["transcript"] == "asr"
    result = CliRunner().invoke(app, [*call, "--model", str(recipe_of(tmp_path, model, "{transcript: none}"))])
    assert result.exit_code == 2 and "made with other settings" in result.output


@pytest.mark.parametrize(
    ("media", "problem"),
    [
        ("{recogniser: openai/whisper-small}", "`recogniser` goes with `transcript: asr`"),
        ("{transcript: asr}", "`recogniser` goes with `transcript: asr`"),
        ("{face: cropped}", "media.face"),
        ("{faces: crop}", "face"),
    ],
)
def test_keys_without_effect_are_refused(media: str, problem: str, tmp_path: Path, random_model: Path) -> None:
    result = CliRunner().invoke(app, ["validate", str(recipe_of(tmp_path, random_model, media))])
    assert result.exit_code == 2 and problem in result.output


def recipe_of(folder: Path, model: Path, media: str) -> Path:
    path = folder / "look.yaml"
    path.write_text(f"method: label\nname: look\nmodel: {{path: {model}, omni: {LOOK}}}\nmedia: {media}\n")
    return path
