"""Checks as a reader meets them: cells of a notebook, run in a kernel."""

import os
import re

import nbformat
import pytest
from nbclient import NotebookClient

from tests.execute import ThisEnvironment
from tests.test_exercises import LESSONS
from trpo_lite.course import n11, outcome

PLOTS = "    plt.plot([1, 2])\n    plt.show()\n    display('a')\n"
CHECK = "\n\nlesson.searched.check(searched)"


def cell(source, *tags):
    made = nbformat.v4.new_code_cell(source)
    made.metadata["tags"] = list(tags)
    return made


def outputs(*cells):
    page = nbformat.v4.new_notebook(cells=list(cells))
    NotebookClient(page, kernel_manager_class=ThisEnvironment, timeout=60).execute()
    return [
        "".join(o.get("text", o.get("ename", "<shown>")) for o in c.outputs)
        for c in page.cells
    ]


@pytest.mark.parametrize("name", LESSONS)
def test_untouched_stubs_are_known_without_their_source(name):
    """As on the page, compiled with other code around them; no file can be read."""
    lesson = LESSONS[name]
    for exercise in lesson.exercises:
        source = f"import numpy as np\n\n{exercise.source(exercise.stub)}"
        names = dict(vars(lesson))
        exec(compile(source, "<no file>", "exec"), names)
        assert outcome.tree_of(names[exercise.name]) is None
        assert exercise.judge(names[exercise.name])[0] == "todo"


def test_cells_of_a_page():
    stub = n11.searched.source(n11.searched.stub)
    faded = (
        n11.accepted.source(n11.accepted.stub) + "\n\nlesson.accepted.check(accepted)"
    )
    right = n11.searched.source(n11.searched.reference)
    start = cell("import numpy as np\nfrom trpo_lite.course import n11 as lesson")
    cells = [
        cell(faded),
        cell(stub + CHECK),
        cell(right.replace("L > 0", "...") + CHECK),
        cell(re.sub(r"return (\w+)", r"print(\1)", right) + CHECK),
        cell(right.replace("evaluate(candidate)", "evaluate(nowhere)") + CHECK),
        cell(right.replace("+ 1):", "+ 1)", 1) + CHECK, "raises-exception"),
        cell(right + CHECK),
        cell("lesson.progress()"),
        cell("import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()"),
        cell(right.replace("    return theta", PLOTS + "    return theta") + CHECK),
    ]
    _, first, todo, blank, prints, error, broken, ok, *rest = outputs(start, *cells)
    assert first == "[todo] accepted: not attempted yet.\n"
    assert todo == "[todo] searched: not attempted yet.\n"
    assert blank.startswith("[retry] searched: one blank is still `...`.")
    assert "it prints, but returns nothing" in prints
    assert "(line 5 of searched: `L, kl = evaluate(nowhere)`)" in error
    # a syntax error: the cells after it run all the same, thanks to the tag
    assert broken == "SyntaxError"
    assert ok.startswith("[ok] searched")
    progress, picture, plots = rest
    assert progress.startswith("exercises done: 1 of 3")
    assert picture == "<shown>"  # and not once for every input:
    assert plots.startswith("[ok]") and "<shown>" not in plots


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_a_loop_without_end_is_interrupted_in_one_line():
    endless = (
        "import threading, signal\n"
        "def searched(evaluate, theta, step, delta, alpha, tries):\n"
        "    while True:\n"
        "        tries = tries + 1\n\n"
        "threading.Timer(0.5, signal.raise_signal, [signal.SIGINT]).start()"
    )
    start = cell("from trpo_lite.course import n11 as lesson")
    right = cell(n11.searched.source(n11.searched.reference) + CHECK)
    _, interrupted, ok = outputs(start, cell(endless + CHECK), right)
    [line] = interrupted.splitlines()
    assert line.startswith("[retry] searched: interrupted (line ")
    assert " of searched: `" in line
    assert ok.startswith("[ok] searched")
