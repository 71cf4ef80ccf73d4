"""Published data sets in samples of their own layouts."""

import json

import numpy as np
import pytest
from PIL import Image
from support import tars, toys

from text2face_core import Finding, Plugins, Recipe, SourceError, caption_photos
from text2face_core.errors import RecipeError
from text2face_core.sources import Sources, use_sources


@pytest.fixture(autouse=True)
def _own_sources():
    yield
    use_sources(Sources())


def sources(**options):
    return Sources(Plugins.load(builtin_only=True), options=options)


def names(found, place):
    return [photo.uri.rpartition("!")[2] for photo in found.list_photos(place, [], print)]


@pytest.fixture
def ffhq(tmp_path):
    about = {}
    for number in (0, 1, 1000, 69999):
        folder, name = f"{number // 1000 * 1000:05d}", f"{number:05d}.png"
        for variant in ("images1024x1024", "thumbnails128x128", "in-the-wild-images"):
            toys.draw_photo(tmp_path / "ffhq" / variant / folder / name, age=20 + number % 7)
        about[str(number)] = {
            "category": "training" if number < 60000 else "validation",
            "metadata": {"photo_title": f"title of {number}", "license": "Attribution License"},
            "image": {"file_path": f"images1024x1024/{folder}/{name}", "pixel_size": [1024, 1024]},
        }
    (tmp_path / "ffhq" / "ffhq-dataset-v2.json").write_text(json.dumps(about))
    (tmp_path / "ffhq" / "LICENSE.txt").write_text("text")
    return tmp_path / "ffhq"


def test_ffhq_has_images_thumbnails_and_photos_in_the_wild(ffhq):
    for options, folder in (({}, "images1024x1024"), ({"variant": "wild"}, "in-the-wild-images")):
        assert names(sources(ffhq=options), f"ffhq:{ffhq}") == [
            f"{folder}/{place}"
            for place in ("00000/00000.png", "00000/00001.png", "01000/01000.png", "69000/69999.png")
        ]
    assert names(sources(ffhq={"category": "validation"}), f"ffhq:{ffhq}") == ["images1024x1024/69000/69999.png"]
    found = sources(ffhq={"titles": True})
    photos = found.list_photos(f"ffhq:{ffhq}", [], print)
    assert [found.known(photo.uri).alt_text for photo in photos][2] == "title of 1000"
    assert found.open(photos[2].uri) == (ffhq / "images1024x1024/01000/01000.png").read_bytes()


def test_a_folder_of_another_layout_is_refused_with_the_layout(tmp_path, ffhq):
    for place in (f"celeba:{ffhq}", f"easyportrait:{ffhq}", f"celebamask_hq:{ffhq}"):
        with pytest.raises(SourceError, match="wanted"):
            names(sources(), place)
    with pytest.raises(SourceError, match="no folder"):
        names(sources(), f"ffhq:{tmp_path}/gone")
    (ffhq / "ffhq-dataset-v2.json").write_text('{"a": {}}')
    with pytest.raises(SourceError, match=r"ffhq-dataset-v2\.json"):
        names(sources(ffhq={"category": "training"}), f"ffhq:{ffhq}")


def test_celeba_states_its_attributes(tmp_path):
    root = tmp_path / "celeba"
    for number in (1, 2, 3):
        toys.draw_photo(root / "img_align_celeba" / f"{number:06d}.jpg")
    (root / "list_attr_celeba.txt").write_text(
        "3\n5_o_Clock_Shadow Eyeglasses Smiling \n000001.jpg -1  1 -1\n000002.jpg  1 -1 -1\n000003.jpg -1 -1  1\n"
    )
    (root / "list_eval_partition.txt").write_text("000001.jpg 0\n000002.jpg 1\n000003.jpg 2\n")
    found = sources()
    photos = found.list_photos(f"celeba:{root}", [], print)
    assert found.known(photos[1].uri).findings == (
        Finding("five_o_clock_shadow", True, 1.0, "truth:celeba"),
        Finding("eyeglasses", False, 1.0, "truth:celeba"),
        Finding("smiling", False, 1.0, "truth:celeba"),
    )
    assert names(sources(celeba={"split": "test"}), f"celeba:{root}") == ["img_align_celeba/000003.jpg"]
    (root / "list_attr_celeba.txt").unlink()
    (root / "list_attr_celeba.csv").write_text("image_id,Smiling\n000001.jpg,1\n")
    import t2f_sources.celeba as module

    module._attributes.cache_clear()
    assert found.known(photos[0].uri).findings == (Finding("smiling", True, 1.0, "truth:celeba"),)
    assert found.known(photos[1].uri).findings == ()


def test_celebamask_hq_is_listed_by_number(tmp_path):
    root = tmp_path / "CelebAMask-HQ"
    for number in (0, 2, 10):
        toys.draw_photo(root / "CelebA-HQ-img" / f"{number}.jpg")
    (root / "CelebAMask-HQ-attribute-anno.txt").write_text("2\nBald Young\n0.jpg  1 -1\n10.jpg -1  1\n")
    found = sources()
    photos = found.list_photos(f"celebamask_hq:{root}", [], print)
    assert [photo.uri.rpartition("/")[2] for photo in photos] == ["0.jpg", "2.jpg", "10.jpg"]
    known = [found.known(photo.uri).findings for photo in photos]
    assert known[0][0] == Finding("bald", True, 1.0, "truth:celeba.mask_hq")
    assert known[1] == ()


def test_easyportrait_states_teeth_from_its_masks(tmp_path):
    root = tmp_path / "easyportrait"
    for split, number, teeth in (("train", 1, 30), ("train", 2, 0), ("val", 3, None)):
        toys.draw_photo(root / "images" / split / f"{number}.jpg")
        mask = np.zeros((40, 40), np.uint8)
        if teeth is not None:
            mask[10:20, 10:20] = 7
            mask[10, : min(teeth, 40)] = 8
            (root / "annotations" / split).mkdir(parents=True, exist_ok=True)
            Image.fromarray(mask).save(root / "annotations" / split / f"{number}.png")
    found = sources()
    photos = found.list_photos(f"easyportrait:{root}", [], print)
    assert [found.known(photo.uri).findings for photo in photos] == [
        (Finding("teeth_visible", True, 1.0, "truth:easyportrait"),),
        (Finding("teeth_visible", False, 1.0, "truth:easyportrait"),),
        (),
    ]
    assert names(sources(easyportrait={"split": "val"}), f"easyportrait:{root}") == ["images/val/3.jpg"]


def test_small_faces_of_laion_face_are_dropped_and_those_of_other_sources_are_not(
    tmp_path, toy_plugins, toy_recipe, ffhq
):
    small = toys.draw_photo(tmp_path / "small.png", faces=[(60, 40, 80)])
    tars.write_shard(tmp_path / "laion" / "00000.tar", [small])
    place = f"laion_face:{tmp_path}/laion"
    alone = caption_photos(place, toy_recipe, available=toy_plugins, out=tmp_path / "alone")
    assert [(row.status, row.alt_text) for row, _ in alone] == [("rejected", "a picture of small")]
    assert "min_size is 250" in alone.rows[0][0].reason
    both = caption_photos([place, f"ffhq:{ffhq}"], toy_recipe, available=toy_plugins, out=tmp_path / "both")
    assert sorted(row.status for row, _ in both) == ["ok"] * 4 + ["rejected"]
    asked = toy_recipe.with_settings(["faces.min_size=60"])
    assert caption_photos(place, asked, available=toy_plugins).rows[0][0].status == "ok"


def test_a_recipe_names_several_sources_each_with_its_own_rules(tmp_path, toy_plugins, toy_recipe):
    toys.draw_photo(tmp_path / "a" / "1.png", faces=[(60, 40, 80)])
    toys.draw_photo(tmp_path / "b" / "1.png", faces=[(60, 40, 81)])
    places = [{"place": str(tmp_path / "a"), "faces": {"min_size": 100}}, {"place": str(tmp_path / "b")}]
    recipe = Recipe.parse({**toy_recipe.model_dump(), "sources": places}, "a test")
    found = caption_photos([str(tmp_path / "a"), str(tmp_path / "b")], recipe, available=toy_plugins)
    assert [row.status for row, _ in found] == ["rejected", "ok"]
    other = Recipe.parse({**toy_recipe.model_dump(), "sources": places[1:]}, "a test")
    keys = {one.resolve(toy_plugins).analysis_key() for one in (recipe, other, toy_recipe)}
    assert len(keys) == 2
    with pytest.raises(RecipeError, match="min_sizes"):
        Recipe.parse({**toy_recipe.model_dump(), "sources": [{"place": "a", "faces": {"min_sizes": 1}}]}, "a test")


def test_the_paper_is_one_recipe():
    recipe = Recipe.load("paper-datasets")
    paper = Recipe.load("paper")
    assert [source.place.partition(":")[0] for source in recipe.sources] == ["easyportrait", "ffhq", "laion_face"]
    assert [recipe.faces_of(f"{source.prefix}/1.jpg").min_size for source in recipe.sources] == [0, 0, 250]
    differ = {"name", "summary", "sources", "faces"}
    assert recipe.model_dump(exclude=differ) == paper.model_dump(exclude=differ)
