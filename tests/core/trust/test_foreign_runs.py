"""A run or recipe of another person, met by a user who has allowed nothing yet."""

import tomllib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tomli_w
from support import small_run
from support.distributions import add_distribution
from support.llm_server import serving

from text2face_core import Recipe, RunDirectory, caption_photos
from text2face_core.cli import main
from text2face_core.errors import RunError, UntrustedError
from text2face_core.utils import path_inside

SELECT = ["--no-report", "--set", "captions.max_tokens=0", "--set", "captions.check=false"]


def be_somebody_else(tmp_path, monkeypatch):
    monkeypatch.setenv("T2F_CONFIG", str(tmp_path / "config of a stranger"))


def install(site, name, code):
    """A plugin as if it were installed: a distribution's metadata on the path."""
    add_distribution(site, f"t2f-{name}", f"{name} = {name}_module")
    (site / f"{name}_module.py").write_text(code)


@pytest.fixture
def theirs(tmp_path, monkeypatch, toy_photos, capsys):
    """A run made by another person, with the toy detector and extractor."""
    install(tmp_path / "site", "toy", "from support.toys import *\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.chdir(tmp_path)
    assert main(["run", str(toy_photos), "--out", "theirs", "--plugins", "toy", *SELECT]) == 1
    capsys.readouterr()
    return tmp_path / "theirs"


def edit(run, **openai):
    """Let the run ask a server, as its run.toml says."""
    settings = tomllib.loads((run / "run.toml").read_text())
    settings["recipe"]["fuser"] = "openai"
    settings["recipe"]["plugins"]["openai"] = openai
    (run / "run.toml").write_text(tomli_w.dumps(settings))


def test_a_run_sends_nothing_reads_nothing_and_writes_nothing_elsewhere(theirs, tmp_path, monkeypatch, capsys):
    be_somebody_else(tmp_path, monkeypatch)
    monkeypatch.setenv("OPENAI_API_KEY", "sentinel")
    (tmp_path / "diary.txt").write_text("sentinel too")
    with serving() as server:
        reach = {"base_url": server.url, "prompt": str(tmp_path / "diary.txt"), "cache": str(tmp_path / "new.sqlite")}
        edit(theirs, **reach)
        photo = RunDirectory.open(theirs).photos()[0].photo_id
        for command in (["fuse", "theirs"], ["prompt", "theirs", "--photo", photo]):
            assert main(command) == 2
            shown = capsys.readouterr()
            for wanted in (*reach.values(), "OPENAI_API_KEY", "toy", "--trust", "run.toml"):
                assert wanted in shown.err
            assert "sentinel" not in shown.out + shown.err
        assert server.bodies == []
    assert not (tmp_path / "new.sqlite").exists()


def test_what_was_allowed_once_is_remembered_and_only_that(theirs, tmp_path, monkeypatch, capsys):
    be_somebody_else(tmp_path, monkeypatch)
    with serving() as server:
        edit(theirs, base_url=server.url, cache="off")
        assert main(["fuse", "theirs", "--trust", "--no-report"]) == 1  # one photo of the run cannot be read
        assert server.bodies
        assert server.url in capsys.readouterr().err
        assert main(["fuse", "theirs", "--seed", "5", "--no-report"]) == 1
        cache = tmp_path / "other.sqlite"
        edit(theirs, base_url=server.url, cache=str(cache))
        assert main(["fuse", "theirs", "--no-report"]) == 2
        assert not cache.exists()


def test_what_the_user_chose_for_a_run_is_not_asked_about_later(theirs, tmp_path, monkeypatch):
    be_somebody_else(tmp_path, monkeypatch)
    cache = tmp_path / "mine.sqlite"
    with serving() as server:
        chosen = ["--plugins", "openai", "--set", f"openai.base_url={server.url}", "--set", f"openai.cache={cache}"]
        assert main(["fuse", "theirs", *chosen, "--trust", *SELECT]) == 1  # the run itself names the plugin toy
        sent = len(server.bodies)
        assert main(["fuse", "theirs", "--seed", "5", "--no-report"]) == 1
        assert len(server.bodies) > sent > 0
    assert cache.is_file()


def test_a_run_of_one_s_own_never_asks(theirs):
    assert main(["fuse", "theirs", "--seed", "5", "--no-report"]) == 1  # its plugin is not one of text2face's own


def test_what_the_user_says_in_the_command_is_the_user_s_own(theirs, tmp_path, monkeypatch):
    edit(theirs, base_url="http://127.0.0.1:9/v1", cache="off")
    with serving() as server:
        assert main(["fuse", "theirs", "--set", f"openai.base_url={server.url}", *SELECT]) in {1, 2}
        assert main(["fuse", "theirs", "--plugins", "phrasebook", *SELECT]) == 1


@pytest.mark.parametrize("variable", ["AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "PATH"])
@pytest.mark.parametrize("how", ["run", "command"])
def test_a_variable_that_is_not_a_key_by_its_name_is_never_sent(theirs, monkeypatch, variable, how, capsys):
    monkeypatch.setenv(variable, "sentinel")
    with serving() as server:
        edit(theirs, base_url=server.url, cache="off", **({"key_env": variable} if how == "run" else {}))
        extra = ["--set", f"openai.key_env={variable}"] if how == "command" else []
        assert main(["fuse", "theirs", "--trust", *extra, *SELECT]) == 2
        assert server.keys == set()
    shown = capsys.readouterr()
    assert "key_env" in shown.err
    assert "sentinel" not in shown.err


def test_a_plugin_from_outside_is_not_imported_before_it_is_allowed(theirs, tmp_path, monkeypatch, capsys):
    install(tmp_path / "site", "spy", "from pathlib import Path\nPath('imported').touch()\n")
    recipe = tmp_path / "their.toml"
    recipe.write_text('detector = "yunet"\nextractors = ["spy"]\nfuser = "phrasebook"\n[plugins.spy]\nfactor = 2\n')
    assert main(["models", "pull", "--recipe", "their.toml"]) == 2
    assert "t2f-spy" in capsys.readouterr().err
    assert not (tmp_path / "imported").exists()


def test_a_recipe_file_is_asked_about_by_programs_too(tmp_path, toy_photos):
    recipe = tmp_path / "their.toml"
    recipe.write_text('detector = "yunet"\nfuser = "openai"\n[plugins.openai]\nbase_url = "http://127.0.0.1:9/v1"\n')
    with pytest.raises(UntrustedError, match=r"openai\.base_url"):
        caption_photos(toy_photos, recipe)
    assert Recipe.load(recipe).fuser == "openai"  # to look at it is allowed


def test_a_message_holds_nothing_that_a_terminal_obeys(theirs, capsys):
    edit(theirs, base_url="http://host/\x1b]0;owned\x07", cache="off")
    assert main(["fuse", "theirs"]) == 2
    assert "\x1b" not in capsys.readouterr().err


# --- ids and paths ---


@pytest.mark.parametrize("photo_id", ["../../../payload/x", "/etc/x", "0123456789ABCDEF", "0123456789abcde", "", None])
@pytest.mark.parametrize("table", ["photos.parquet", "analysis/00000.parquet", "captions/00000.parquet"])
def test_an_id_that_is_not_16_hexadecimal_digits_is_refused_wherever_it_stands(tmp_path, table, photo_id):
    run = small_run.make_run(tmp_path / "run")
    path = run.path / table
    before = pq.read_table(path)
    ids = [photo_id, *before["photo_id"].to_pylist()[1:]]
    forged = before.set_column(before.schema.get_field_index("photo_id"), "photo_id", pa.array(ids))
    metadata = {key: value for key, value in forged.schema.metadata.items() if b"checksum" not in key}
    pq.write_table(forged.replace_schema_metadata(metadata), path)  # who forges an id leaves out the checksum
    with pytest.raises(RunError, match="photo id"):
        list(RunDirectory.open(run.path).rows())
    for format_ in ("kohya", "imagefolder", "webdataset", "parquet", "jsonl"):
        assert main(["export", str(run.path), "--format", format_, "--out", str(tmp_path / "d" / "exported")]) == 2
    assert {one.name for one in tmp_path.iterdir()} <= {"run", "d"}
    assert not list((tmp_path / "d").glob("exported*"))


@pytest.mark.parametrize(
    "name", ["../x", "a/../../x", "/x", "\\x", "C:x", "C:\\x", "..\\x", "//host/share", "", "a\0b"]
)
def test_a_name_from_a_file_never_leads_out_of_its_folder(tmp_path, name):
    with pytest.raises(RunError):
        path_inside(tmp_path, name)
