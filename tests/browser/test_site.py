"""The site as its reader opens it: from the disk, with the network cut, in Chromium."""

import re

import matplotlib
import pytest

from tests.browser.conftest import NOTEBOOKS, missing
from tests.browser.moves import SAME, WATCH
from trpo_lite import style
from trpo_lite.course import publish
from trpo_lite.course.publish import frames
from trpo_lite.course.publish.page import lesson_of
from trpo_lite.course.widgets import Choice, Renderer

pytestmark = pytest.mark.browser

PAGES = ["index", *sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))]
EXPLORE = re.compile(r"lesson\.(\w+)\.explore\(\)")

SECONDS = 120  # of waiting at most, on a busy machine
# a control back to where it was when the page was opened
RESET = """control => {
  for (const option of control.options ?? []) option.selected = option.defaultSelected;
  if (!control.options) control.value = control.defaultValue;
  control.dispatchEvent(new Event('input', {bubbles: true}));
}"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The site, each slider with as few values as may be: its two ends and default."""
    folder = tmp_path_factory.mktemp("site")
    assert publish.main([str(folder), "--settings", "1"]) == 0
    return folder


@pytest.fixture
def opened(chromium, folder):
    """A function that opens a page; at the end nothing may have gone wrong on any."""
    complaints, contexts = [], []

    def look(request):
        if not request.url.startswith(("file:", "data:", "blob:")):
            complaints.append(f"asked for {request.url}")

    def note(message):
        if message.type in ("error", "warning"):
            complaints.append(message.text)

    def page(name, width=1280, **options):
        context = chromium.new_context(
            viewport={"width": width, "height": 900}, offline=True, **options
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(SECONDS * 1000)
        page.on("request", look)
        page.on("requestfailed", lambda r: complaints.append(f"failed: {r.url}"))
        page.on("console", note)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{folder.as_uri()}/{name}.html")
        return page

    yield page
    for context in contexts:
        context.close()
    assert not complaints


def open_all(page):
    """Unfold all that is folded: only what is shown can be measured."""
    page.evaluate(
        "() => document.querySelectorAll('main details')"
        ".forEach(fold => fold.open = true)"
    )


def serious(page, **options):
    """What axe-core finds, as lines: rule and first place."""
    try:
        from axe_playwright_python.sync_playwright import Axe
    except ImportError:
        missing("axe-playwright-python is not installed")
    # without preload: it would ask for the style sheets, which file:// forbids scripts
    options.update(resultTypes=["violations"], preload=False)
    found = Axe().run(page, options=options)
    return [
        f"{one['id']}: {one['nodes'][0]['html'][:200]} ({len(one['nodes'])})"
        for one in found.response["violations"]
        if one["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("name", PAGES)
def test_page(name, opened):
    """No error, no request; readable by everyone; nothing wider than a phone."""
    page = opened(name)
    assert page.locator("main h1").count() == 1
    open_all(page)
    assert not serious(page)
    page.set_viewport_size({"width": 400, "height": 800})
    page.evaluate("() => new Promise(requestAnimationFrame)")
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 400


@pytest.mark.parametrize("name", ["04_mm_bound", "14_ppo_clip"])
def test_dark(name, opened):
    page = opened(name, color_scheme="dark")
    open_all(page)
    dark = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    assert dark == "rgb(22, 23, 28)"
    assert not serious(page, runOnly=["color-contrast"])
    page.click(".theme")
    light = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    assert light == "rgb(255, 255, 255)"


def widgets():
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        names = EXPLORE.findall(path.read_text(encoding="utf-8"))
        if names:
            yield pytest.param(path.stem, names, id=path.stem)


@pytest.mark.parametrize(("name", "names"), [*widgets()])
def test_widgets_move_by_keyboard(name, names, opened, report):
    """Each control, alone moved to an end, shows what `draw` draws there."""
    page, times = opened(name), []
    players = page.locator(".player[data-ready]")
    page.wait_for_function(
        "n => document.querySelectorAll('.player[data-ready]').length === n",
        arg=len(names),
    )
    for i, widget in enumerate(getattr(lesson_of(name), each) for each in names):
        picture = players.nth(i).locator(".player-picture")
        handle, first = picture.element_handle(), picture.inner_html()
        controls = players.nth(i).locator("input, select")
        assert controls.count() == len(widget.controls)
        with matplotlib.rc_context():
            style.use()
            render = Renderer(widget.draw(**widget.defaults), "")
        for j, (key, control) in enumerate(widget.controls.items()):
            places = frames.track(key, control).places
            last = places[-1][0] != control.default
            value, text = places[-1 if last else 0]
            controls.nth(j).focus()
            page.evaluate(WATCH, handle)
            page.keyboard.press("End" if last else "Home")
            moved = page.evaluate("() => window.moved")
            assert moved is not None, f"{names[i]}: {key} moves nothing"
            times.append(moved)
            assert picture.inner_html() != first, f"{names[i]}: {key} changes nothing"
            if not isinstance(control, Choice):
                assert controls.nth(j).get_attribute("aria-valuetext") == text
            settings = {**widget.defaults, key: value}
            with matplotlib.rc_context():
                style.use()
                html = render(widget.draw(**settings), widget.words(**settings))
            assert handle.evaluate(SAME, html), f"{names[i]} at {settings}"
            controls.nth(j).evaluate(RESET)
            assert picture.inner_html() == first
    times.sort()
    report(f"site {name}: median {times[len(times) // 2]:.0f}, most {times[-1]:.0f}")


def test_play(opened):
    """The button goes on by itself, and stops when pressed again."""
    page = opened("14_ppo_clip")
    player = page.locator(".player[data-ready]").first
    button, slider = player.locator("button").first, player.locator("input").first
    button.press("Enter")
    first = slider.input_value()
    page.wait_for_function(
        "([e, v]) => e.value !== v", arg=[slider.element_handle(), first]
    )
    assert button.get_attribute("aria-pressed") == "true"
    button.press("Enter")
    assert button.get_attribute("aria-pressed") == "false"
    still = slider.input_value()
    page.wait_for_timeout(700)
    assert slider.input_value() == still


def test_search(opened):
    page = opened("index")
    page.keyboard.press("/")
    page.keyboard.type("staircase")
    best = page.locator("#found li:first-child a")
    best.filter(has_text=re.compile("^The staircase$")).click()
    page.wait_for_url("**/04_mm_bound.html#stairs")
    page.get_by_role("searchbox").fill("nosuchword")
    # the sections are loaded with the first search on a page
    page.locator("#found").filter(has_text=re.compile("^Nothing found.$")).wait_for()


def test_a_prediction_hides_its_answer(opened):
    page = opened("04_mm_bound")
    answer = page.get_by_text("The two directions differ.")
    assert not answer.is_visible()
    page.locator("details.result > summary").first.click()
    assert answer.is_visible()
    page.get_by_role("button", name="Open answers").click()
    assert page.locator("main details:not([open])").count() == 0
