"""The pip command in messages works for the way text2face was installed."""

import json
from pathlib import Path

import pytest
from support.paths import ROOT

from text2face_core.utils import install_command, installation

EXTRAS = "Provides-Extra: farl\nProvides-Extra: paper\n"
REQUIRES = (
    "Requires-Dist: numpy>=1.26\nRequires-Dist: torch>=2.6; extra == 'farl'\nRequires-Dist: onnx; extra == 'farl'\n"
    "Requires-Dist: t2f-made[farl]; extra == 'paper'\n"
)


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Installs the distribution t2f-made from an origin, as far as its metadata tell."""
    site = tmp_path / "site"
    monkeypatch.syspath_prepend(site)
    folder = site / "t2f_made-1.0.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: t2f-made\nVersion: 1.0\n{EXTRAS}{REQUIRES}")

    def install(origin):
        (folder / "direct_url.json").write_text(origin if isinstance(origin, str) else json.dumps(origin))

    return install


def command(*extras, **options):
    return install_command(*extras, distribution="t2f-made", **options)


def test_what_came_from_an_index_is_named(installed):
    assert command("farl") == "pip install 't2f-made[farl]'"
    installed("not JSON")
    assert command("farl", "paper") == "pip install 't2f-made[farl,paper]'"


@pytest.mark.parametrize(("info", "flag"), [({"editable": True}, "-e "), ({}, "")])
def test_a_checkout_is_installed_from_its_folder(installed, tmp_path, monkeypatch, info, flag):
    checkout = tmp_path / "check out"
    checkout.mkdir()
    installed({"url": checkout.as_uri(), "dir_info": info})
    assert command("farl") == f"cd \"{checkout}\" && pip install {flag}'.[farl]'"
    monkeypatch.chdir(checkout)
    assert command("farl") == f"pip install {flag}'.[farl]'"
    assert command() == f"pip install {flag}'.'"
    assert command("farl", upgrade=True) == f"pip install --upgrade --upgrade-strategy eager {flag}'.[farl]'"


@pytest.mark.parametrize(
    ("origin", "reference"),
    [
        ({"url": "https://example.org/made.whl", "archive_info": {}}, "https://example.org/made.whl"),
        (
            {"url": "https://example.org/made", "vcs_info": {"vcs": "git", "commit_id": "abc123"}},
            "git+https://example.org/made@abc123",
        ),
        (
            {
                "url": "https://example.org/made",
                "vcs_info": {"vcs": "git", "commit_id": "abc123", "requested_revision": "main"},
            },
            "git+https://example.org/made@main",
        ),
    ],
)
def test_a_url_is_named_with_the_extra(installed, origin, reference):
    installed(origin)
    assert command("farl") == f"pip install 't2f-made[farl] @ {reference}'"


def test_a_wheel_is_named_as_long_as_it_exists_and_then_the_packages_of_the_extra(installed, tmp_path):
    wheel = tmp_path / "t2f_made-1.0-py3-none-any.whl"
    wheel.touch()
    installed({"url": wheel.as_uri(), "archive_info": {}})
    assert command("farl") == f"pip install 't2f-made[farl] @ {wheel.as_uri()}'"
    wheel.unlink()
    assert command("farl") == "pip install 'torch>=2.6' 'onnx'"
    assert command("paper") == "pip install 'torch>=2.6' 'onnx'"


def test_text2face_run_from_a_checkout_without_an_installation_is_installed_from_there(monkeypatch, tmp_path):
    def missing(name):
        raise installation.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(installation.metadata, "distribution", missing)
    monkeypatch.chdir(ROOT)
    assert install_command("farl") == "pip install '.[farl]'"
    monkeypatch.chdir(tmp_path)
    assert install_command("farl") == f"cd {ROOT} && pip install '.[farl]'"
    monkeypatch.setattr(installation, "ROOT", Path(tmp_path))
    assert install_command("farl") == "pip install 'text2face[farl]'"


def test_pages_do_not_name_a_distribution_that_is_on_no_index():
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md")]
    named = [
        f"{page.name}: {line}" for page in pages for line in page.read_text().splitlines() if "'text2face[" in line
    ]
    assert named == []
