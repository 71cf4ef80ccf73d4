"""The page of an evaluation as a reader meets it: opened from a file in headless Chromium."""

import random
from dataclasses import replace

import pytest
from support.evaluations import evaluated, image, person, planned

from text2face_core.evaluation.measuring import headline, measure_all
from text2face_core.evaluation.metrics.confusion import collect_confusions
from text2face_core.evaluation.report import render_report

pytestmark = pytest.mark.browser
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def page_file(tmp_path_factory):
    rng = random.Random(0)
    people = [person(rng) for _ in range(80)]
    plan = planned(people)
    plan[0] = replace(plan[0], text=f"{plan[0].text} {HOSTILE}")
    good = [image(prompt, "lora", one) for prompt, one in zip(plan, people, strict=True)]
    bad = [image(prompt, HOSTILE, person(rng)) for prompt in plan]
    good[3] = replace(good[3], status="several faces", faces=2, findings=(), reason="2 faces")
    evaluation = evaluated(plan, bad, good)
    measures = measure_all(evaluation)
    path = tmp_path_factory.mktemp("page") / "report.html"
    confusions = collect_confusions(evaluation)
    html = render_report(evaluation, measures, confusions, headline(evaluation, measures), HOSTILE, [("plan", HOSTILE)])
    path.write_text(html, encoding="utf-8")
    return path


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light")])
def test_the_page_fits_any_screen_and_asks_for_nothing(browser, page_file, width, scheme):
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    said, asked, dialogs = [], [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(page_file.as_uri())
    assert (said, dialogs) == ([], [])
    assert [url for url in asked if not url.startswith("data:")] == [page_file.as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.locator("h1").inner_text() == HOSTILE
    assert page.locator("article").count() == 36
    assert page.locator(".dots li").count() == 5
    assert "lora drew" in page.locator(".headline").inner_text()
    page.close()


def test_a_worse_finding_comes_first_and_a_bad_image_says_why(browser, page_file):
    page = browser.new_page()
    page.goto(page_file.as_uri())
    shares = [float(text.split(" %")[0]) for text in page.locator(".dots .much").all_inner_texts()]
    assert shares == sorted(shares)
    worst = page.locator("section[aria-label='The worst'] article").first
    assert "2 faces" in worst.inner_text()
    assert worst.locator(".chips .no").count() == 5
    page.close()
