import pytest
from support.toys import EchoFuser

from text2face_core import Component, Options, Plugins, Recipe, hookimpl
from text2face_core.errors import PluginError, RecipeError
from text2face_core.language.tokens import MERGES
from text2face_core.utils.resources import templates


class SpareOptions(Options):
    loud: bool = False


@pytest.fixture
def plugins():
    return Plugins.load(builtin_only=True)


@pytest.mark.parametrize("path", sorted((templates() / "recipes").glob("*.toml")), ids=lambda path: path.stem)
def test_every_recipe_that_ships_resolves(path, plugins):
    recipe = Recipe.load(path.stem)
    assert recipe.name == path.stem
    assert recipe.summary
    if path.stem == "recap":  # only its user knows where the model is
        recipe = recipe.with_settings(["recap.base_url=http://127.0.0.1:8000/v1"])
    assert recipe.resolve(plugins).of("detector")


def test_an_unknown_recipe_lists_those_there_are():
    with pytest.raises(RecipeError, match=r'no recipe "startr".*starter'):
        Recipe.load("startr")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("detector = ", "cannot be read as TOML"),
        ('detector = "yunet"', "fuser: Field required"),
        ('detector = "yunet"\nfuser = "phrasebook"\ncaption = 3', 'caption: .*"captions"'),
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


@pytest.mark.parametrize(
    "setting",
    [
        "captions.retries=1",
        "captions.candidates=2",
        "captions.name_missed=false",
        "captions.fallback=toy.echo",
        'captions.fallback=""',
        "captions.max_tokens=0",
        "captions.check=false",
        "captions.styles={tags=1}",
    ],
)
def test_every_caption_setting_changes_the_key_of_captions_and_no_other(toy_plugins, setting):
    before, after = (Recipe.load("starter").with_settings(one).resolve(toy_plugins) for one in ([], [setting]))
    assert after.captions_key() != before.captions_key()
    assert after.analysis_key() == before.analysis_key()


def test_the_fallback_is_part_of_the_run_with_options_of_its_own(toy_plugins):
    class Plugin:
        @staticmethod
        @hookimpl
        def t2f_fusers():
            yield Component("spare", lambda options, runtime: EchoFuser(), SpareOptions)

    toy_plugins.register("spare", Plugin())
    recipe = Recipe.load("starter").with_settings(["captions.fallback=spare", "spare.loud=true"])
    resolved = recipe.resolve(toy_plugins)
    assert [part.registered.name for part in resolved.of("fuser")] == ["phrasebook", "spare"]
    quiet = recipe.with_settings(["spare.loud=false"]).resolve(toy_plugins)
    assert quiet.captions_key() != resolved.captions_key()
    assert quiet.analysis_key() == resolved.analysis_key()
    without = recipe.with_settings(["captions.fallback="]).resolve(toy_plugins)
    assert [part.registered.name for part in without.of("fuser")] == ["phrasebook"]


def test_options_of_a_fuser_that_stays_as_fallback_stay_too(toy_plugins):
    recipe = Recipe.load("starter").model_copy(update={"plugins": {"phrasebook": {}, "yunet": {"score": 0.7}}})
    assert recipe.with_plugins(toy_plugins, ["toy.echo"]).plugins == {"phrasebook": {}, "yunet": {"score": 0.7}}


def test_a_run_needs_the_tokenizer_only_where_captions_are_measured(plugins):
    starter = Recipe.load("starter")
    assert MERGES.name in starter.resolve(plugins).artifacts()
    unmeasured = starter.with_settings(["captions.max_tokens=0"]).resolve(plugins).artifacts()
    assert {*starter.resolve(plugins).artifacts()} - {*unmeasured} == {MERGES.name}


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        (
            'bag.drops=[{drop="hair_length=lang", probability=1}]',
            "bag.drops: hair_length has no value lang; there are:",
        ),
        ("bag.leave_out=['ethnicty']", 'bag.leave_out: no finding of this run is called "ethnicty"; did you mean'),
        ("bag.leave_out=['zzz']", "there are: age, arched_eyebrows"),
        ("bag.min_scores={bald_=0.9}", 'bag.min_scores: .*"bald"'),
        ("bag.drops=[{drop='atractive', when=['smiling'], probability=0.5}]", 'bag.drops: .*"attractive"'),
        ("bag.drops=[{drop='attractive', when=['smilling'], probability=0.5}]", 'bag.drops: .*"smiling"'),
    ],
)
def test_a_finding_that_is_misspelt_is_refused_and_not_said_after_all(setting, said):
    with pytest.raises(RecipeError, match=said):
        Recipe.load("starter").with_settings([setting]).resolve(Plugins.load(builtin_only=True))
