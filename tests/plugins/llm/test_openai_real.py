"""The openai fuser with a real language model: T2F_TEST_OPENAI_URL names a server, as http://127.0.0.1:8080/v1."""

import os
import time

import pytest

from text2face_core import caption_photos

pytest.importorskip("httpx2")

URL = os.environ.get("T2F_TEST_OPENAI_URL", "")
pytestmark = [pytest.mark.models, pytest.mark.skipif(not URL, reason="T2F_TEST_OPENAI_URL names no server")]


def test_the_example_photos_get_captions_and_the_second_time_at_once(plugins, starter_models, example_photos, tmp_path):
    settings = [f"openai.base_url={URL}", "openai.concurrency=2", "openai.timeout=600", "captions.per_photo=1"]
    settings += [f"openai.cache={tmp_path / 'kept.sqlite'}", "captions.retries=0", "captions.styles={short=1.0}"]
    settings += ["captions.check=false"]  # a small model says little that is right
    texts, seconds = [], []
    for _ in range(2):
        start = time.perf_counter()
        result = caption_photos(example_photos, settings=settings, plugins="openai")
        seconds.append(time.perf_counter() - start)
        texts.append([[caption.text for caption in captions] for _, captions in result])
        assert all(captions for row, captions in result if row.status == "ok")
        assert any(caption.fuser == "openai" for _, captions in result for caption in captions)
    assert texts[0] == texts[1]
    assert seconds[1] < seconds[0] / 2
