"""The pages' decks: which cells become which slides, on a small page and on all."""

import base64
import re
import struct
from types import SimpleNamespace

import pytest

from trpo_lite.course import load, page
from trpo_lite.course.publish import deck, page_deck
from trpo_lite.course.publish.page_deck import results, words
from trpo_lite.course.publish.page_deck.maker import Maker
from trpo_lite.course.publish.page_deck.minutes import shared
from trpo_lite.course.publish.pages import path_of, pictures
from trpo_lite.course.widgets import Picture, Slider, Widget

NUMBERS = page_deck.numbers()


def text(source):
    return {"cell_type": "markdown", "id": "text", "source": source, "metadata": {}}


def code(source, *outputs, tags=()):
    return {
        "cell_type": "code",
        "id": "run",
        "source": source,
        "metadata": {"tags": list(tags)},
        "outputs": list(outputs),
    }


def printed(words):
    return {"output_type": "stream", "text": words}


def png(width, height):
    """As much of a stored picture as says its size."""
    head = b"\x89PNG\r\n\x1a\n" + bytes(8) + struct.pack(">II", width, height)
    return {
        "output_type": "display_data",
        "data": {"image/png": base64.b64encode(head).decode()},
    }


def table(rows, width=6):
    row = "<tr>" + f"<td>{'x' * width}</td>" * 3 + "</tr>"
    html = f"<table>{row * rows}</table>"
    return {"output_type": "display_data", "data": {"text/html": html}}


LESSON = SimpleNamespace(
    still=Picture(None, "a picture"),
    moving=Widget(None, "a widget", {"x": Slider("x", 0, 1, 1, 0)}),
)


def slides(*cells):
    """The drafts of a page of these cells, after its title."""
    title = text("# 99 · Small\n\n**Lecture:** none\n\nIt is small. It is short. No.")
    return Maker([title, *cells], LESSON, lambda place: f"picture {place}").drafts[1:]


def shape(drafts):
    return [(draft.kind, *map(words.plain, draft.parts)) for draft in drafts]


def said(draft):
    return [(label, words.plain(html).strip()) for label, html in draft.said]


# --- the kinds, on a small page


def test_a_title_has_its_two_first_sentences():
    made = Maker([text("# 99 · Small\n\n**Time:** 5\n\nOne. Two. Three.")], None, None)
    assert shape(made.drafts) == [("title", "99 · SmallOne. Two.")]


def test_goals_stay_a_list():
    (goals,) = slides(text("## Goals\n\n- You can $x$.\n- You can y."))
    assert goals.kind == "reading" and goals.parts[0].count("<li>") == 2
    assert goals.parts[0].startswith("<h3>Goals</h3>")


def test_a_quiz_has_its_answer_on_the_next_press_or_in_the_notes():
    long = "word " * 41
    first, second = slides(
        text(
            "## Recall\n\n**1.** Why?\n\n"
            "<details><summary>Answer 1</summary>\n\nSo.\n\n</details>\n\n"
            "**2.** How?\n\n"
            f"<details><summary>Answer 2</summary>\n\n{long}\n\n</details>"
        )
    )
    assert shape([first, second]) == [("quiz", "1. Why?", "So."), ("quiz", "2. How?")]
    assert said(first) == [("Answer 1", "So.")]
    assert said(second) == [("Answer 2", long.strip())]


def test_a_formula_has_its_heading_and_the_sentence_before_it():
    formula, question = slides(
        text(
            "## Idea\n\nFar away. This leads to it:\n\n$$x = 1$$\n\nAnd more.\n\n"
            "**Predict.** What is $x$?"
        )
    )
    assert shape([formula]) == [("formula", "IdeaThis leads to it:x=1")]
    assert (formula.heading, question.heading) == ("99 · Small", "Idea")
    assert said(formula) == [("The page", "Far away. This leads to it:And more.")]
    assert shape([question]) == [("question", "Predict. What is x?")]


def test_a_heading_without_formula_has_its_first_sentences():
    (one,) = slides(text(f"### Idea\n\nOne. Two. {'Three ' * 50}."))
    assert shape([one]) == [("reading", "IdeaOne. Two.")]
    assert "Three Three" in said(one)[0][1]
    one, two = slides(text("## Q) Why?\n\nSo. It is.\n\n$$y$$"))
    assert shape([one, two]) == [("question", "Q) Why?"), ("formula", "It is.y")]


def test_what_is_seen_comes_on_the_next_press_or_slide():
    short = "**What you see.** It is so. " + "And more of it " * 8 + "."
    picture = code("lesson.still.show()", png(740, 390))
    (one,) = slides(picture, text(short))
    assert shape([one]) == [("picture", "It is so.")] and one.figure == "picture 0"
    assert said(one)[0][1].startswith("It is so. And more")
    long = f"**What you see.** It {'is as long as it is ' * 8}."
    high = code("lesson.still.show()", png(800, 700))
    for cells in ((picture, text(long)), (high, text(short))):
        one, two = slides(*cells)
        assert (one.kind, one.parts, two.kind) == ("picture", [], "reading")


def test_a_table_and_a_picture_are_two_slides():
    both = code("lesson.still.show()", table(3), printed("ok\n"), png(740, 390))
    first, second = slides(both)
    assert (first.kind, second.kind) == ("table", "picture")
    assert "<table" in first.parts[0] and "<pre>ok</pre>" in first.parts[0]


def test_what_has_no_room_is_not_shown():
    assert slides(code("run()", table(30))) == []
    assert slides(code("run()", printed("x" * 90))) == []
    (one,) = slides(code("run()", table(10)), text("**What you see.** So."))
    assert one.parts[1:] == ["<p>So.</p>"]
    one, two = slides(code("run()", table(14)), text("**What you see.** So."))
    assert (one.kind, two.kind) == ("table", "reading")


def test_code_is_shown_where_it_is_the_idea():
    body = "\n".join(f"    x{i} = {i}" for i in range(11))
    short, long = f"def f():\n{body}", f"def g():\n{body}\n    y = 0"
    (one,) = slides(code(f"import numpy as np\n\n\n{short}"))
    assert one.kind == "code" and "import" not in one.parts[0]
    assert slides(code(f"{short}\n\n\n{short}")) == []
    assert slides(code(long)) == []
    assert slides(code(f"{short}\n\n\nx = f()")) == []
    assert slides(code(short, tags=["same-as-package"])) == []


def test_a_widget_is_alive_after_the_next_question():
    show = code("lesson.moving.show()", png(740, 390))
    explore, seen = code("lesson.moving.explore()"), text("**What you see.** So.")
    (one,) = slides(show, seen, explore)
    assert (one.kind, one.parts) == ("widget", ["<p>So.</p>"])
    assert one.figure == (LESSON.moving, {"x": 0})
    asked = text("**What you see.** So.\n\n**Predict.** And then?")
    kinds = [draft.kind for draft in slides(show, asked, explore)]
    assert kinds == ["picture", "question", "widget"]


def test_an_exercise_shows_what_is_asked_and_no_solution():
    long = "\n".join(f"    x{i} = {i}" for i in range(12))
    stub = (
        'def f(x):\n    """What f is."""\n{}\n\n\nlesson.f.check(f)\n# lesson.f.hint()'
    )
    asked = text("### Exercise 1 · f (●○○, 4 minutes)\n\nWrite f.")
    symptom = code("f(1)", printed("2"))
    for body in ("    ...", long):
        answer = code(stub.format(body), tags=["exercise"])
        one, two = slides(text("## Exercises"), asked, symptom, answer)
        assert two.kind == "table" and two.group == one.group
        assert one.kind == "exercise" and one.group == ("f", 4)
        plain = words.plain(one.parts[0])
        assert plain.startswith("Exercise 1 · f (●○○, 4 minutes)Write f.def f")
        assert "lesson" not in plain and "x11" not in plain and "What f is" in plain


def test_what_ends_a_page():
    ledger = (
        "## Guarantee ledger\n\n| proved | given up | restores |\n| --- | --- | --- |\n"
        "| old | a | b |\n| **new** | **c** | **d** |"
    )
    drafts = slides(
        text("## What implementations do\n\n> **One.** Is so. Yes.\n>\n> Two."),
        text("## Recap\n\n- a\n\n**The one line to remember:** δ is all."),
        text(ledger),
        text("## Progress\n\nWhich?"),
        code("lesson.progress()", printed("0 of 3")),
        text("[← Previous: 98](98.ipynb)"),
    )
    assert shape(drafts[:2]) == [
        ("reading", "What implementations doOne. Is so. Yes."),
        ("line", "δ is all."),
    ]
    assert [draft.kind for draft in drafts] == ["reading", "line", "table"]
    assert "old" not in drafts[2].parts[0] and "new" in drafts[2].parts[0]


def test_a_table_of_words_without_room_comes_in_parts():
    lines = [f"| c{i} | d |" for i in range(30)]
    rows = "\n".join(("| a | b |", "| --- | --- |", *lines))
    drafts = slides(text(f"## Idea\n\n{rows}"))
    assert [(kind, shown.split()) for kind, shown in shape(drafts)] == [
        ("table", [*before, "a", "b", *" ".join(f"c{i} d" for i in some).split()])
        for before, some in (
            (["Idea"], range(10)),
            ([], range(10, 20)),
            ([], range(20, 30)),
        )
    ]


def test_a_table_of_words_with_too_long_rows_is_said_to_be_elsewhere():
    rows = f"| a | b |\n| --- | --- |\n| c | {'word ' * 400}|\n"
    for before, first in (("", "Idea"), ("So it is.\n\n", "IdeaSo it is.")):
        (one,) = slides(text(f"## Idea\n\n{before}{rows}"))
        assert shape([one]) == [("reading", f"{first}The table: on the page.")]
        assert said(one)[0][1].count("word") == 400


def test_what_nobody_has_answered_yet_is_no_result():
    assert slides(code("lesson.x.check('a')", printed("[todo] x: your code"))) == []


def test_a_quotation_that_is_announced_stands_there():
    one, *_ = slides(text("## Idea\n\nThey write:\n\n> *So it is.*\n\nWe do it."))
    assert shape([one]) == [("reading", "IdeaSo it is.")]


# --- words


def test_sentences_end_where_they_end():
    text = "By $a. B$ et al. (2018) it is (one. Two.). $x$ follows. Then?"
    assert words.sentences(text) == [
        "By $a. B$ et al. (2018) it is (one. Two.).",
        "$x$ follows.",
        "Then?",
    ]
    assert words.start("(Aside.) As follows: x. Two.", 3) == "As follows: x."
    assert words.start("It announces this:") == "It announces this:"
    assert words.start("Here it is. It announces this:") == "Here it is."


def test_a_long_line_of_formulas_becomes_lines():
    assert words.formulas(r"a \qquad b") == [r"a \qquad b"]
    long = "+".join("abcdefghijklm")
    assert words.formulas(rf"{long}, \qquad {long}") == [long, long]
    assert len(words.formulas(rf"\boxed{{{long} \qquad {long}}}")) == 1


def test_a_full_stop_stays_with_its_formula_and_links_are_words():
    assert '</math>.</span> <a href="https:' in words.shown(
        "So is $x$. [A](https://a.org) and [B](03_b.ipynb)"
    )
    assert "03_b" not in words.shown("[B](03_b.ipynb)")


def test_minutes_are_shared_in_quarters():
    assert shared(5, [1, 3]) == [1.5, 3.5]
    assert sum(shared(7, [0.1] * 13)) == 7
    assert shared(1, [0, 0, 0, 0, 0]) == [0.2] * 5


def test_letters_become_smaller_until_all_fits():
    sizes = []
    for rows in (3, 8, 11, 14):
        found, room = results.result([table(rows)["data"]["text/html"]])
        sizes.append(int(re.search(r"font-size: (\d+)px", found)[1]))
    assert sizes == sorted(sizes, reverse=True) and min(sizes) >= 24
    assert room is False and results.result(["x" * 90]) is None


# --- all pages


@pytest.fixture(scope="module", params=NUMBERS)
def one(request):
    """(a page, its deck's slides)."""
    (step,) = page_deck.steps(request.param)
    return page.read(path_of(request.param)), step.slides


def test_no_slide_is_empty(one):
    _, slides = one
    for slide in slides:
        shown = words.plain(" ".join(slide.parts)).strip()
        assert shown or slide.figure, slide.heading
        assert "..." in shown or "$" not in shown, shown


def test_every_question_has_a_slide_of_its_own(one):
    content, slides = one
    sources = "\n".join(
        cell["source"] for cell in content["cells"] if cell["cell_type"] == "markdown"
    )
    asked = sources.count("**Predict.**") + len(
        re.findall(r"^(?:## |\*\*)Q\)", sources, re.M)
    )
    questions = [slide for slide in slides if slide.kind == "question"]
    assert len(questions) == asked
    assert all(len(q.parts) == 1 and q.figure is None for q in questions)


def test_every_picture_and_every_widget_is_there_once(one):
    content, slides = one
    expected, still = [], 0
    cells = content["cells"]
    for i, cell in enumerate(cells):
        names = re.findall(r"^lesson\.(\w+)\.(show|explore)\(", cell["source"], re.M)
        for name, way in names if cell["cell_type"] == "code" else ():
            if way == "explore":
                expected.append(name)
                # the picture above it is the same, unless a question stands between
                above = "\n".join(c["source"] for c in cells[:i])
                *_, between = above.split(f"lesson.{name}.show(")
                still -= "**Predict.**" not in between and "\n## " not in between
            else:
                still += 1
    pictures = [slide for slide in slides if slide.kind == "picture"]
    alive = [slide.figure[0] for slide in slides if slide.kind == "widget"]
    assert len(pictures) == still
    assert len({id(widget) for widget in alive}) == len(alive) == len(expected)


def test_minutes_add_up_to_the_pages(one):
    content, slides = one
    measured = load.measure(content)
    total = measured.main.minutes + measured.deeper.minutes + measured.exercises
    assert sum(slide.notes.minutes for slide in slides) == pytest.approx(total)
    assert all(slide.notes.minutes > 0 for slide in slides)


def test_words_are_few_and_code_is_short(one):
    _, slides = one
    for slide in slides:
        shown = re.sub(r"<math.*?</math>", " m ", " ".join(slide.parts), flags=re.S)
        if slide.kind == "code":
            assert len(words.plain(shown).strip().split("\n")) <= 12
        elif slide.kind in ("reading", "picture", "widget", "line", "formula"):
            assert words.count(words.plain(shown)) <= 75, shown
        assert not (slide.figure and "<table" in shown)


def test_folded_answers_are_in_the_notes(one):
    content, slides = one
    folds = sum(c["source"].count("<details>") for c in content["cells"])
    said = [label for slide in slides for label, _ in slide.notes.said]
    assert len([label for label in said if label != "The page"]) == folds


def test_pictures_are_the_stored_ones():
    stored = [
        output["metadata"]["image/png"]["alt"]
        for cell in page.read(path_of("08"))["cells"]
        for output in cell.get("outputs", ())
        if "image/png" in output.get("data", {})
    ]
    assert [alt for _, alt in pictures("08")] == stored


def test_the_command(tmp_path, capsys):
    assert deck.main([str(tmp_path), "A"]) == 0
    (path,) = tmp_path.iterdir()
    assert path.name == "A_notation_and_errata.html"
    assert "A · Notation and errata" in path.read_text("utf-8")
    with pytest.raises(SystemExit):
        deck.main([str(tmp_path), "99"])
    assert "no page '99'" in capsys.readouterr().err
