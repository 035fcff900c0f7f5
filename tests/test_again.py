"""A page with all solutions in, run to its end: every earlier cell still runs alike.

A reader goes back. So no later cell, and no exercise's name, may take away what an
earlier cell stands on. Cells that draw from a generator that another cell has made go
on in its stream: of these only that they run. Nor does a name change what it stands
for on the way, from a number to a list, say.
"""

import importlib
import io
import json
import re
from contextlib import redirect_stdout
from pathlib import Path
from types import GeneratorType

import matplotlib
import numpy as np
import pytest

from trpo_lite.course.engine import Exercise

PAGES = sorted((Path(__file__).parents[1] / "notebooks").glob("[0-9][0-9]_*.ipynb"))
DRAWS = re.compile(r"\brng\b")
# what is made for the table below it and forgotten; a heading is a text or a list
PASSING = {"_", "rows", "row", "name", "names", "head", "header", "columns", "formats"}


def code_cells(path):
    """(id, source) of each code cell, the reference in place of each stub."""
    lesson = importlib.import_module(f"trpo_lite.course.n{path.name[:2]}")
    exercises = iter(lesson.exercises)
    for cell in json.loads(path.read_text("utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code" and "exercise" in cell["metadata"].get(
            "tags", ()
        ):
            exercise = next(exercises)
            solution = exercise.source(exercise.reference)
            source = f"{solution}\n\nlesson.{exercise.name}.check({exercise.name})"
        if cell["cell_type"] == "code":
            yield cell["id"], source


def kinds(value):
    """What a value may stand for: an array for one number as well as for several."""
    if value is None:
        return {"number", "several", "text", "dict", "function", "object"}
    if isinstance(value, str):
        return {"text"}
    if isinstance(value, np.ndarray):
        return {"number", "several"}
    if isinstance(value, (bool, int, float, np.generic)):
        return {"number"}
    if isinstance(value, dict):
        return {"dict"}
    if isinstance(value, (list, tuple, zip, range, GeneratorType)):
        return {"several"}
    return {"function"} if callable(value) else {"object"}


def test_kinds_are_told_apart():
    values = 1.0, np.float64(1), np.ones(2), [1], (1,), "a", {}, len, pytest, None
    found = [kinds(value) for value in values]
    assert found[0] == found[1] and found[0] < found[2] and found[3] < found[2]
    one_each = [found[i] for i in (0, 3, 5, 6, 7, 8)]
    assert set.union(*one_each) == found[-1] and sum(map(len, one_each)) == 6


@pytest.fixture
def shown(monkeypatch):
    """What cells display, as text; cleared by the caller."""
    texts = []

    def display(*values, raw=False, **options):
        for value in values:
            texts.append(value.get("text/plain", "") if raw else type(value).__name__)

    monkeypatch.setattr("IPython.display.display", display)
    monkeypatch.setattr("trpo_lite.plots.png", lambda *args, **options: b"")
    with matplotlib.rc_context():  # a page sets the style
        yield texts


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_finished_page_runs_again(path, shown):
    names, first, stands_for = {"__name__": "page"}, {}, {}

    def run(source):
        shown.clear()
        printed = io.StringIO()
        with redirect_stdout(printed):
            exec(compile(source, path.name, "exec"), names)
        return printed.getvalue(), tuple(shown)

    lesson = importlib.import_module(f"trpo_lite.course.n{path.name[:2]}")
    try:
        for id, source in code_cells(path):
            first[id] = source, run(source)
            for name in names.keys() - PASSING:
                stands_for[name] = stands_for.get(name, kinds(None)) & kinds(
                    names[name]
                )
                assert stands_for[name], f"{id}: {name} means something else"
        for exercise in lesson.exercises:
            (said,) = [
                out[0] for s, out in first.values() if f"{exercise.name}.check(" in s
            ]
            assert f"[ok] {exercise.name}" in said  # with the page's own imports
        end = dict(names)
        for id, (source, before) in first.items():
            after = run(source)
            assert after == before or DRAWS.search(source), id
            names.clear()
            names.update(end)
    finally:
        for exercise in vars(lesson).values():
            if isinstance(exercise, Exercise):
                exercise._state.clear()
