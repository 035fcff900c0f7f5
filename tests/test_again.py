"""A page with all solutions in, run to its end: every earlier cell still runs alike.

A reader goes back. So no later cell, and no exercise's name, may take away what an
earlier cell stands on. Cells that draw from a generator that another cell has made go
on in its stream: of these only that they run.
"""

import importlib
import io
import json
import re
from contextlib import redirect_stdout
from pathlib import Path

import matplotlib
import pytest

from trpo_lite.course.engine import Exercise

PAGES = sorted((Path(__file__).parents[1] / "notebooks").glob("[0-9][0-9]_*.ipynb"))
DRAWS = re.compile(r"\brng\b")


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
    names, first = {"__name__": "page"}, {}

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
