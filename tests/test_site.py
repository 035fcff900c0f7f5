"""Pages of the site: what stays in sight, what is folded, where links lead."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from bs4 import BeautifulSoup

from trpo_lite.course import page as notebook
from trpo_lite.course.publish import site
from trpo_lite.course.publish.page import Page, Writer, lesson_of, shown
from trpo_lite.course.working_copy import COURSE

PATHS = sorted(COURSE.glob("*.ipynb"))


class Players(dict):
    """A mark in place of each widget: drawing them takes long."""

    def __missing__(self, name):
        return f'<figure class="player">{name}</figure>'


@pytest.fixture(scope="module")
def pages():
    return {path.stem: Page.of(path, Players()) for path in PATHS}


def soup(page):
    return BeautifulSoup(page.body, "html.parser")


@pytest.mark.parametrize("name", [path.stem for path in PATHS])
def test_links_lead_somewhere(name, pages):
    ids = [element["id"] for element in soup(pages[name]).find_all(id=True)]
    assert len(set(ids)) == len(ids)
    assert {section.anchor for section in pages[name].sections} <= {*ids}
    for link in soup(pages[name]).find_all("a"):
        address = link["href"]
        if not address.startswith("https://"):
            file, _, anchor = address.partition("#")
            other = pages[file.removesuffix(".html")] if file else pages[name]
            assert file.endswith(".html") or not file
            assert not anchor or soup(other).find(id=anchor)


@pytest.mark.parametrize("name", [path.stem for path in PATHS])
def test_nothing_is_lost(name, pages):
    """Every stored text and picture is there, but for what only a kernel changes."""
    cells = notebook.read(COURSE / f"{name}.ipynb")["cells"]
    body, lesson = pages[name].body, lesson_of(name)
    for cell, following in zip(cells, [*cells[1:], {"source": ""}]):
        if cell["cell_type"] != "code" or ".explore()" in cell["source"]:
            continue
        if ".check(" in cell["source"] or cell["source"] == "lesson.progress()":
            continue
        if cell["source"].replace(".show()", ".explore()") == following["source"]:
            continue
        for output in cell["outputs"]:
            assert shown(output) in body
    for widget in re.findall(r"lesson\.(\w+)\.explore\(\)", str(cells)):
        assert f'<figure class="player">{widget}</figure>' in body
    assert "not attempted yet" not in body and "Sliders: run this cell" not in body
    hints = sum(len(each.hints) for each in lesson.exercises) if lesson else 0
    assert len(re.findall(r"<summary>Hint \d of \d</summary>", body)) == hints
    solutions = len(lesson.exercises) if lesson else 0
    assert body.count("<summary>Solution</summary>") == solutions
    assert all(image.get("alt") for image in soup(pages[name]).find_all("img"))


@pytest.mark.parametrize("name", [path.stem for path in PATHS])
def test_what_a_prediction_asks_for_is_folded(name, pages):
    """From **Predict.** to the next heading or widget, no result is in sight."""
    guessing = False
    for element in soup(pages[name]).find_all(True, recursive=False):
        words = element.get_text()
        if element.name in ("h1", "h2", "h3", "figure"):
            guessing = False
        if element.name == "details" and "result" in element.get("class", ()):
            assert guessing
            assert element.find(["table", "img", "pre"])
            # words between two results stay in sight, and the guessing goes on
            guessing = "What you see." not in words
        elif guessing:
            assert element.name != "img" and not element.find("img")
            assert not words.startswith("What you see.")
            assert "output" not in element.get("class", ())
        if element.name == "p" and words.startswith("Predict."):
            guessing = True


# --- cells of our own


def text(source, name="a"):
    return {"cell_type": "markdown", "id": name, "source": source}


def code(source, printed=""):
    outputs = [{"output_type": "stream", "name": "stdout", "text": printed}]
    outputs = outputs if printed else []
    return {"cell_type": "code", "id": "b", "source": source, "outputs": outputs}


def written(*cells):
    writer = Writer(None, Players())
    for cell, following in zip(cells, [*cells[1:], None], strict=True):
        writer.add(cell, following)
    writer.close()
    return BeautifulSoup("\n".join(writer.parts), "html.parser")


def in_sight(page):
    for fold in page.find_all("details"):
        fold.extract()
    return page.get_text()


def test_code_before_the_first_output_stays_in_sight():
    page = written(
        text("**Predict.** How many?"),
        code("first = 1"),
        code("print(first)", "printed 1"),
        code("print(first + 1)", "printed 2"),
        text("**What you see.** Two.\n\n**Break it.** Take none."),
        code("print(0)", "printed 0"),
    )
    folded = page.find("details").get_text()
    assert [n for n in "12" if f"printed {n}" in folded] == ["1", "2"]
    assert "Two." in folded and "first + 1" in folded
    sight = in_sight(page)
    assert "first = 1" in sight and "print(first)" in sight
    assert "Take none." in sight and "printed 0" in sight
    assert "printed 1" not in sight and "Two." not in sight


def test_what_nobody_was_to_guess_is_in_sight():
    page = written(
        code("print(1)", "printed 1"),
        text("**What you see.** One."),
        text("**Predict.** And now?"),
        text("## Another section"),
        code("print(2)", "printed 2"),
    )
    assert page.find("details") is None
    assert "printed 1" in page.get_text() and "printed 2" in page.get_text()


def test_a_widget_is_never_folded():
    page = written(
        text("**Predict.** Drag it."),
        code("lesson.road.explore()"),
        text("Here it goes on."),
        code("print(2)", "printed 2"),
    )
    assert page.find("details") is None
    assert page.find("figure").get_text() == "road"
    assert "explore" not in page.get_text()


def test_headings_are_sections():
    writer = Writer(None, Players())
    writer.add(text("# Title $x^2$\n\nWords.", "title"), None)
    writer.add(text("## One & two\n\nMore [here](01_a.ipynb#b).", "one"), None)
    writer.add(text("And `more`.", "rest"), None)
    title, one = writer.sections
    assert title[:3] == ("title", 1, "Title x2")
    assert one[:3] == ("one", 2, "One & two")
    assert "And more." in one[3][-1]
    assert '<a href="01_a.html#b">here</a>' in "".join(writer.parts)
    assert '<h2 id="one">One &amp; two</h2>' in "".join(writer.parts)


def test_a_picture_without_words_is_refused():
    picture = {"output_type": "display_data", "data": {"image/png": ""}, "metadata": {}}
    with pytest.raises(ValueError, match="no alt text"):
        shown(picture)


def test_the_first_page_is_the_readmes_beginning_and_map(pages):
    home = site.home(COURSE)
    assert home.title == "Trust regions, step by step"
    links = {link["href"] for link in soup(home).find_all("a")}
    assert links == {f"{name}.html" for name in pages}
    for image in soup(home).find_all("img"):
        assert image["alt"]
        assert (COURSE / "figures" / image["src"]).is_file()


def test_every_section_can_be_searched(pages):
    words = site.shared([*pages.values()])["words.js"]
    for page in pages.values():
        for section in page.sections:
            assert f'"{page.name}.html#{section.anchor}"' in words
    assert "road and ice" in words or "road_and_ice" in words


def test_drawing_says_where_it_is(monkeypatch):
    """It takes minutes: a line for each page that has widgets."""
    monkeypatch.setattr(site, "ProcessPoolExecutor", ThreadPoolExecutor)
    monkeypatch.setattr(site, "_draw", lambda names, most: " ".join(names))
    lines = []
    players = site.draw_all(PATHS, 10, 1, lines.append)
    alive = [page for page, drawn in players.items() if drawn]
    assert lines == [f"{page}: its sliders are drawn" for page in alive]
    assert len(alive) > 15
