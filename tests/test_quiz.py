"""A quiz tells what was missed and where to begin, and nothing raises."""

import pytest

from trpo_lite.course.quiz import NUMPY, Question, Quiz


def question(right, page):
    return Question("Which?", ("one", "two", "three", "four"), right, "So.", page)


QUIZ = Quiz(
    "begin",
    (question("b", "NumPy"), question("c", "01"), question("a", "02")),
    {"01": ("01 · A", "01_a.ipynb"), "02": ("02 · B", "02_b.ipynb"), "03": ("C", "c")},
)


@pytest.fixture
def shown(monkeypatch):
    """What a check displays."""
    bundles = []
    monkeypatch.setattr(
        "IPython.display.display", lambda data, raw: bundles.append(data)
    )
    return bundles


@pytest.mark.parametrize(
    "given, page, numpy, missed",
    [
        ("bca", "C", False, None),
        ("BC A", "C", False, None),
        ("bc.", "02 · B", False, "3 (page 02)"),
        ("b.a", "01 · A", False, "2 (page 01)"),
        ("bbb", "01 · A", False, "2 (page 01), 3 (page 02)"),
        ("aca", "C", True, "1 (NumPy)"),
        ("c.d", "01 · A", True, "1 (NumPy), 2 (page 01), 3 (page 02)"),
    ],
)
def test_the_first_page_that_is_needed(shown, capsys, given, page, numpy, missed):
    QUIZ.check(given)
    (bundle,) = shown
    lines = bundle["text/plain"].splitlines()
    count = missed.count("(") if missed else 0
    assert lines[0] == f"right: {3 - count} of 3"
    assert (f"missed: {missed}" in lines) == bool(missed)
    assert (f"read first: {NUMPY}" in lines) == numpy
    assert lines[-1] == f"begin with: {page}"
    linked = bundle["text/markdown"]
    assert linked.split("  \n")[0] == lines[0] and f"with: [{page}](" in linked
    assert (f"]({NUMPY})" in linked) == numpy
    assert capsys.readouterr().out == ""


def test_a_second_check_knows_nothing_of_the_first(shown):
    for given in ("ddd", "bca", "ddd"):
        QUIZ.check(given)
    assert shown[0] == shown[2] != shown[1]


@pytest.mark.parametrize(
    "given, says",
    [
        ("...", "[todo] begin: put a letter in the place of each dot."),
        ("bc", "[retry] begin: 2 letters came, expected 3."),
        ("", "[retry] begin: 0 letters came, expected 3."),
        ("bce", "[retry] begin: 'e' is no answer; a to d are, and a dot"),
        (None, "[retry] begin: a text is expected, such as 'bbb'."),
        (["b", "c", "a"], "[retry] begin: a text is expected"),
        (..., "[retry] begin: a text is expected"),
    ],
)
def test_what_is_no_answer_is_told(shown, capsys, given, says):
    QUIZ.check(given)
    assert capsys.readouterr().out.startswith(says) and not shown


def test_the_texts_of_a_page():
    asked = QUIZ.asked(2, 3)
    assert asked.startswith("**2.** Which?\n\n- a) one\n- b) two") and "**3.**" in asked
    assert "**1.**" not in asked and "So." not in asked
    assert QUIZ.answers().split("\n\n")[1:3] == ["**1.** b) So.", "**2.** c) So."]
