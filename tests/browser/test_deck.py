"""All decks, clicked through by keyboard from their files, with no network."""

from contextlib import contextmanager

import pytest

from trpo_lite.course.publish import deck, page_deck

pytestmark = pytest.mark.browser

# what the slide on show is, in pixels of the page
STATE = """() => {
  const slide = [...document.querySelectorAll('main > section')].find(s => !s.hidden);
  const parts = [...slide.querySelectorAll('[data-part]')];
  const seen = e => getComputedStyle(e).visibility === 'visible';
  return {
    number: Number(slide.id.slice(6)), kind: slide.dataset.kind,
    shown: parts.filter(seen).length, parts: parts.length,
    drawn: [...slide.querySelectorAll('svg')].filter(seen).length,
    place: location.hash,
  };
}"""

# complaints about the slide on show, with all its parts
FAULTS = """() => {
  const slide = [...document.querySelectorAll('main > section')].find(s => !s.hidden);
  const body = slide.querySelector('.body'), found = [];
  const say = (what, e) =>
    found.push(`${what}: ${e.tagName} ${(e.textContent || '').trim().slice(0, 40)}`);
  const inside = (e, box, what, slack = 1) => {
    const r = e.getBoundingClientRect();
    if (r.width && (r.left < box.left - slack || r.right > box.right + slack ||
        r.top < box.top - slack || r.bottom > box.bottom + slack)) say(what, e);
  };
  const screen = {left: 0, top: 0, right: 1280, bottom: 714};
  for (const e of slide.querySelectorAll('header *, .body, .body *')) {
    if (e.closest('script') || e.closest('svg')?.contains(e.parentNode)) continue;
    inside(e, screen, 'outside of the slide');
  }
  if (body.scrollHeight > body.clientHeight + 1 ||
      body.scrollWidth > body.clientWidth + 1) say('overflows', body);
  for (const part of slide.querySelectorAll('[data-part]'))
    for (const e of part.querySelectorAll('*'))
      inside(e, part.getBoundingClientRect(), 'outside of its part', 6);
  const blocks = [...body.children];
  for (let i = 1; i < blocks.length; i++)
    if (blocks[i].getBoundingClientRect().top <
        blocks[i - 1].getBoundingClientRect().bottom - 1) say('overlaps', blocks[i]);

  const letters = document.createTreeWalker(slide, NodeFilter.SHOW_TEXT);
  while (letters.nextNode()) {
    const text = letters.currentNode, e = text.parentElement;
    if (!text.textContent.trim() || e.closest('script, aside, svg, math')) continue;
    const least = e.closest('pre') ? 20 : 24;
    if (parseFloat(getComputedStyle(e).fontSize) < least) say('too small', e);
  }
  // exponents and indices are smaller than what they belong to
  for (const e of slide.querySelectorAll('math'))
    if (parseFloat(getComputedStyle(e).fontSize) < 26) say('too small', e);
  for (const e of slide.querySelectorAll('svg text')) {
    const sizes = [e, ...e.querySelectorAll('tspan')].map(
      t => parseFloat(getComputedStyle(t).fontSize));
    const matrix = e.getScreenCTM();
    const size = Math.max(...sizes) * Math.hypot(matrix.a, matrix.b);
    if (size < 24) say(`too small (${size.toFixed(1)})`, e);
  }
  // around its letters alone, as below; their box is higher than they are. A dot's
  // number stands at its dot
  for (const svg of slide.querySelectorAll('svg')) {
    const words = [...svg.querySelectorAll('text:not(:has(tspan)), tspan')]
      .map(e => [e.closest('text'), e.getBoundingClientRect()])
      .filter(([text]) => text.textContent.trim().length > 1);
    words.forEach(([text, a], i) => words.slice(i + 1).forEach(([other, b]) => {
      const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (text !== other && across > 4 && down > 8)
        say(`over "${other.textContent.trim()}"`, text);
    }));
  }

  const pictures = slide.querySelectorAll('.drawing svg');
  if (slide.querySelectorAll('.drawing').length !== pictures.length)
    say('no picture', body);
  for (const svg of pictures) {
    const r = svg.getBoundingClientRect();
    if (2 * r.width * r.height < 1280 * 720) say('less than half', svg);
    // around its letters alone: the blanks between them have a box too
    for (const e of svg.querySelectorAll('text:not(:has(tspan)), tspan'))
      inside(e, r, 'cut off', 2);
  }
  return found;
}"""


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """The lecture's deck, with few settings a widget: drawing all takes minutes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deck, "MOST", 40)
        path = deck.build(tmp_path_factory.mktemp("deck"))
    return path


@pytest.fixture
def page(chromium, path):
    """The lecture's deck, opened."""
    with opened(chromium, path) as page:
        yield page


@contextmanager
def opened(chromium, path):
    """A deck, opened from its file; asking for anything else is an error."""
    context = chromium.new_context(viewport={"width": 1280, "height": 720})
    context.set_offline(True)
    page = context.new_page()
    page.asked, page.wrong = [], []
    page.on("request", lambda request: page.asked.append(request.url))
    page.on("pageerror", lambda error: page.wrong.append(str(error)))
    page.on("console", lambda line: page.wrong.append(line.text))
    page.goto(path.as_uri())
    page.wait_for_function(
        "() => [...document.querySelectorAll('main, .player')]"
        ".every(p => 'ready' in p.dataset)"
    )
    yield page
    others = [u for u in page.asked if not u.startswith(("file:", "data:", "blob:"))]
    assert others == []
    assert page.wrong == []
    context.close()


def test_every_slide_from_the_first_to_the_last_by_keyboard(page, report):
    total, presses = walked(page)
    report(f"deck: {total} slides, {presses} presses")


@pytest.mark.parametrize("number", page_deck.numbers())
def test_every_slide_of_a_pages_deck(chromium, number, tmp_path, monkeypatch, report):
    monkeypatch.setattr(deck, "MOST", 1)  # settings of a widget, as few as may be
    with opened(chromium, deck.build_page(tmp_path, number)) as page:
        total, presses = walked(page)
    report(f"page {number}: {total} slides, {presses} presses")


def walked(page):
    """(slides, presses) of a whole deck; every slide is as it should be."""
    total = page.evaluate("document.querySelectorAll('main > section').length")
    presses, faults = 0, []
    for number in range(1, total + 1):
        state = page.evaluate(STATE)
        assert (state["number"], state["shown"]) == (number, 0)
        # a picture stands there before its reading, a question has none
        assert state["drawn"] == (state["kind"] in ("picture", "widget"))
        if state["kind"] in ("question", "title"):
            assert state["parts"] == 0
        for shown in range(1, state["parts"] + 1):
            page.keyboard.press("ArrowRight")
            now = page.evaluate(STATE)
            assert (now["number"], now["shown"]) == (number, shown)
            presses += 1
        faults += [f"slide {number}: {fault}" for fault in page.evaluate(FAULTS)]
        page.keyboard.press("Space" if number % 2 else "PageDown")
        presses += 1
    assert faults == []
    assert page.evaluate(STATE)["number"] == total
    return total, presses


def test_there_and_back_again(page):
    for _ in range(12):
        page.keyboard.press("ArrowRight")
    places = [page.evaluate(STATE)["place"]]
    for _ in range(5):
        page.keyboard.press("ArrowRight")
        places.append(page.evaluate(STATE)["place"])
    for place in reversed(places[:-1]):
        page.keyboard.press("ArrowLeft")
        assert page.evaluate(STATE)["place"] == place
    page.reload()
    assert page.evaluate(STATE)["place"] == places[0]
    page.keyboard.press("End")
    total = page.evaluate("document.querySelectorAll('main > section').length")
    assert page.evaluate(STATE)["number"] == total
    page.keyboard.press("Home")
    assert page.evaluate(STATE)["place"] == "#1"


def test_every_widget_moves_and_keeps_its_keys(page):
    numbers = page.evaluate(
        "[...document.querySelectorAll('section[data-kind=widget]')]"
        ".map(s => Number(s.id.slice(6)))"
    )
    assert len(numbers) > 15
    for number in numbers:
        page.goto(page.url.split("#")[0] + f"#{number}")
        slide = page.locator(f"#slide-{number}")
        picture = slide.locator(".player-picture")
        for control in slide.locator("input, select").all():
            before = picture.inner_html()
            control.focus()
            # up is on for a slider and back for a list
            last = control.evaluate(
                "e => e.options ? e.selectedIndex === 0 : e.value === e.max"
            )
            page.keyboard.press("ArrowDown" if last else "ArrowUp")
            assert picture.inner_html() != before
            assert page.evaluate(STATE)["number"] == number
        assert page.evaluate(FAULTS) == []
        page.keyboard.press("PageDown")  # a clicker turns even so
        assert page.evaluate(STATE)["shown"] == 1


def test_the_notes_open_in_a_window_and_follow(page):
    with page.context.expect_page() as opened:
        page.keyboard.press("n")
    notes = opened.value
    notes.wait_for_function("document.body.innerText.includes('slide 1 of')")
    page.keyboard.press("PageDown")
    notes.wait_for_function("document.body.innerText.includes('slide 2 of')")
    text = notes.inner_text("body")
    for words in ("Minutes", "People answer", "Say then", "Ask next"):
        assert words in text
    notes.keyboard.press("PageDown")
    assert page.evaluate(STATE)["place"] == "#2.1"


def test_a_page_each_on_paper(page):
    page.emulate_media(media="print")
    boxes = page.evaluate(
        "[...document.querySelectorAll('main > section')].map(s => {"
        " const r = s.getBoundingClientRect(); return [r.width, r.height, r.top]; })"
    )
    assert all(box[:2] == [1280, 720] for box in boxes)
    assert [box[2] - boxes[0][2] for box in boxes] == [
        720 * i for i in range(len(boxes))
    ]
    hidden = page.evaluate(
        "[...document.querySelectorAll('[data-part]')]"
        ".filter(e => getComputedStyle(e).visibility !== 'visible').length"
    )
    assert hidden == 0


@pytest.mark.parametrize("size", [(1920, 1080), (800, 600), (400, 800)])
def test_a_slide_fits_other_screens(page, size):
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.evaluate("() => new Promise(r => setTimeout(r, 100))")  # it hears of that
    box = page.evaluate(
        "(() => { const r = document.querySelector('main').getBoundingClientRect();"
        " return [r.left, r.top, r.right, r.bottom]; })()"
    )
    assert min(box) >= -1 and box[2] <= size[0] + 1 and box[3] <= size[1] + 1
    scale = min(size[0] / 1280, size[1] / 720)
    assert abs(box[2] - box[0] - 1280 * scale) < 1
