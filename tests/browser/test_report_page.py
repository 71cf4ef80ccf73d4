"""The report as a reader meets it: opened from a file in headless Chromium."""

import http.server
import re
import threading

import pytest
from support import drawn_run
from support.drawn_run import Drawn

from text2face_core.report.page import write_report

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    return write_report(drawn_run.make_run(tmp_path_factory.mktemp("page") / "run"))


class Watched:
    """A page, and everything that it said or asked for since it was opened."""

    def __init__(self, context, path):
        self.page = context.new_page()
        self.said, self.asked, self.dialogs = [], [], []
        self.page.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.dialogs.append(dialog.message), dialog.dismiss()))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.as_uri())

    @property
    def names(self):
        return self.page.locator("article:visible h3").all_inner_texts()

    def choose(self, **values):
        for name, value in values.items():
            self.page.locator(f"select[name={name}]").select_option(value)


@pytest.fixture
def opened(browser, report):
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        yield Watched(context, report)


def test_the_page_loads_nothing_and_nothing_goes_wrong(opened, report):
    opened.page.mouse.wheel(0, 10_000)
    opened.choose(finding="gender", value="male")
    opened.page.wait_for_timeout(200)
    assert {url for url in opened.asked if not url.startswith("data:")} == {report.as_uri()}
    assert opened.said == []


def test_pictures_are_shown_with_their_marks(opened):
    shown = opened.page.evaluate("[...document.images].map(image => image.complete && image.naturalWidth > 0)")
    assert shown == [True] * 5  # of seven photos one is gone, and one was never a photo
    assert opened.page.locator(".marks:visible").count() == 3
    opened.page.get_by_label("boxes").uncheck()
    assert opened.page.locator(".marks:visible").count() == 0


def test_the_marks_lie_over_the_picture_that_they_belong_to(opened):
    image, box = (
        opened.page.locator(".photo img").first.bounding_box(),
        opened.page.locator(".box").first.bounding_box(),
    )
    # The window is the 300 px square around the face of 100 by 140 px: the box takes a third of the picture's width.
    assert box["width"] / image["width"] == pytest.approx(1 / 3, abs=0.03)
    assert box["x"] + box["width"] / 2 == pytest.approx(image["x"] + image["width"] / 2, abs=3)


@pytest.mark.parametrize(
    ("status", "names"),
    [
        ("rejected", ["two.jpg", "three.jpg"]),
        ("failed", ["text.jpg"]),
        ("ok", ["ann.jpg", "bob.png", drawn_run.HOSTILE.replace("\n", "␊"), "gone.jpg"]),
    ],
)
def test_the_status_filter_shows_those_photos_only(opened, status, names):
    opened.page.get_by_role("radio", name=re.compile(rf"^{status}\s*\d")).check(force=True)
    assert opened.names == names
    assert opened.page.locator("#shown").inner_text() == f"{len(names)} of 7 shown"


def test_the_finding_filter_offers_the_values_with_their_counts(opened):
    assert opened.page.locator("select[name=value]").is_disabled()
    opened.choose(finding="gender")
    assert opened.page.locator("select[name=value] option").all_inner_texts() == ["any value", "female (2)", "male (2)"]
    assert len(opened.names) == 4
    opened.choose(value="male")
    assert opened.names == ["bob.png", "gone.jpg"]
    opened.choose(finding="smiling", value="present")
    assert opened.names == ["ann.jpg"]
    opened.choose(finding="age")
    options = opened.page.locator("select[name=value] option").all_inner_texts()
    assert options == ["any value", "0-9 (1)", "30-39 (1)", "60-69 (2)"]


@pytest.mark.parametrize(
    ("search", "names"),
    [
        ("BOB", ["bob.png"]),
        ("not an image", ["text.jpg"]),
        ("63-year man", ["gone.jpg"]),  # all words, in any order, in captions too
        ("<img", [drawn_run.HOSTILE.replace("\n", "␊")]),
        ("no such thing", []),
    ],
)
def test_the_search_looks_through_names_captions_and_reasons(opened, search, names):
    opened.page.get_by_role("searchbox").fill(search)
    assert opened.names == names
    assert opened.page.locator("#nothing").is_visible() == (not names)


def test_filters_add_up_and_reset_takes_them_back(opened):
    opened.choose(finding="gender", value="male")
    opened.page.get_by_role("searchbox").fill("61")
    assert opened.names == ["bob.png"]
    opened.page.get_by_role("button", name="Reset").click()
    opened.page.locator("#shown", has_text="7 of 7 shown").wait_for()
    assert opened.page.locator("select[name=value]").is_disabled()


def test_a_bar_of_the_chart_shows_its_photos(opened):
    opened.page.get_by_role("button", name="eyeglasses").click()
    assert opened.names == ["bob.png"]
    assert opened.page.locator("select[name=finding]").input_value() == "eyeglasses"


def test_the_filters_can_be_worked_with_the_keyboard(opened):
    opened.page.locator("input[name=status]").first.focus()
    opened.page.keyboard.press("ArrowRight")
    opened.page.keyboard.press("ArrowRight")
    assert opened.names == ["two.jpg", "three.jpg"]
    opened.page.keyboard.press("Tab")
    assert opened.page.evaluate("document.activeElement.name") == "finding"
    opened.page.get_by_role("searchbox").press("Enter")  # sends nothing
    assert opened.names == ["two.jpg", "three.jpg"]


def test_a_hostile_name_is_shown_as_text(opened):
    assert opened.page.locator("article h3").nth(2).inner_text() == drawn_run.HOSTILE.replace("\n", "␊")
    assert opened.page.locator("img[src=x]").count() == 0
    assert opened.dialogs == []


@pytest.fixture
def spy():
    """A server on this machine: its address, and the paths that it was asked for."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


def test_what_slipped_through_the_escaping_would_neither_run_nor_load(opened, spy):
    """The policy, tried by markup that is put into the page."""
    address, asked = spy
    opened.page.evaluate(
        "markup => document.body.append(document.createRange().createContextualFragment(markup))",
        f"""<img src="data:," onerror="window.hurt = 1"><script>window.hurt = 2</script><img src="{address}/picture">
        <i id="styled" style="color: rgb(1, 2, 3)">x</i><iframe src="{address}/frame"></iframe>
        <link rel="stylesheet" href="{address}/style"><form id="sent" action="{address}/form"></form>""",
    )
    opened.page.evaluate(f"fetch('{address}/fetch').catch(() => 0)")
    opened.page.wait_for_timeout(200)
    assert asked == []
    assert opened.page.evaluate("window.hurt") is None
    assert opened.page.locator("#styled").evaluate("element => getComputedStyle(element).color") != "rgb(1, 2, 3)"
    opened.page.evaluate("document.getElementById('sent').submit()")
    opened.page.wait_for_timeout(200)
    assert asked == []


@pytest.mark.parametrize("width", [360, 768, 1280, 1920])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_every_width(browser, report, width, scheme):
    with browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme) as context:
        page = Watched(context, report).page
        assert page.evaluate("document.documentElement.scrollWidth") <= width


CONTRAST = """
() => {
  const channel = (value) => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const ground = (element) => {
    for (; element; element = element.parentElement) {
      const found = parts(getComputedStyle(element).backgroundColor);
      if (found.length === 3) return found;
    }
    return [255, 255, 255];
  };
  const low = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility()) continue;
    if (element.closest("svg, script, option, :disabled, .filters")) continue;
    const both = [parts(getComputedStyle(element).color), ground(element)];
    const [a, b] = both.map(light).sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) low.push(`${element.className} ${walker.currentNode.data.trim()}`);
  }
  return low;
}
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(browser, report, scheme):
    """WCAG 2.2, 1.4.3: a contrast of 4.5 at least."""
    with browser.new_context(color_scheme=scheme) as context:
        assert Watched(context, report).page.evaluate(CONTRAST) == []


def test_everything_that_can_be_used_has_a_name(opened):
    nameless = opened.page.evaluate(
        "[...document.querySelectorAll('input, select, button')]"
        ".filter(e => !(e.ariaLabel || e.labels?.[0]?.textContent || e.textContent).trim()).length"
    )
    assert nameless == 0
    assert opened.page.locator("img:not([alt])").count() == 0


def test_marks_in_captions_differ_in_more_than_colour(opened):
    def style(element, name):
        return element.evaluate(f"element => getComputedStyle(element).{name}")

    said, invented = opened.page.locator(".caption mark").first, opened.page.locator(".caption u").first
    missed = opened.page.locator(".said .missed").first
    assert invented.inner_text() == "hat"
    assert style(invented, "textDecorationLine") == "underline"
    assert style(said, "textDecorationLine") == "none"
    assert style(said, "backgroundColor") != style(invented, "backgroundColor")
    assert missed.inner_text() == "misses eyeglasses"
    assert style(missed, "outlineStyle") == "dashed"
    assert opened.page.get_by_role("list", name="Marks in the captions").is_visible()


def test_captions_with_slips_are_found_by_searching_for_them(opened):
    opened.page.get_by_role("searchbox").fill("invents wearing hat")
    assert opened.names == [drawn_run.HOSTILE.replace("\n", "␊")]
    opened.page.get_by_role("searchbox").fill("misses")
    assert opened.names == ["bob.png"]


def test_the_page_is_readable_without_its_script(browser, report):
    with browser.new_context(java_script_enabled=False) as context:
        watched = Watched(context, report)
        assert len(watched.names) == 7
        assert not watched.page.locator("#filters").is_visible()


def test_a_page_of_many_photos_filters_at_once(browser, tmp_path):
    photos = tuple(Drawn("same.jpg", gender="female" if n % 2 else "male", age=20 + n % 50) for n in range(400))
    page = write_report(drawn_run.make_run(tmp_path / "run", photos, chunk_size=100))
    with browser.new_context() as context:
        watched = Watched(context, page)
        watched.choose(finding="gender")
        milliseconds = watched.page.evaluate(
            """() => { const start = performance.now(); const { value } = document.getElementById("filters").elements;
                 value.value = "male"; value.dispatchEvent(new Event("input", { bubbles: true }));
                 document.body.offsetHeight; return performance.now() - start; }"""
        )
        assert watched.page.locator("article:visible").count() == 200
        assert milliseconds < 1000
