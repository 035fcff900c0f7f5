"""Every exercise and widget of every lesson module, and their stubs on the pages."""

import ast
import copy
import dataclasses
import importlib
import inspect
import io
import json
import re
import textwrap
from collections import Counter
from contextlib import redirect_stdout
from pathlib import Path

import matplotlib
import numpy as np
import pytest

from trpo_lite.course.engine import Progress
from trpo_lite.course.widgets import OPTIONS, Renderer, Widget

ROOT = Path(__file__).resolve().parent.parent
MODULES = sorted(
    path.stem for path in (ROOT / "trpo_lite/course").glob("n[0-9][0-9].py")
)
LESSONS = {
    name: importlib.import_module(f"trpo_lite.course.{name}") for name in MODULES
}
EXERCISES = [
    pytest.param(name, exercise, id=f"{name}.{exercise.name}")
    for name, lesson in LESSONS.items()
    for exercise in lesson.exercises
]
MISTAKES = [
    pytest.param(exercise, mistake, id=f"{name}.{exercise.name}: {mistake}")
    for name, lesson in LESSONS.items()
    for exercise in lesson.exercises
    for mistake in exercise.mistakes
]
WIDGETS = [
    pytest.param(widget, id=f"{name}.{widget.draw.__name__}")
    for name, lesson in LESSONS.items()
    for widget in getattr(lesson, "widgets", ())
]


def check(exercise, answer):
    """The lines that `check` prints, told of a copy, so that nothing counts as done."""
    out = io.StringIO()
    with redirect_stdout(out):
        dataclasses.replace(exercise, _state={}).check(answer)
    lines = out.getvalue().splitlines()
    assert 1 <= len(lines) <= 3
    return lines


@pytest.mark.parametrize("name, exercise", EXERCISES)
def test_untouched_is_todo(name, exercise):
    assert check(exercise, exercise.stub)[0].startswith("[todo]")


@pytest.mark.parametrize("name, exercise", EXERCISES)
def test_reference_is_ok(name, exercise):
    assert check(exercise, exercise.reference)[0].startswith("[ok]")


@pytest.mark.parametrize("exercise, mistake", MISTAKES)
def test_mistake_is_named(exercise, mistake):
    line = check(exercise, exercise.mistakes[mistake])[0]
    assert line == f"[retry] {exercise.name}: {mistake}."


@pytest.mark.parametrize("name, exercise", EXERCISES)
def test_mistakes_are_several_and_read_as_sentences(name, exercise):
    assert exercise.mistakes, "name at least one likely mistake"
    for mistake in exercise.mistakes:
        assert len(mistake) > 10 and not mistake.endswith(".")


def signed(exercise):
    """Is the result one array or number with a sign?"""
    results = [exercise.reference(*c) for c in exercise.cases(np.random.default_rng(0))]
    return (
        exercise.to_array is None
        and exercise.tolerance is not None
        and all(isinstance(r, (float, int, np.ndarray, np.number)) for r in results)
        and all(np.asarray(r).dtype.kind in "if" for r in results)
    )


@pytest.mark.parametrize(
    "name, exercise", [p for p in EXERCISES if signed(p.values[1])]
)
def test_the_negative_is_recognised_though_not_listed(name, exercise):
    def negative(*arguments):
        return -np.asarray(exercise.reference(*arguments))

    assert check(exercise, negative)[0].startswith("[retry]")


@pytest.mark.parametrize("name, exercise", EXERCISES)
def test_an_answer_that_does_nothing_is_told_no_particular_mistake(name, exercise):
    for i in range(len(exercise.case(0))):
        line = check(exercise, lambda *arguments, i=i: arguments[i])[0]
        assert line.startswith("[retry]")
        assert not any(mistake in line for mistake in exercise.mistakes), line


@pytest.mark.parametrize("name, exercise", EXERCISES)
def test_hints_exist_and_grow(name, exercise):
    assert len(exercise.hints) >= 2
    assert len(set(exercise.hints)) == len(exercise.hints)
    out = io.StringIO()
    with redirect_stdout(out):
        for _ in range(len(exercise.hints) + 1):
            exercise.hint()
    lines = out.getvalue().splitlines()
    assert lines[-1] == lines[-2]
    for hint, line in zip(exercise.hints, lines, strict=False):
        assert line.endswith(hint)
    exercise._state.clear()


@pytest.mark.parametrize("name, exercise", EXERCISES)
def test_solution_shows_the_reference(name, exercise):
    out = io.StringIO()
    with redirect_stdout(out):
        exercise.solution()
    text = out.getvalue()
    assert text.startswith(f"def {exercise.name}(")
    assert "\n    ..." not in text
    # it is the code that was checked: run as it is shown, it passes
    lesson = importlib.import_module(f"trpo_lite.course.{name}")
    names = dict(vars(lesson))
    exec(text, names)
    assert check(exercise, names[exercise.name])[0].startswith("[ok]")


@pytest.mark.parametrize("name, exercise", EXERCISES)
def test_described(name, exercise):
    assert exercise.name.isidentifier()
    assert getattr(LESSONS[name], exercise.name) is exercise
    assert 1 <= exercise.minutes <= 30
    assert (exercise.stub.__doc__ or "").strip(), "the stub says what is wanted"


@pytest.mark.parametrize("name", MODULES)
def test_progress_covers_the_exercises_in_rising_order(name):
    lesson = LESSONS[name]
    assert lesson.progress == Progress(lesson.exercises)
    names = [e.name for e in lesson.exercises]
    assert len(set(names)) == len(names)
    difficulties = [e.difficulty for e in lesson.exercises]
    assert difficulties == sorted(difficulties)
    assert name == "n00" or 2 <= len(names) <= 4


def lines(function):
    """The lines of a function's body, its docstring and its comments apart."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    body = [node for node in tree.body if not is_text(node)]
    return [line for node in body for line in ast.unparse(node).splitlines()]


def is_text(node):
    return isinstance(node, ast.Expr) and isinstance(
        getattr(node.value, "value", None), str
    )


@pytest.mark.parametrize("name", [f"n{i:02}" for i in range(1, 15)])
def test_one_exercise_is_a_function_of_several_lines(name):
    """Its body is empty, and the reference takes five lines or more."""
    whole = [e for e in LESSONS[name].exercises if lines(e.stub) in ([], ["..."])]
    assert max(len(lines(e.reference)) for e in whole) >= 5


def page_of(name):
    return next((ROOT / "notebooks").glob(f"{name[1:]}_*.ipynb"))


@pytest.mark.parametrize("name", MODULES)
def test_the_page_has_every_stub_as_the_module_has_it(name):
    path = page_of(name)
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    found = [
        "".join(cell["source"])
        for cell in cells
        if "exercise" in cell["metadata"].get("tags", ())
    ]
    expected = [
        exercise.source(exercise.stub)
        + textwrap.dedent(
            f"""


            lesson.{exercise.name}.check({exercise.name})
            # lesson.{exercise.name}.hint()
            # lesson.{exercise.name}.solution()"""
        )
        for exercise in LESSONS[name].exercises
    ]
    assert found == expected


def shape(node):
    """An expression as text in which only its form counts, not its names."""
    node, names = copy.deepcopy(node), {}
    for n in ast.walk(node):
        if isinstance(n, ast.Name) and n.id != "np":
            n.id = names.setdefault(n.id, f"v{len(names)}")
    return ast.unparse(node)


def long(node):
    """Has an expression two operations or more? Shorter ones stand anywhere."""
    steps = ast.BinOp, ast.Call, ast.Compare, ast.Subscript
    return sum(isinstance(n, steps) for n in ast.walk(node)) >= 2


GIVEN = {
    "solve_from": "the loop is the page's: asked is how it starts",
    "damped_direction": "one name is wrong; the line has the form of any update",
}


@pytest.mark.parametrize(
    "name, exercise", [one for one in EXERCISES if one.values[1].name not in GIVEN]
)
def test_the_answer_does_not_stand_in_the_pages_code(name, exercise):
    """Of what the reference has beyond the stub, some long expression is on no cell."""
    path, page = page_of(name), set()
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        tags = cell["metadata"].get("tags", ())
        if cell["cell_type"] == "code" and "exercise" not in tags:
            nodes = ast.walk(ast.parse("".join(cell["source"])))
            page |= {shape(n) for n in nodes if isinstance(n, ast.expr) and long(n)}
    statements = [
        {ast.unparse(n): n for n in ast.walk(ast.parse(exercise.source(f)))}
        for f in (exercise.stub, exercise.reference)
    ]
    new = [n for text, n in statements[1].items() if text not in statements[0]]
    asked = [n for n in new if isinstance(n, ast.expr) and long(n)]
    assert not asked or any(shape(n) not in page for n in asked)


@pytest.mark.parametrize("widget", WIDGETS)
def test_widget_draws_at_its_defaults_and_at_every_end(widget):
    from matplotlib.figure import Figure

    assert isinstance(widget, Widget)
    counts = set()
    for settings in widget.settings():
        assert len(widget.words(**settings)) > 20
        figure = widget.draw(**settings)
        assert isinstance(figure, Figure)
        counts.add(len(figure.axes))
        figure.draw_without_rendering()
        labels = [(axes.get_xlabel(), axes.get_ylabel()) for axes in figure.axes]
        # a panel may share one axis with its neighbour, or have none, as the simplex
        for axes, (x, y) in zip(figure.axes, labels, strict=True):
            assert x or y or not axes.axison, "an axis without a label"
        assert any(x and y for x, y in labels) or not figure.axes[0].axison
    assert len(counts) == 1, "the number of axes changes with the settings"


def drawn(svg):
    """What an SVG text draws, in any order: its elements with their attributes."""
    svg = re.sub(r"\s+", " ", svg)
    return Counter(re.findall(r"<(?:path|use|image) [^>]*>|<text.*?</text>", svg))


@pytest.mark.parametrize("widget", WIDGETS)
def test_widget_shows_what_matplotlib_draws(widget):
    render = Renderer(widget.draw(**widget.defaults), "")
    for settings in [*widget.settings()] * 2:
        figure = widget.draw(**settings)
        picture, whole = render(figure, ""), io.StringIO()
        with matplotlib.rc_context(OPTIONS):
            figure.savefig(whole, format="svg")
        # every mark has one definition in each of the three layers that show it
        found, expected = drawn(picture), drawn(whole.getvalue())
        assert set(found) == set(expected), settings
        more = {e: n for e, n in found.items() if n != expected[e] and " id=" not in e}
        assert not more, settings


@pytest.mark.parametrize("widget", WIDGETS)
def test_widget_changes_with_each_control(widget):
    box = widget.build()
    *controls, _, picture = box.children
    for (name, spec), control in zip(widget.controls.items(), controls, strict=True):
        before = picture.value
        control.value = next(v for v in spec.ends if v != spec.default)
        assert picture.value != before, f"{name} changes nothing"
        control.value = spec.default
        assert picture.value == before, f"{name} does not lead back"
