import pytest

from text2face_core import Plugins, Recipe
from text2face_core.errors import PluginError, RecipeError
from text2face_core.resources import templates


@pytest.fixture
def plugins():
    return Plugins.load(builtin_only=True)


@pytest.mark.parametrize("path", sorted((templates() / "recipes").glob("*.toml")), ids=lambda path: path.stem)
def test_every_recipe_that_ships_resolves(path, plugins):
    recipe = Recipe.load(path.stem)
    assert recipe.name == path.stem
    assert recipe.summary
    assert recipe.resolve(plugins).of("detector")


def test_an_unknown_recipe_lists_those_there_are():
    with pytest.raises(RecipeError, match=r'no recipe "startr".*starter'):
        Recipe.load("startr")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("detector = ", "cannot be read as TOML"),
        ('detector = "yunet"', "fuser: Field required"),
        ('detector = "yunet"\nfuser = "phrasebook"\ncaption = 3', "caption: Extra inputs"),
        ('detector = "yunet"\nfuser = "phrasebook"\n[captions]\nper_photo = 0', "captions.per_photo: .*greater"),
        ('detector = "yunet"\nfuser = "phrasebook"\n[captions.styles]\nshort = -1', "shares must not be negative"),
    ],
)
def test_a_wrong_recipe_file_says_what_is_wrong(tmp_path, text, message):
    (tmp_path / "r.toml").write_text(text)
    with pytest.raises(RecipeError, match=message):
        Recipe.load(tmp_path / "r.toml")


@pytest.mark.parametrize(
    ("setting", "read"),
    [
        ("yunet.score=0.75", lambda recipe: recipe.plugins["yunet"]["score"] == 0.75),
        ("captions.per_photo=2", lambda recipe: recipe.captions.per_photo == 2),
        ("captions.styles.long=0.9", lambda recipe: recipe.captions.styles == {"short": 0.5, "long": 0.9}),
        ("seed=7", lambda recipe: recipe.seed == 7),
        ("dataset.enabled=false", lambda recipe: recipe.dataset.enabled is False),
        ("bag.leave_out=['age']", lambda recipe: recipe.bag.leave_out == ("age",)),
        ("farl.attributes.weights=/a path/x.pt", lambda r: r.plugins["farl.attributes"] == {"weights": "/a path/x.pt"}),
    ],
)
def test_settings_reach_their_place(setting, read):
    assert read(Recipe.load("starter").with_settings([setting]))


@pytest.mark.parametrize("setting", ["score=1", "yunet.score", "captions.per_foto=1", "captions.per_photo=many"])
def test_wrong_settings_are_refused(setting):
    with pytest.raises(RecipeError):
        Recipe.load("starter").with_settings([setting])


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("yunet.scor=0.5", "options of yunet: .*score"),
        ("yunet.score=2", "yunet: score"),
        ("farl.weights=x", '"farl", which is not part of this run'),
    ],
)
def test_wrong_plugin_options_are_refused_with_the_choices(plugins, setting, message):
    with pytest.raises(RecipeError, match=message):
        Recipe.load("starter").with_settings([setting]).resolve(plugins)


def test_named_plugins_replace_their_kind_and_leave_the_others(toy_plugins):
    starter = Recipe.load("starter")
    assert starter.with_plugins(toy_plugins, []) == starter
    only_photo = starter.with_plugins(toy_plugins, ["photo"])
    assert (only_photo.detector, only_photo.extractors, only_photo.fuser) == ("yunet", ("photo",), "phrasebook")
    one_part = starter.with_plugins(toy_plugins, ["toy.shade", "photo"])
    assert (one_part.detector, one_part.extractors) == ("yunet", ("toy.shade", "photo"))
    whole = starter.with_plugins(toy_plugins, ["toy"])
    assert (whole.detector, whole.filters, whole.extractors) == ("toy", ("toy.left",), ("toy.shade",))
    assert whole.fuser == "toy.echo"


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["yunett"], 'no plugin is called "yunett". Did you mean "yunet"'),
        (["toy.shad"], 'Did you mean "toy.shade"'),
        (["yunet", "toy"], "a run has one detector, and yunet and toy were named"),
    ],
)
def test_wrong_names_of_plugins_are_refused_with_the_choices(toy_plugins, names, message):
    with pytest.raises(PluginError, match=message):
        Recipe.load("starter").with_plugins(toy_plugins, names)


def test_keys_change_with_what_they_stand_for_and_with_nothing_else(plugins):
    def keys(*settings):
        resolved = Recipe.load("starter").with_settings(settings).resolve(plugins)
        return resolved.analysis_key(), resolved.captions_key()

    analysis, captions = keys()
    assert keys() == (analysis, captions)
    assert keys("seed=1") == (analysis, keys("seed=1")[1])
    assert keys("seed=1")[1] != captions
    for setting in ("yunet.score=0.7", "faces.min_size=50", "dataset.size=512"):
        assert keys(setting)[0] != analysis
        assert keys(setting)[1] == captions
    assert keys("bag.leave_out=['gender']")[0] == analysis
    assert keys("bag.leave_out=['gender']")[1] != captions
