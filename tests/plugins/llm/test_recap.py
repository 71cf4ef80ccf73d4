"""RECAP: what a vision language model is shown and told, and photos that are taken whole."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from t2f_llm.images import data_url, picture
from t2f_llm.recap import RecapOptions, build, prompt_of
from t2f_none import NoneOptions, build as build_none

from text2face_core import Recipe, RunDirectory
from text2face_core.cli import main
from text2face_core.contracts import FusionRequest, Runtime
from text2face_core.errors import BadPhoto
from text2face_core.images import Framing
from text2face_core.models.store import ModelStore
from text2face_core.records import Bag, BagItem

BAG = Bag((BagItem("age", 34.0, "34 years old", "F1"), BagItem("blurry", True, "blurry", "photo")))
SERVER = {"base_url": "http://127.0.0.1:9/v1"}


@pytest.fixture
def photo(tmp_path) -> Path:
    """Left half red, right half blue; stored lying on its side, with the EXIF tag that says so."""
    image = Image.new("RGB", (400, 200), (250, 10, 10))
    image.paste((10, 10, 250), (200, 0, 400, 200))
    exif = Image.Exif()
    exif[0x0112] = 6
    image.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "photo.jpg", quality=95, exif=exif)
    return tmp_path / "photo.jpg"


def request(uri: Path | str, *, style: str = "short", bag: Bag = BAG, count: int = 1, **more) -> FusionRequest:
    return FusionRequest("0" * 16, str(uri), 0, bag, style, 7, count, **more)


class Looking(BaseHTTPRequestHandler):
    """A server that answers with the colours of the picture that it was sent."""

    seen: list[dict]

    def do_GET(self):
        self._answer({"data": [{"id": "the one model"}]})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.seen.append(body)
        shown, _ = body["messages"][0]["content"]
        content = base64.b64decode(shown["image_url"]["url"].partition("base64,")[2])
        with Image.open(BytesIO(content)) as image:
            left, right = image.getpixel((5, 5)), image.getpixel((image.width - 5, 5))
        colours = f"{'red' if left[0] > 200 else left} {'blue' if right[2] > 200 else right}"
        text = f"A {image.format} of {image.width} by {image.height} pixels, {colours} in colour."
        choices = [{"index": n, "message": {"content": f"{text}{n or ''}"}} for n in range(body.get("n", 1))]
        self._answer({"choices": choices})

    def _answer(self, found):
        content = json.dumps(found).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def server() -> Iterator[tuple[str, list[dict]]]:
    handler = type("Handler", (Looking,), {"seen": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}/v1", handler.seen
        listening.shutdown()
        thread.join()


# --- what the model sees ---


@pytest.mark.parametrize(("max_side", "expected"), [(1000, (400, 200)), (400, (400, 200)), (100, (100, 50))])
def test_the_picture_is_upright_and_no_larger_than_was_asked(photo, max_side, expected):
    shown = picture(str(photo), max_side)
    assert shown.size == expected
    assert np.asarray(shown)[10, 5, 0] > 200
    assert np.asarray(shown)[10, -5, 2] > 200


def test_a_data_url_is_a_jpeg_and_the_same_for_the_same_pixels(photo):
    first, second = (data_url(picture(str(photo), 100), 90) for _ in range(2))
    assert first == second
    assert first.startswith("data:image/jpeg;base64,/9j/")


def test_a_photo_that_is_gone_is_told_from_one_that_is_there(tmp_path):
    with pytest.raises(BadPhoto, match="no such file"):
        picture(str(tmp_path / "gone.jpg"), 100)


# --- what the model is told ---


@pytest.mark.parametrize("style", ["short", "long", "tags"])
def test_each_style_has_an_instruction_of_its_own(style):
    options = RecapOptions(**SERVER)
    texts = {one: prompt_of(options, request("", style=one)) for one in ("short", "long", "tags")}
    assert len(set(texts.values())) == 3
    assert ("one short English sentence" in texts[style]) == (style == "short")


def test_without_hints_the_model_is_told_nothing_of_the_bag():
    plain = prompt_of(RecapOptions(**SERVER), request("", missed=("age",)))
    assert "34 years old" not in plain
    assert plain == prompt_of(RecapOptions(**SERVER), request("", bag=Bag(())))


def test_with_hints_it_is_told_all_of_it_and_what_it_left_out():
    hinted = prompt_of(RecapOptions(**SERVER, hints=True), request("", missed=("blurry",)))
    assert "has to be said: 34 years old." in hinted
    assert "The image is blurry" in hinted
    assert "Do not leave out: blurry" in hinted


# --- by a server ---


def test_a_server_is_sent_picture_and_instruction(photo, server, tmp_path):
    pytest.importorskip("httpx2")
    url, seen = server
    fuser = build(RecapOptions(base_url=url, max_side=200, temperature=0.4), Runtime(ModelStore(tmp_path)))
    gone = request(tmp_path / "gone.jpg")
    said = "A JPEG of 200 by 100 pixels, red blue in colour."
    texts = fuser.fuse([request(photo), gone, request(photo, style="long", count=2)])
    assert texts == [[said], [], [said, f"{said}1"]]
    assert len(seen) == 2
    assert {body["temperature"] for body in seen} == {0.4}
    asked = sorted(body["messages"][0]["content"][1]["text"] for body in seen)
    assert asked == sorted(prompt_of(RecapOptions(**SERVER), request("", style=style)) for style in ("short", "long"))


def test_a_backend_has_to_be_chosen():
    with pytest.raises(ValueError, match=r"recap\.base_url=.*recap\.backend=transformers"):
        RecapOptions()
    assert RecapOptions(backend="transformers").base_url == ""


# --- the detector "none" ---


@pytest.mark.parametrize(("width", "height"), [(400, 300), (33, 900), (64, 64)])
def test_a_photo_taken_whole_keeps_every_promise_of_a_face(width, height):
    ((face,),) = build_none(NoneOptions(), Runtime(ModelStore())).detect([np.zeros((height, width, 3), np.uint8)])
    assert face.box.tolist() == [0, 0, width, height]
    assert (face.box.dtype, face.landmarks.dtype) == (np.float32, np.float32)
    assert face.landmarks.shape == (5, 2)
    assert (face.landmarks > 0).all()
    assert (face.landmarks < [width, height]).all()
    side = min(width, height)
    x0, y0, x1, y1 = Framing("square", 1.0).frame(width, height, face)
    assert (x1 - x0, y1 - y0) == (side, side)


def test_the_recipe_mixes_short_and_long_and_asks_nothing_of_a_face():
    recipe = Recipe.load("recap")
    assert (recipe.detector, recipe.fuser, recipe.extractors) == ("none", "recap", ())
    assert recipe.captions.styles == {"short": 0.5, "long": 0.5}
    assert (recipe.captions.check, recipe.captions.fallback, recipe.captions.max_tokens) == (False, "", 77)


def test_a_run_captions_photos_of_anything(photo, server, tmp_path, monkeypatch):
    """Straight through the command line: a photo lying on its side, one without a face, and one that is not a photo."""
    pytest.importorskip("httpx2")
    url, seen = server
    folder = tmp_path / "photos"
    folder.mkdir()
    photo.rename(folder / "photo.jpg")
    Image.new("RGB", (300, 300), (240, 20, 20)).save(folder / "square.png")
    (folder / "text.jpg").write_text("this is not an image")
    monkeypatch.setenv("T2F_MODELS", str(tmp_path / "models"))
    command = ["run", str(folder), "--out", str(tmp_path / "out"), "--recipe", "recap", "--no-report"]
    settings = [f"recap.base_url={url}", "captions.max_tokens=0", "captions.per_photo=1", "captions.retries=0"]
    assert main([*command, *(part for one in settings for part in ("--set", one))]) == 1  # one file failed
    rows = {Path(row.uri).name: (row, said) for row, said in RunDirectory.open(tmp_path / "out").rows()}
    assert {name: row.status for name, (row, _) in rows.items()} == {
        "photo.jpg": "ok",
        "square.png": "ok",
        "text.jpg": "failed",
    }
    assert [len(rows[name][1].captions) for name in sorted(rows)] == [1, 1, 0]
    assert len(seen) == 2
    with Image.open(
        next((tmp_path / "out" / "dataset" / "images").rglob(f"{rows['photo.jpg'][0].photo_id}.jpg"))
    ) as crop:
        assert crop.size == (200, 200)
