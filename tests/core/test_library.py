import pytest

import text2face_core
from text2face_core import caption_photos
from text2face_core.errors import NothingToDo
from text2face_core.library import Silent


def test_the_public_names_are_these_and_all_can_be_had():
    for name in text2face_core.__all__:
        assert getattr(text2face_core, name) is not None
    with pytest.raises(AttributeError):
        text2face_core.nothing_of_this_name  # noqa: B018


def test_captions_in_memory_equal_captions_in_a_directory(tmp_path, toy_plugins, toy_recipe, toy_photos):
    in_memory = caption_photos(toy_photos, toy_recipe, available=toy_plugins)
    kept = caption_photos(toy_photos, toy_recipe, available=toy_plugins, out=tmp_path / "out")
    assert [captions for _, captions in in_memory] == [captions for _, captions in kept]
    assert in_memory.counts == kept.counts == {"ok": 7, "rejected": 3, "failed": 1}
    assert in_memory.out is None
    assert (tmp_path / "out" / "dataset" / "metadata.jsonl").is_file()


def test_plugins_and_settings_are_those_of_the_command_line(tmp_path, toy_plugins, toy_photos):
    result = caption_photos(
        toy_photos,
        plugins="toy",
        settings=["captions.per_photo=1", "captions.max_tokens=0", "captions.check=false"],
        available=toy_plugins,
    )
    texts = [captions[0].text for row, captions in result if row.status == "ok"]
    assert len(texts) == 7
    assert all(text.startswith("Toy ") for text in texts)


def test_several_sources_may_be_given(tmp_path, toy_plugins, toy_recipe, toy_photos):
    files = sorted(toy_photos.glob("good*"))[:2]
    assert len(caption_photos(files, toy_recipe, available=toy_plugins).rows) == 2


def test_no_photos_are_nothing_to_do(tmp_path, toy_plugins, toy_recipe):
    with pytest.raises(NothingToDo):
        caption_photos(tmp_path, toy_recipe, available=toy_plugins)


def test_progress_is_told_of_every_photo(toy_plugins, toy_recipe, toy_photos):
    class Counting(Silent):
        total = done = 0

        def start(self, what, total, done=0):
            self.total += total - done

        def advance(self, count, **counts):
            self.done += count

    counting = Counting()
    caption_photos(toy_photos, toy_recipe, available=toy_plugins, progress=counting)
    assert counting.total == counting.done == 2 * 11
