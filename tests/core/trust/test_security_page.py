"""Every claim of docs/security.md names a test that exists."""

import re

import pytest
from support.paths import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
CLAIMS = [row.strip("| ").split(" | ") for row in PAGE.partition("| claim | test |")[2].splitlines()[2:] if "|" in row]


def test_the_page_makes_claims():
    assert len(CLAIMS) > 15


@pytest.mark.parametrize(("claim", "test"), CLAIMS)
def test_each_claim_has_its_test(claim, test):
    path, name = test.strip("`").split("::")
    assert re.search(rf"^def {name}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE), claim
