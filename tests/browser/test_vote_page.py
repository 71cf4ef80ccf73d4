"""The page of a vote as a rater meets it: keys, a pause, a phone, and the file at the end."""

import json
import random

import pytest
from PIL import Image
from support.evaluations import image, person, planned

from text2face_core.evaluation import draw_questions, render_ballot

pytestmark = pytest.mark.browser
HOSTILE = "</script><img src=x onerror=alert(1)>"
SWAP = {"left": "right", "right": "left"}


@pytest.fixture(scope="module")
def page_file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vote")
    rng = random.Random(0)
    people = [person(rng) for _ in range(30)]
    plan = planned(people)
    images, paths = [], {}
    for model, colour in (("base", (200, 60, 60)), ("lora", (60, 60, 200))):
        for prompt, one in zip(plan, people, strict=True):
            made = image(prompt, model, one)
            path = folder / f"{model}-{prompt.prompt_id}.png"
            Image.new("RGB", (96, 96), colour).save(path)
            paths[made.image_id] = path
            images.append(type(made)(**{name: getattr(made, name) for name in made.__slots__} | {"path": str(path)}))
    prompts = {one.prompt_id: one for one in plan}
    questions = draw_questions(images, prompts, ("base", "lora"), pairs=20, statements=10)
    (folder / "vote.html").write_text(render_ballot(questions, paths, HOSTILE, "abc"), encoding="utf-8")
    return folder / "vote.html"


def begin(browser, page_file, width=1280):
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme="dark" if width < 500 else "light"
    )
    page = context.new_page()
    said = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
    page.on(
        "request", lambda request: said.append(request.url) if not request.url.startswith(("file:", "data:")) else None
    )
    page.goto(page_file.as_uri())
    page.fill("#rater", "Rater 7")
    page.click("#begin")
    return page, said


def test_a_vote_by_keys_from_start_to_file(browser, page_file):
    page, said = begin(browser, page_file)
    total = int(page.locator("#progress").get_attribute("max"))
    assert total == 50 + 5 + 2  # 20 pairs asked twice, 10 statements, a tenth again, attention after each 25
    for number in range(total):
        question = page.text_content("#question")
        key = "3" if "“Right”" in question else "1"
        page.keyboard.press(key)
        if number == 10:
            page.click("#back")  # an answer is taken back, and given again
            page.keyboard.press(key)
        if number == 20:
            page.reload()  # a pause
            assert page.text_content("#count") == f"{number + 1} of {total}"
    assert page.is_visible("#end")
    href = page.locator("#download").get_attribute("href")
    from urllib.parse import unquote

    votes = json.loads(unquote(href.partition(",")[2]))
    assert votes["ballot"] == "abc"
    assert votes["rater"] == "Rater 7"
    assert page.locator("#download").get_attribute("download") == "votes-Rater-7.json"
    assert len(votes["answers"]) == total
    first = {(one["question"], one["aspect"]): one["swapped"] for one in votes["answers"] if not one["repeat"]}
    again = [one for one in votes["answers"] if one["repeat"]]
    assert len(again) == 5
    assert all(first[one["question"], one["aspect"]] != one["swapped"] for one in again)
    checks = [one for one in votes["answers"] if one["aspect"] == "attention"]
    assert all(one["choice"] == ("right" if one["swapped"] else "left") for one in checks)
    assert len(checks) == 2
    assert said == []


def test_raters_get_other_orders_and_sides(browser, page_file):
    seen = []
    for _ in range(3):
        page, _ = begin(browser, page_file)
        state = page.evaluate("localStorage.getItem('text2face-vote-abc')")
        seen.append([(one["id"], one["swapped"]) for one in json.loads(state)["asked"]])
        page.context.close()
    assert seen[0] != seen[1] != seen[2]


def test_it_fits_a_phone_and_is_used_by_touch(browser, page_file, tmp_path):
    page, said = begin(browser, page_file, width=390)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    for button in page.locator("#answers button").all():
        assert button.bounding_box()["height"] >= 44
    page.locator("#answers button").first.click()
    assert page.text_content("#count").startswith("1 of")
    page.screenshot(path=str(tmp_path / "phone.png"))
    assert said == []
