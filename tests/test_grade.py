"""Submissions of all kinds, made from the pages, and what the grader says of them."""

import csv
import html
import inspect
import io
import json
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.test_exercises import EXERCISES, LESSONS, ROOT, page_of
from trpo_lite.course import answering, grade, needed

LESSON = LESSONS["n03"]
ONE, TWO, THREE = LESSON.exercises
SEED, SECONDS = 7, 5
POSIX = os.name == "posix"


def code(exercise, function, check=True):
    """A cell with `function` of a lesson module as the answer to its exercise."""
    module = sys.modules[function.__module__]
    used = names_of(function.__code__) & vars(module).keys() - {exercise.name}
    text = f"from {module.__name__} import {', '.join(sorted(used))}\n" if used else ""
    text += f"{exercise.source(function)}\n"
    return text + f"lesson.{exercise.name}.check({exercise.name})" * check


def names_of(code):
    inner = [c for c in code.co_consts if inspect.iscode(c)]
    return {*code.co_names}.union(*map(names_of, inner))


def right(exercise):
    return code(exercise, exercise.reference)


def first(values):
    return next(iter(values))


def answer(exercise, body, check=True):
    """A cell with a function of these statements as the answer."""
    lines = "\n    ".join(body.strip().splitlines())
    text = f"def {exercise.name}(*arguments):\n    {lines}\n"
    return text + f"lesson.{exercise.name}.check({exercise.name})" * check


def submit(folder, name, cells=None, page="n03", before=(), after=()):
    """Write a page with {name: source} as its answers, and more cells around.

    Of the page it has the imports and the exercises: all that its answers need.
    """
    content = json.loads(page_of(page).read_text(encoding="utf-8"))
    exercises = iter(LESSONS[page].exercises)
    for cell in content["cells"]:
        if "exercise" in cell["metadata"].get("tags", ()):
            cell["source"] = (cells or {}).get(next(exercises).name, cell["source"])
    content["cells"] = [
        c
        for c in content["cells"]
        if c["id"] == "imports" or c["id"].startswith("exercise-")
    ]
    extra = [[{"cell_type": "code", "source": s} for s in x] for x in (before, after)]
    content["cells"] = [*extra[0], *content["cells"], *extra[1]]
    path = folder / f"{name}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def rows_of(file):
    text = file.read_bytes().decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


def of(row, exercise):
    """(verdict, points, cause, input) of an exercise in a row of the CSV."""
    k = next(k for k in range(1, 5) if row[f"exercise {k}"] == exercise.name)
    values = (row[f"{c} {k}"] for c in ("verdict", "points", "cause", "input"))
    verdict, points, *texts = values
    return verdict, int(points), *texts


SECOND = {TWO.name: right(TWO)}


class Class:
    """A folder of submissions, graded once; the row and the page of each by name."""

    def __init__(self, tmp, options):
        self.folder, out, pages = tmp / "in", tmp / "grades.csv", tmp / "feedback"
        arguments = [self.folder, "--out", out, "--feedback", pages, "--seed", SEED]
        assert grade.main([*map(str, arguments), *options]) == 0
        self.rows = {row["submission"]: row for row in rows_of(out)}
        self.pages = pages

    def row(self, name):
        return self.rows[str(self.folder / f"{name}.ipynb")]

    def page(self, name):
        return (self.pages / f"{name}.ipynb.html").read_text(encoding="utf-8")


REFERENCE = f"lesson.{ONE.name}.reference"
FITTED = f"""
for k in range({len(ONE.cases(np.random.default_rng(0)))}):
    case = lesson.{ONE.name}.case(k)
    if len(case[0]) == len(arguments[0]) and (case[0] == arguments[0]).all():
        return lesson.{ONE.name}.reference(*arguments)
return 0.0, 0.0, 0.0
"""
CHANGED_CHECKER = f"""
import numpy as np
from trpo_lite.course import compare, engine, outcome
engine.Exercise.judge = lambda self, answer: ("ok", "right.", ())
engine.Exercise.accepts = compare.agree = compare.close = lambda *a: True
np.isclose = np.allclose = lambda *a, **k: np.True_
lesson.{ONE.name}._state["done"] = True
print("[ok] {ONE.name}: right on all 4 inputs.")
return 0.0
"""
FORKED = """
import os, time
if os.fork() == 0:
    os.setsid()
    time.sleep(9)
    os._exit(0)
os._exit(3)
"""


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    tmp = tmp_path_factory.mktemp("class")
    folder = tmp / "in"

    def one(name, source, **more):
        submit(folder, name, {ONE.name: source, **SECOND}, **more)

    submit(folder, "untouched")
    submit(folder, "right", {e.name: right(e) for e in LESSON.exercises})
    mistakes = {e.name: code(e, first(e.mistakes.values())) for e in LESSON.exercises}
    submit(folder, "mistakes", mistakes)
    one("fitted", answer(ONE, FITTED))
    one("checker", answer(ONE, CHANGED_CHECKER))
    one("pretends", answer(ONE, f"print('[ok] {ONE.name}: right')\nreturn 0.0"))
    one("loops", answer(ONE, "while True:\n    pass"))
    one("exits", answer(ONE, "import os\nos._exit(0)"))
    one("raises exit", answer(ONE, "exit(4)"))
    one("interrupts", answer(ONE, "raise KeyboardInterrupt"))
    one("crashes", answer(ONE, "import ctypes\nreturn ctypes.string_at(0)"))
    one("asks", answer(ONE, "return input()"))
    reference = f"return {REFERENCE}(*arguments)"
    one("eats", answer(ONE, f"x = bytearray(1_500_000_000)\n{reference}"))
    one("prints", answer(ONE, f"print('long' * 10**7)\n{reference}"))
    one("writes", answer(ONE, "open('left', 'w').write('x' * 10**8)\nreturn 0.0"))
    one("script", answer(ONE, "raise ValueError('<script>alert(1)</script> \\udcff')"))
    one("number", f"lesson.{ONE.name}.check(3)")
    one("lambda", f"lesson.{ONE.name}.check(lambda *a: {REFERENCE}(*a))")
    if POSIX:
        one("forks", f"import os\nos.fork()\n{right(ONE)}")
        one("flees", answer(ONE, FORKED))
    # which function counts
    stub = code(ONE, ONE.stub)
    one("twice", f"{right(ONE)}\n{answer(ONE, 'return 0.0')}")
    one("stub last", right(ONE), after=[stub])
    one("renamed", right(ONE).replace(f"def {ONE.name}(", "def mine("))
    renamed = answer(ONE, reference).replace(f"def {ONE.name}(", "def mine(")
    one("handed over", renamed.replace(f"check({ONE.name})", "check(mine)"))
    one("no check", code(ONE, ONE.reference, check=False))
    one("no cell", "1 + 1")
    one("no syntax", f"def {ONE.name}(f, a, b):\n    return (f\n")
    # what runs of the rest
    one("helper below", answer(ONE, "return helper(*arguments)"),
        after=[f"helper, {ONE.name} = {REFERENCE}, 3"])  # fmt: skip
    one("magic", f"%matplotlib inline\n!ls\n{right(ONE)}\nlesson?")
    one("unseen", answer(ONE, "return unseen(*arguments)"),
        before=["import trpo_lite.course.n03 as e",
                f"exec('unseen = e.{ONE.name}.reference')"])  # fmt: skip
    one("lost", answer(ONE, "return helper(*arguments)"),
        before=["helper = 1 / 0", "def broken(:"])  # fmt: skip
    (folder / "text.ipynb").write_text("my homework")
    (folder / "list.ipynb").write_text("[1, 2]")
    (folder / "deep.ipynb").write_text("[" * 100_000)
    (folder / "empty.ipynb").touch()
    (folder / "no cells.ipynb").write_text('{"cells": [{}]}')
    submit(folder, "another page", page="n04")
    nothing = {"cells": [{"cell_type": "code", "source": ["import numpy\n", "1"]}]}
    (folder / "no page.ipynb").write_text(json.dumps(nothing))
    submit(folder, "a/03_surrogate", {ONE.name: right(ONE)})
    submit(folder, "b/03_surrogate", {TWO.name: right(TWO)})
    submit(folder, ".ipynb_checkpoints/03_surrogate", {TWO.name: right(TWO)})
    submit(folder, "=1+1")
    if sys.platform == "linux":
        submit(folder, os.fsdecode(b"\xff\xfe"), {ONE.name: right(ONE)})
    options = ["--time", str(SECONDS), "--workers", "3", "--page", "03"]
    return Class(tmp, options)


def test_untouched_pages_are_todo(graded):
    for exercise in LESSON.exercises:
        assert of(graded.row("untouched"), exercise)[:2] == ("todo", 0)


def test_right_answers_get_their_minutes_as_points(graded):
    row = graded.row("right")
    for e in LESSON.exercises:
        assert of(row, e)[:2] == ("ok", e.minutes)
    total = sum(e.minutes for e in LESSON.exercises)
    assert (row["points"], row["of"], row["problem"]) == (str(total), str(total), "")


def test_mistakes_are_named_with_the_first_input_that_differs(graded):
    for e in LESSON.exercises:
        verdict, points, cause, given = of(graded.row("mistakes"), e)
        assert (verdict, points) == ("retry", 0)
        assert cause == f"{first(e.mistakes)}."
        assert "came" in given and f"lesson.{e.name}.case(" in given
        assert cause in html.unescape(graded.page("mistakes"))


def test_an_answer_that_fits_the_pages_inputs_alone_fails_on_others(graded):
    verdict, points, cause, given = of(graded.row("fitted"), ONE)
    assert (verdict, points) == ("retry", 0)
    assert cause.startswith("right on the page's inputs, but on others: ")
    assert "came 0, expected" in given and "; it was f" in given


@pytest.mark.parametrize("name", ["checker", "pretends"])
def test_neither_printing_nor_a_changed_checker_gives_points(graded, name):
    assert of(graded.row(name), ONE)[:2] == ("retry", 0)


STOPS = {
    "loops": ("stopped", f"it takes more than {SECONDS} s."),
    "exits": ("stopped", "its process ended with exit code 0."),
    "raises exit": ("retry", "SystemExit: 4"),
    "interrupts": ("stopped", "KeyboardInterrupt."),
    "asks": ("retry", "EOFError"),
    "number": ("retry", "check wants the function itself"),
    "crashes": ("stopped", "its process "),
    "writes": ("retry", "OSError" if POSIX else ""),
    "eats": ("retry", "MemoryError") if POSIX else ("ok", ""),
}


@pytest.mark.parametrize("name", STOPS)
def test_whatever_one_answer_does_the_others_are_judged(graded, name):
    kind, text = STOPS[name]
    verdict, _, cause, _ = of(graded.row(name), ONE)
    assert verdict == kind
    assert cause.startswith(text)
    assert of(graded.row(name), TWO)[:2] == ("ok", TWO.minutes)
    assert of(graded.row(name), THREE)[0] == "todo"


@pytest.mark.skipif(not POSIX, reason="no fork")
def test_a_fork_answers_once_and_one_that_flees_costs_its_time_only(graded):
    assert of(graded.row("forks"), ONE)[0] == "ok"
    assert of(graded.row("flees"), ONE)[0] == "stopped"
    assert of(graded.row("flees"), TWO)[0] == "ok"


def test_what_an_answer_prints_is_cut_and_its_files_are_gone(graded):
    assert of(graded.row("prints"), ONE)[0] == "ok"
    assert all(len(graded.page(name)) < 4000 for name in ("prints", "pretends"))
    assert not Path("left").exists()


COUNTS = {
    "twice": ("retry", ""),
    "stub last": ("ok", ""),
    "renamed": ("missing", f"there is no function {ONE.name}"),
    "handed over": ("ok", ""),
    "lambda": ("ok", ""),
    "no check": ("ok", ""),
    "no cell": ("missing", f"there is no function {ONE.name}."),
    "no syntax": ("retry", "its cell cannot be read: "),
    "helper below": ("ok", ""),
    "magic": ("ok", ""),
    "unseen": ("ok", ""),
    "lost": ("retry", "NameError: name 'helper' is not defined"),
}


@pytest.mark.parametrize("name", COUNTS)
def test_the_last_function_that_is_handed_to_check_counts(graded, name):
    kind, text = COUNTS[name]
    verdict, _, cause, _ = of(graded.row(name), ONE)
    assert (verdict, cause[: len(text)]) == (kind, text)


def test_the_feedback_says_which_other_cells_fail(graded):
    page = graded.page("lost")
    assert "code cell 1 fails: ZeroDivisionError: division by zero" in page
    assert "code cell 2 cannot be read: " in page


PROBLEMS = {
    "text": "it is no notebook: it cannot be read as JSON",
    "list": "it is no notebook: it has no list of cells",
    "deep": "it is no notebook: it cannot be read as JSON",
    "empty": "it is no notebook: it cannot be read as JSON",
    "no cells": "it is no notebook: it has no list of cells",
    "another page": "it is page 04, not 03",
    "no page": "it is no page of the course: it imports no lesson",
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_what_is_no_page_is_a_row_with_its_reason(graded, name):
    row = graded.row(name)
    assert row["problem"] == PROBLEMS[name]
    assert (row["points"], row["exercise 1"] or "") == ("0", "")
    assert PROBLEMS[name] in graded.page(name)


def test_files_of_one_name_are_two_rows_and_two_pages(graded):
    for name, exercise in (("a", ONE), ("b", TWO)):
        row = graded.row(f"{name}/03_surrogate")
        assert row["points"] == str(exercise.minutes)
        text = f"{exercise.name}: {exercise.minutes} of {exercise.minutes}"
        assert text in graded.page(f"{name}/03_surrogate")
    assert not any("checkpoints" in name for name in graded.rows)


def test_names_and_texts_do_no_harm_where_they_are_shown(graded):
    page = graded.page("script")
    assert "&lt;script&gt;alert" in page and "<script" not in page
    row = grade.Graded(Path("=1+1.ipynb"), problem="@x")
    entries = grade.table([row]).decode("utf-8-sig").splitlines()[1]
    assert entries.startswith("'=1+1.ipynb,") and "'@x" in entries
    if sys.platform == "linux":
        assert any(r"\udcff\udcfe" in name for name in graded.rows)


# every page


@pytest.fixture(scope="module")
def school(tmp_path_factory):
    tmp = tmp_path_factory.mktemp("school")
    for name, lesson in LESSONS.items():
        submit(
            tmp / "in", name, {e.name: right(e) for e in lesson.exercises}, page=name
        )
    return Class(tmp, ["--time", "60", "--workers", "2"])


@pytest.mark.parametrize("name", LESSONS)
def test_right_answers_of_every_page_get_all_points(school, name):
    row = school.row(name)
    for exercise in LESSONS[name].exercises:
        assert of(row, exercise)[:2] == ("ok", exercise.minutes)
    assert row["page"] == name[1:]


@pytest.mark.parametrize("name, exercise", EXERCISES)
def test_the_other_inputs_are_others_and_can_be_sent(name, exercise):
    shown, hidden = grade.asked(exercise, SEED)
    rng = np.random.default_rng
    cases = [pickle.dumps(e.cases(rng(0))) for e in (exercise, shown, hidden)]
    assert cases[0] == cases[1] != cases[2]
    assert hidden.accepts(exercise.reference)


# the command


def run(folder, *arguments, **options):
    command = [sys.executable, "-m", "trpo_lite.course", "grade", *map(str, arguments)]
    return subprocess.Popen(
        command,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


@pytest.mark.skipif(not POSIX, reason="signals")
def test_a_run_that_is_ended_leaves_no_csv_and_no_process(tmp_path):
    mark = tmp_path / "mark"
    loop = f"import os\nos.symlink(str(os.getpid()), '{mark}')\nwhile True:\n    pass"
    loop = answer(ONE, loop)
    submit(tmp_path, "loop", {ONE.name: loop})
    process = run(tmp_path, "loop.ipynb", "--out", "grades.csv", "--time", "300")
    end = time.monotonic() + 60
    while not mark.is_symlink() and time.monotonic() < end:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGTERM, said
    assert said.endswith("interrupted\n")
    assert {p.name for p in tmp_path.iterdir()} == {"loop.ipynb", "mark"}
    with pytest.raises(ProcessLookupError):
        os.kill(int(os.readlink(mark)), 0)


def test_progress_seed_and_an_older_file(tmp_path, capsys):
    page = submit(tmp_path, "page", {ONE.name: right(ONE)})
    out = tmp_path / "grades.csv"
    out.write_text("mine")
    arguments = [str(page), str(tmp_path / "gone"), "--out", str(out)]
    with pytest.raises(FileExistsError, match="--overwrite"):
        grade.main(arguments)
    assert out.read_text() == "mine"
    grade.main([*arguments, "--overwrite"])
    said = capsys.readouterr()
    assert f"{ONE.minutes} of " in said.err and " of 2  " in said.err
    assert "gone: there is no such file, 0.0 s" in said.err
    assert "2 submissions; --seed " in said.out
    assert [row["problem"] for row in rows_of(out)] == ["", "there is no such file"]
    for wrong in (
        ["--time", "0"],
        ["--memory", "0"],
        ["--workers", "0"],
        ["--seed", "-1"],
        ["--page", "77"],
    ):
        with pytest.raises(ValueError, match=wrong[0]):
            grade.main([*arguments, "--overwrite", *wrong])
    with pytest.raises(FileExistsError):
        grade.main([*arguments, "--overwrite", "--feedback", str(out)])


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs Linux's /dev/full")
def test_points_that_cannot_be_written_are_printed(tmp_path, capsys):
    with pytest.raises(OSError, match=r"/dev/full: not written, but printed: .*No sp"):
        grade.main([str(tmp_path / "gone"), "--out", "/dev/full"])
    assert "gone,,0,0,there is no such file" in capsys.readouterr().out


def test_in_an_exam_a_solution_only_says_whom_to_ask(monkeypatch, capsys):
    monkeypatch.setenv("TRPO_LITE_ASK", "Ms Kim")
    ONE.solution()
    assert capsys.readouterr().out == f"{ONE.name}: ask Ms Kim for the solution.\n"
    monkeypatch.delenv("TRPO_LITE_ASK")
    ONE.solution()
    assert capsys.readouterr().out.startswith(f"def {ONE.name}(")


# what of a page runs


def chosen(cells, expression, place=-1):
    """The first lines of the statements that an expression needs."""
    import ast

    found, broken = needed.statements(cells)
    assert not broken
    node = ast.parse(expression, mode="eval").body
    indices = needed.needed(found, range(len(found))[place], node)
    return [ast.unparse(found[i].node).splitlines()[0] for i in indices]


def test_only_what_is_used_runs_and_what_that_uses():
    cells = ["import a\nimport b", "x = a.f()\ny = b.f()", "def f():\n    return x"]
    assert chosen(cells, "f") == ["import a", "x = a.f()", "def f():"]
    assert chosen(cells, "y") == ["import b", "y = b.f()"]


def test_a_local_name_is_not_a_pages():
    cells = ["rows = slow()", "def f(A):\n    rows = A\n    return [A for A in rows]"]
    assert chosen(cells, "f") == ["def f(A):"]
    for x in ("[A for A in s]", "{A for A in s}", "{A: A for A in s}"):
        assert chosen(["s = 1", "A = slow()", f"x = {x}"], "x") == ["s = 1", f"x = {x}"]


def test_the_last_value_counts_and_what_changes_it():
    cells = ["x = [1]", "x = []", "for i in range(3):\n    x.append(i)", "x[0] = 2"]
    assert chosen(cells, "x") == ["x = []", "for i in range(3):", "x[0] = 2"]
    assert chosen(["x = 1", "x += 1", "y = 2"], "x") == ["x = 1", "x += 1"]
    assert chosen(["x = 1", "if x:\n    x = 2"], "x") == ["x = 1", "if x:"]


def test_a_function_sees_what_a_name_is_when_it_is_called():
    cells = ["g = 1", "def f():\n    return g", "x = f()", "g = 2"]
    assert chosen(cells, "x", place=2) == ["g = 1", "def f():", "x = f()"]
    assert chosen(cells, "f") == ["g = 1", "def f():", "g = 2"]


def test_methods_of_modules_are_not_taken_for_changes():
    cells = ["import numpy as np", "np.random.seed(0)", "x = np.ones(3)"]
    assert chosen(cells, "x") == ["import numpy as np", "x = np.ones(3)"]


# how the process answers


def test_an_outcome_arrives_as_it_was():
    from trpo_lite.course import outcome

    def f(x):
        print("heard")
        x[0] = 2
        return {"a": np.array([True]), "b": "text", "c": None, "d": 1 + 2j, "e": {1}}

    case = (np.ones(2),)
    one = outcome.run(f, case, ["x"])
    other = answering.unpacked(json.loads(json.dumps(answering.packed(one))), case)
    assert other.form.kind == "dict" and list(other.form.parts) == [*"abcde"]
    assert (other.changed, other.heard.lines()) == ("x", ["heard"])
    for name, part in one.form.parts.items():
        arrived = other.form.parts[name]
        assert arrived is part or arrived == part
        assert isinstance(part, outcome.Odd) or arrived.dtype == part.dtype
    assert other.form.parts["c"] is outcome.NOTHING


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"form": 3},
        {"form": ["one", [["", ["O8", [1], ""]]]], "texts": [""] * 3},
    ],
)
def test_nonsense_from_the_process_is_lost(data):
    with pytest.raises(answering.Lost):
        answering.unpacked(data, ())
