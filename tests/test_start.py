"""As a new reader would: a copy, answers, all closed, a newer course, and go on."""

import errno
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.execute import ThisEnvironment
from tests.test_merge import of
from trpo_lite.course import n01, start, working_copy
from trpo_lite.course.page import dump, printed, read

ROOT = Path(__file__).resolve().parent.parent
ONE = "01_the_rl_problem.ipynb"


@pytest.fixture
def course(tmp_path):
    """The course's first pages and its package, as they lie in a reader's folder."""
    folder = tmp_path / "the course ü"
    code = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "trpo_lite", folder / "trpo_lite", ignore=code)
    (folder / "notebooks").mkdir()
    for name in ("00_start_here.ipynb", ONE):
        shutil.copy(ROOT / "notebooks" / name, folder / "notebooks")
    return folder


def command(course, *arguments, cwd=None):
    """(exit status, standard output, standard error) of the command."""
    done = subprocess.run(
        [sys.executable, "-m", "trpo_lite.course", *arguments],
        cwd=cwd or course.parent,
        env={**os.environ, "PYTHONPATH": str(course), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
    )
    return done.returncode, done.stdout, done.stderr


def answered(cell, function):
    """The cell of an exercise with `function` for the stub, as the reader saves it."""
    name = re.search(r"lesson\.(\w+)\.check", cell["source"])[1]
    exercise = getattr(n01, name)
    answer = exercise.source(function(exercise))
    cell["source"] = f"{answer}\n\n\nlesson.{name}.check({name})"


def run(path, *ids):
    """Run these cells of a page in a kernel of its own, and save the page."""
    page = nbformat.read(path, as_version=4)
    client = NotebookClient(
        page,
        kernel_manager_class=ThisEnvironment,
        timeout=60,
        resources={"metadata": {"path": str(path.parent)}},  # as Jupyter starts it
    )
    client.reset_execution_trackers()
    with client.setup_kernel():
        for index, cell in enumerate(page.cells):
            if cell.id in ids:
                client.execute_cell(cell, index)
    nbformat.write(page, path)


def test_two_wrong_answers_and_a_right_one_outlast_a_newer_course(course, tmp_path):
    mine = course / "my_course"
    # from any folder; the copy lies beside the course's pages
    status, out, err = command(course, "--no-open", cwd=tmp_path)
    assert (status, err) == (0, "") and str(mine) in out
    assert (mine / "00_start_here.ipynb").exists()

    page = read(mine / ONE)
    wrong = lambda exercise: next(iter(exercise.mistakes.values()))  # noqa: E731
    answered(of(page, "exercise-action-values"), wrong)
    answered(of(page, "exercise-count-visits"), wrong)
    answered(of(page, "exercise-windy"), lambda exercise: exercise.reference)
    of(page, "recall")["source"] += "\n\nI knew two of them."
    (mine / ONE).write_bytes(dump(page))
    exercises = ["exercise-action-values", "exercise-count-visits", "exercise-windy"]
    run(mine / ONE, "imports", *exercises, "progress")
    saved = read(mine / ONE)
    verdicts = [printed(of(saved, id)) for id in exercises]
    assert [v.split("]")[0] for v in verdicts] == ["[retry", "[retry", "[ok"]

    # git pull: a sentence, two exercises and a page are new
    given = read(course / "notebooks" / ONE)
    of(given, "title")["source"] += "\n\nA new sentence."
    for id in ("exercise-count-visits", "exercise-windy"):
        of(given, id)["source"] += "\n# one more hint"
    (course / "notebooks" / ONE).write_bytes(dump(given))
    shutil.copy(
        ROOT / "notebooks" / "02_advantage_identity.ipynb", course / "notebooks"
    )
    for again in (False, True):
        status, out, err = command(course, "--no-open")
        assert (status, err) == (0, "")
        lines = out.splitlines()
        if again:
            assert lines[0] == "nothing new"
        else:
            assert lines[0] == f"{ONE}: 1 changed cell, under: 01 · The RL problem"
            said = f"{ONE}, exercise-count-visits: you and the course changed it; yours"
            assert lines[1].startswith(said) and len(lines) == 5
            assert lines[3] == "02_advantage_identity.ipynb: new"
        page = read(mine / ONE)
        assert of(page, "title")["source"].endswith("A new sentence.")
        for id in [*exercises, "recall", "imports", "progress"]:
            assert of(page, id) == of(saved, id)
        note = of(page, "exercise-windy-new-version")["source"]
        assert note.startswith("**New in the course.**") and "# one more hint" in note
        assert (mine / "02_advantage_identity.ipynb").exists()

    status, out, err = command(course, "progress")
    assert (status, err) == (0, "")
    assert "\n  [-] 01 · The RL problem" in out
    assert "1 of 3, open: action_values, count_visits\n" in out
    assert "go on with 02_advantage_identity.ipynb" in out
    # the page itself shows the same, and what its kernel knows
    assert printed(of(saved, "progress")).startswith("exercises done: 1 of 3")
    whole = "".join(of(saved, "progress")["outputs"][1]["data"]["text/markdown"])
    assert "[-] 01 · The RL problem" in whole and "go on with 01_" in whole
    # and the page goes on where it was, with the newer course
    run(mine / ONE, "imports", *exercises)
    assert [printed(of(read(mine / ONE), id)) for id in exercises] == verdicts


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--frobnicate"], "unrecognized arguments: --frobnicate"),
        (["no/such/folder"], "no/such/folder: the folder that it would be in does not"),
        (["the course ü"], "the course ü is not empty and no copy of the course"),
        (["the course ü/notebooks", "--no-open"], "is not empty and no copy"),
        (["letter.txt"], "letter.txt is a file, expected a folder"),
        (["progres"], "no command progres: progress? For a folder of that name: ./pro"),
        (["--no-open", "progres"], "no command progres: progress?"),
        (["progress", "the course ü"], "the course ü is no copy of the course"),
        (["progress", "nowhere"], "nowhere is no copy of the course"),
        (["progress"], "Make one: `python -m trpo_lite.course`."),
        (["progress", "--frobnicate"], "unrecognized arguments: --frobnicate"),
    ],
)
def test_a_mistake_is_told_in_one_line_and_nothing_is_made(
    course, tmp_path, arguments, message
):
    (tmp_path / "letter.txt").write_text("dear")
    before = {*tmp_path.rglob("*")}
    status, out, err = command(course, *arguments)
    assert (status, out) == (2, "")
    assert message in err and len(err.splitlines()) == 1
    left = {p for p in tmp_path.rglob("*") if "__pycache__" not in str(p)}
    assert left == before


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="a folder closed to root, too")
def test_where_nothing_can_be_written_one_line_says_so(course):
    status, out, err = command(course, "/proc/my_course")
    assert (status, out) == (2, "") and len(err.splitlines()) == 1


def test_pages_that_had_to_be_left_are_told_and_counted(course):
    command(course, "copy", "--no-open")
    (course.parent / "copy" / ONE).write_text("{")
    given = read(course / "notebooks" / ONE)
    of(given, "title")["source"] += "\n\nA new sentence."
    (course / "notebooks" / ONE).write_bytes(dump(given))
    status, out, err = command(course, "copy", "--no-open")
    assert status == 1 and out == "your pages are in copy\n"
    assert f"{ONE}: left as it is: it is no notebook" in err
    assert len(err.splitlines()) == 1
    status, out, _ = command(course, "progress", "copy")
    assert status == 0 and "0 of 3, not counted: it is no notebook" in out
    assert "Move it away, and it comes fresh" in out


def test_a_full_disk_is_told_in_one_line_and_what_is_there_opens(
    tmp_path, monkeypatch, capsys
):
    opened = []
    monkeypatch.setattr(start.jupyter, "show", lambda *place: opened.append(place))
    start.main([str(tmp_path / "copy"), "--no-open"], {})
    for name in ("02_advantage_identity.ipynb", "03_surrogate.ipynb"):
        (tmp_path / "copy" / name).unlink()

    def write(file, content):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(working_copy, "write", write)
    capsys.readouterr()
    assert start.main([str(tmp_path / "copy")], {}) == 1
    out, err = capsys.readouterr()
    assert "copy is full: 2 pages could not be brought; yours are untouched" in err
    assert len(err.splitlines()) == 1 and "nothing new" not in out
    assert opened == [(tmp_path / "copy", "00_start_here.ipynb")]


def test_help_names_every_command(course):
    status, out, _ = command(course, "--help")
    assert status == 0 and "progress" in out and "my_course" in out
    assert command(course, "progress", "--help")[0] == 0
