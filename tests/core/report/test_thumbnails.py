"""Thumbnails are made ahead in threads; an interruption does not wait for them."""

import threading

import pytest

from text2face_core.report import thumbnails


@pytest.mark.timeout(60)
def test_an_interrupted_report_does_not_wait_for_thumbnails_in_work(monkeypatch):
    go_on, begun = threading.Event(), []

    def slow(_, row):
        begun.append(row)
        if row:
            go_on.wait()
        return row

    monkeypatch.setattr(thumbnails, "thumbnail", slow)
    made = thumbnails.make_thumbnails(None, range(100))
    try:
        assert next(made) == 0
        made.close()
        assert len(begun) <= 3, "what has not begun is not begun any more"
    finally:
        go_on.set()
