"""The reader's folder: made and brought up to date, no word of the reader lost."""

import contextlib
import errno
import json
import os
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import nbformat
import pytest

from tests.test_merge import ANSWER, BASE, STUB, code, edited, of, page, without_ids
from tests.test_pages import Page, links_resolve
from trpo_lite.course import jupyter, working_copy
from trpo_lite.course.page import dump, read
from trpo_lite.course.working_copy import (
    COURSE,
    HANDED_OUT,
    KEPT,
    OLDER,
    News,
    is_copy,
    stamped,
    update,
)

ONE, TWO = "01_one.ipynb", "02_two.ipynb"
RUN = edited({})
of(RUN, "run").update(code("run", "print(1)", "1\n"))
NEWER = edited({"title": "# 03 · A newer sample"})


@pytest.fixture
def course(tmp_path):
    """A course of two pages, executed, in a folder with a space and a letter ü."""
    folder = tmp_path / "the course ü" / "notebooks"
    folder.mkdir(parents=True)
    for name in (ONE, TWO):
        (folder / name).write_bytes(dump(RUN))
    return folder


@pytest.fixture
def mine(course, tmp_path):
    """The reader's copy of it, with an answer on page one."""
    folder = tmp_path / "mein Kurs ü"
    assert update(folder, course) == [News(ONE, "new"), News(TWO, "new")]
    (folder / ONE).write_bytes(dump(edited({"exercise": ANSWER})))
    return folder


def files(folder):
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def kinds(news):
    return [(one.page, one.kind) for one in news]


def test_the_copy_of_the_real_course_tells_nothing_and_its_links_work(tmp_path):
    folder = tmp_path / "my_course"
    pages = sorted(COURSE.glob("*.ipynb"))
    assert kinds(update(folder)) == [(path.name, "new") for path in pages]
    order = tuple(sorted(folder.glob("*.ipynb")))
    assert [path.name for path in order] == [path.name for path in pages]
    for path, original in zip(order, pages, strict=True):
        cells = read(path)["cells"]
        assert not any(cell.get("outputs") for cell in cells)
        assert not any(cell.get("execution_count") for cell in cells)
        assert [*links_resolve(Page(path, order))] == []
        given = read(original)["cells"]
        assert [c["source"] for c in cells] == [c["source"] for c in given]
        assert b"image/png" not in path.read_bytes()
        text = path.read_text(encoding="utf-8")
        assert nbformat.writes(nbformat.reads(text, as_version=4)) + "\n" == text
    before = files(folder)
    assert update(folder) == [] and files(folder) == before


def test_new_and_changed_pages_come_and_answers_stay(course, mine):
    (course / ONE).write_bytes(dump(NEWER))
    (course / "03_three.ipynb").write_bytes(dump(RUN))
    assert update(mine, course) == [
        News(ONE, "changed", "1 changed cell, under: 03 · A newer sample"),
        News("03_three.ipynb", "new"),
    ]
    cells = read(mine / ONE)
    assert of(cells, "title")["source"] == "# 03 · A newer sample"
    assert of(cells, "exercise")["source"] == ANSWER
    assert not of(read(mine / "03_three.ipynb"), "run")["outputs"]
    assert update(mine, course) == []


def test_a_conflict_is_told_once(course, mine):
    (course / ONE).write_bytes(dump(edited({"exercise": STUB + "  # new"})))
    told = update(mine, course)
    assert kinds(told) == [(ONE, "question")] and told[0].text.startswith("exercise: ")
    assert of(read(mine / ONE), "exercise")["source"] == ANSWER
    assert update(mine, course) == []


def test_what_only_execution_changed_is_no_news(course, mine):
    before = files(mine)
    (course / ONE).write_bytes(dump(edited({})))
    assert update(mine, course) == [] and files(mine) == before


def test_a_deleted_page_comes_again_fresh(course, mine):
    (mine / ONE).unlink()
    assert update(mine, course) == [News(ONE, "new")]
    assert of(read(mine / ONE), "exercise")["source"] == STUB


def test_a_page_that_left_the_course_stays_and_is_told_once(course, mine):
    (course / ONE).unlink()
    before = (mine / ONE).read_bytes()
    assert kinds(update(mine, course)) == [(ONE, "question")]
    assert update(mine, course) == [] and (mine / ONE).read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"cells": 3}', dump(page())])
def test_a_broken_page_is_told_and_left_while_others_come(course, mine, content):
    (mine / ONE).write_bytes(content)
    expected = [] if content == dump(page()) else [(ONE, "left")]
    assert kinds(update(mine, course)) == expected  # even if nothing is new
    for name in (ONE, TWO):
        (course / name).write_bytes(dump(NEWER))
    for _ in range(2):  # it is told until it is mended
        told = update(mine, course)
        assert (ONE, "left") in kinds(told)
        assert "repair it, or take .ipynb_checkpoints/01_one-" in told[0].text
        assert (mine / ONE).read_bytes() == content
    assert of(read(mine / TWO), "title")["source"] == "# 03 · A newer sample"
    (mine / ONE).write_bytes(dump(edited({"exercise": ANSWER})))
    assert kinds(update(mine, course)) == [(ONE, "changed")]
    assert of(read(mine / ONE), "exercise")["source"] == ANSWER


def test_a_broken_page_of_the_course_is_told_and_nothing_touched(course, mine):
    before = files(mine)
    (course / ONE).write_bytes(b"<<<<<<< HEAD")
    assert kinds(update(mine, course)) == [(ONE, "left")] and files(mine) == before


@pytest.mark.parametrize(
    "content", [None, b"broken", dump(page()), dump(without_ids(edited({})))]
)
def test_a_lost_base_loses_no_answer(course, mine, content):
    base = mine / HANDED_OUT / ONE
    base.unlink() if content is None else base.write_bytes(content)
    (course / ONE).write_bytes(dump(NEWER))
    update(mine, course)
    assert of(read(mine / ONE), "exercise")["source"] == ANSWER


def test_a_page_of_the_readers_own_under_a_new_pages_name_is_left(course, mine):
    own = dump(page(code("import", "import this")))
    (mine / "03_three.ipynb").write_bytes(own)
    (course / "03_three.ipynb").write_bytes(dump(RUN))
    told = update(mine, course)
    assert kinds(told) == [("03_three.ipynb", "left")]
    assert "no cell of it is the course's" in told[0].text
    assert (mine / "03_three.ipynb").read_bytes() == own


def test_a_read_only_page_is_left_and_a_folder_instead_of_one_too(course, mine):
    for name in (ONE, TWO):
        (course / name).write_bytes(dump(NEWER))
    (mine / ONE).chmod(0o444)
    (mine / TWO).unlink()
    (mine / TWO).mkdir()
    told = update(mine, course)
    assert kinds(told) == [(ONE, "left"), (TWO, "left")]
    assert "read-only" in told[0].text
    assert of(read(mine / ONE), "title")["source"] == "# 03 · Sample"
    (mine / ONE).chmod(0o644)


def test_a_page_that_has_the_news_already_is_not_touched(course, mine):
    (course / ONE).write_bytes(dump(NEWER))
    content = json.dumps(NEWER).encode()  # another tool's hand
    (mine / ONE).write_bytes(content)
    assert update(mine, course) == [] and (mine / ONE).read_bytes() == content


@contextlib.contextmanager
def open_folder():
    """A folder of somebody to whom not all is open, as it is to root."""
    root = os.geteuid() == 0
    with tempfile.TemporaryDirectory() as folder:
        if root:
            os.chown(folder, 65534, -1)
            os.seteuid(65534)
        try:
            yield Path(folder)
        finally:
            if root:
                os.seteuid(0)


@pytest.mark.skipif(os.name == "nt", reason="rights of POSIX")
def test_a_folder_that_is_closed_is_refused_whole():
    with open_folder() as place:
        course, mine = place / "course", place / "mine"
        course.mkdir()
        (course / ONE).write_bytes(dump(RUN))
        update(mine, course)
        (course / ONE).write_bytes(dump(NEWER))
        for closed in (mine, mine / HANDED_OUT):
            before = files(mine)
            closed.chmod(0o555)
            with pytest.raises(OSError, match="its folder cannot be written to"):
                update(mine, course)
            closed.chmod(0o755)
            assert files(mine) == before
        assert kinds(update(mine, course)) == [(ONE, "changed")]


def test_folders_that_are_refused(course, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("dear")
    for folder in (course, tmp_path / "full"):
        before = files(folder)
        with pytest.raises(ValueError, match="not empty and no copy"):
            update(folder, course)
        assert files(folder) == before and not is_copy(folder)
    with pytest.raises(ValueError, match="is a file"):
        update(tmp_path / "full" / "letter.txt", course)
    with pytest.raises(ValueError, match="does not exist"):
        update(tmp_path / "no" / "such", course)
    with pytest.raises(ValueError, match="has no pages"):
        update(tmp_path / "copy", tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    assert len(update(tmp_path / "empty", course)) == 2


def test_a_copy_that_lost_its_hidden_folder_is_one_again(course, mine, tmp_path):
    moved = tmp_path / "moved"
    moved.mkdir()
    page = stamped(edited({"exercise": ANSWER}), dump(edited({})))
    (moved / ONE).write_bytes(page)
    (moved / "notes.txt").write_text("mine")
    assert kinds(update(moved, course)) == [(TWO, "new")]
    assert (moved / ONE).read_bytes() == page
    (course / ONE).write_bytes(dump(NEWER))
    text = "1 changed cell, under: 03 · A newer sample"
    assert update(moved, course) == [News(ONE, "changed", text)]
    assert of(read(moved / ONE), "exercise")["source"] == ANSWER


# --- an older page comes back


OLD_NEWS = edited({"title": "# 03 · A newer sample", "exercise": STUB + "  # new"})
OLD_NEWS["cells"].insert(3, code("brand-new", "x = 2"))


def test_a_backup_put_back_is_merged_with_the_version_it_was_made_from(course, mine):
    """It lacks the newer cells because it is older, not because the reader chose so."""
    (mine / ONE).write_bytes(stamped(edited({"exercise": ANSWER}), dump(edited({}))))
    backup = (mine / ONE).read_bytes()
    (course / ONE).write_bytes(dump(OLD_NEWS))
    first = update(mine, course)
    expected = (mine / ONE).read_bytes()
    assert kinds(first) == [(ONE, "changed"), (ONE, "question")]
    (mine / ONE).write_bytes(backup)
    again = update(mine, course)
    assert again[0].text == f"an older copy of it stood here: {first[0].text}"
    assert again[1:] == first[1:] and (mine / ONE).read_bytes() == expected
    assert update(mine, course) == []
    # and while the course goes on
    (mine / ONE).write_bytes(backup)
    newer = edited({"run": "print(3)"}, OLD_NEWS)
    (course / ONE).write_bytes(dump(newer))
    update(mine, course)
    page = read(mine / ONE)
    assert of(page, "brand-new") and of(page, "exercise")["source"] == ANSWER
    assert of(page, "run")["source"] == "print(3)"
    assert update(mine, course) == []


def test_what_the_reader_removes_from_a_newer_page_stays_away(course, mine):
    (course / ONE).write_bytes(dump(OLD_NEWS))
    update(mine, course)
    page = read(mine / ONE)
    page["cells"] = [cell for cell in page["cells"] if cell["id"] != "brand-new"]
    (mine / ONE).write_bytes(dump(page))
    assert update(mine, course) == []
    (course / ONE).write_bytes(dump(edited({"seen": "Two."}, OLD_NEWS)))
    text = "1 changed cell, under: 03 · A newer sample"
    assert update(mine, course) == [News(ONE, "changed", text)]
    assert "brand-new" not in [cell["id"] for cell in read(mine / ONE)["cells"]]


def test_a_page_older_than_all_that_is_kept_loses_no_answer(course, mine):
    backup = stamped(edited({"exercise": ANSWER}), dump(edited({})))
    for n in range(KEPT + 2):
        (course / ONE).write_bytes(dump(edited({"title": f"# 03 · {n}"}, OLD_NEWS)))
        update(mine, course)
    assert len([*(mine / HANDED_OUT / OLDER).iterdir()]) == KEPT
    (mine / ONE).write_bytes(backup)
    update(mine, course)
    page = read(mine / ONE)
    assert of(page, "brand-new") and of(page, "exercise")["source"] == ANSWER
    assert update(mine, course) == []


# --- a full disk, a closed base


def full(monkeypatch, *names):
    """A disk on which these files find no room."""

    def write(file, content):
        if Path(file).name in names:
            raise OSError(errno.ENOSPC, "No space left on device")
        files_write(file, content)

    files_write = working_copy.write
    monkeypatch.setattr(working_copy, "write", write)


def test_a_full_disk_stops_no_other_page_and_news_are_told(course, mine, monkeypatch):
    (course / ONE).write_bytes(dump(edited({"exercise": STUB + "  # new"})))
    (course / TWO).write_bytes(dump(NEWER))
    (course / "03_three.ipynb").write_bytes(dump(RUN))
    before = (mine / TWO).read_bytes()
    with monkeypatch.context() as patch:
        full(patch, TWO, "03_three.ipynb")
        expected = [(ONE, "question"), (TWO, "full"), ("03_three.ipynb", "full")]
        assert kinds(update(mine, course)) == expected
    assert (mine / TWO).read_bytes() == before
    assert kinds(update(mine, course)) == [(TWO, "changed"), ("03_three.ipynb", "new")]


def test_news_are_told_before_the_base_is_written_and_again_if_that_fails(course, mine):
    (course / ONE).write_bytes(dump(edited({"exercise": STUB + "  # new"})))

    def stop(one):
        told.append(one)
        raise KeyboardInterrupt

    told = []
    with pytest.raises(KeyboardInterrupt):
        update(mine, course, tell=stop)
    page = (mine / ONE).read_bytes()
    assert kinds(told) == [(ONE, "question")] and b"exercise-new-version" in page
    assert update(mine, course) == told and (mine / ONE).read_bytes() == page
    assert update(mine, course) == []


def test_a_base_that_is_read_only_leaves_the_page_as_it_is(course, mine):
    before = (mine / ONE).read_bytes()
    (course / ONE).write_bytes(dump(NEWER))
    (mine / HANDED_OUT / ONE).chmod(0o444)
    told = update(mine, course)
    assert kinds(told) == [(ONE, "left")]
    assert told[0].text.startswith("left as it is") and HANDED_OUT in told[0].text
    assert (mine / ONE).read_bytes() == before


def test_a_base_that_fails_after_the_page_is_named(course, mine, monkeypatch):
    (course / ONE).write_bytes(dump(NEWER))
    bases = iter([None, OSError("a broken disk")])  # the page, then its base

    def write(file, content):
        if Path(file).parent.name != OLDER and (problem := next(bases)):
            raise problem
        files_write(file, content)

    files_write = working_copy.write
    monkeypatch.setattr(working_copy, "write", write)
    told = update(mine, course)
    assert kinds(told) == [(ONE, "changed"), (ONE, "left")]
    assert told[1].text == "its hidden copy could not be written: a broken disk"


# --- killed, and two at once

# without a look for open pages: importing Jupyter takes longer than all the rest
UPDATES = """
import os, sys
from pathlib import Path
from trpo_lite.course import jupyter, working_copy

jupyter.servers = lambda: []
update = lambda: working_copy.update(Path(sys.argv[1]), Path(sys.argv[2]))
"""
DIES = f"""
{UPDATES}
at, after = int(sys.argv[3]), sys.argv[4] == "after"
replace, count = os.replace, 0

def dying(*paths):
    global count
    count += 1
    if count == at and not after:
        os._exit(9)
    replace(*paths)
    if count == at:
        os._exit(9)

os.replace = dying
update()
"""


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("at", [1, 2, 3, 4, 5, 6])
def test_killed_at_any_write_nothing_is_lost_and_the_next_run_ends_it(
    course, mine, at, when
):
    second = edited({"title": "# 03 · A newer sample", "exercise": STUB + "  # new"})
    for name in (ONE, TWO):
        (course / name).write_bytes(dump(second))
    arguments = [DIES, str(mine), str(course), str(at), when]
    assert subprocess.run([sys.executable, "-c", *arguments]).returncode == 9
    cells = read(mine / ONE)
    assert of(cells, "exercise")["source"] == ANSWER
    update(mine, course)
    cells = read(mine / ONE)
    assert [c["id"] for c in cells["cells"]] == [
        *(c["id"] for c in BASE["cells"]),
        "exercise-new-version",
    ]
    assert of(cells, "title")["source"] == "# 03 · A newer sample"
    assert of(cells, "exercise")["source"] == ANSWER
    assert [c["source"] for c in read(mine / TWO)["cells"]] == [
        c["source"] for c in second["cells"]
    ]
    assert update(mine, course) == []


@pytest.mark.parametrize("at", [1, 2, 3, 4])
def test_killed_at_the_first_time_it_ends_with_all_pages(course, tmp_path, at):
    folder = tmp_path / "copy"
    arguments = [DIES, str(folder), str(course), str(at), "after"]
    assert subprocess.run([sys.executable, "-c", *arguments]).returncode == 9
    answered = dump(edited({"exercise": ANSWER}))
    there = [*folder.glob("*.ipynb")]
    for path in there:  # what has come may be worked on at once
        path.write_bytes(answered)
    assert {one.kind for one in update(folder, course)} <= {"new"}
    assert update(folder, course) == []
    fresh = stamped(edited({}), dump(edited({})))
    for path in (folder / ONE, folder / TWO):
        assert path.read_bytes() == (answered if path in there else fresh)


def test_several_at_once_end_with_what_one_ends_with(course, mine):
    (course / ONE).write_bytes(dump(edited({"exercise": STUB + "  # new", "run": "2"})))
    (course / "03_three.ipynb").write_bytes(dump(RUN))
    command = [sys.executable, "-c", f"{UPDATES}update()", str(mine), str(course)]
    runs = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(4)]
    assert [run.communicate()[1] for run in runs] == [b""] * 4
    assert [run.returncode for run in runs] == [0] * 4
    assert update(mine, course) == []
    cells = read(mine / ONE)["cells"]
    assert [c["id"] for c in cells].count("exercise-new-version") == 1
    assert of({"cells": cells}, "exercise")["source"] == ANSWER
    assert not [*mine.rglob("*.part")]


def test_what_a_killed_update_left_goes_after_an_hour(course, mine):
    old, new = mine / f"{ONE}-12345678.part", mine / f"{TWO}-12345678.part"
    own = mine / "my book.part"
    for path in (old, new, own):
        path.write_text("{")
    for path in (old, own):
        os.utime(path, (0, 0))
    update(mine, course)
    assert not old.exists() and new.exists() and own.exists()


def test_a_page_saved_while_it_is_merged_is_not_written_over(course, mine, monkeypatch):
    saved = dump(edited({"exercise": ANSWER, "seen": "my own words"}))

    def saves(folder):
        (mine / ONE).write_bytes(saved)
        return set()

    monkeypatch.setattr(jupyter, "open_pages", saves)
    (course / ONE).write_bytes(dump(NEWER))
    told = update(mine, course)
    assert kinds(told) == [(ONE, "left")] and "saved this very moment" in told[0].text
    assert (mine / ONE).read_bytes() == saved
    monkeypatch.setattr(jupyter, "open_pages", lambda folder: set())
    assert kinds(update(mine, course)) == [(ONE, "changed")]
    assert of(read(mine / ONE), "seen")["source"] == "my own words"


# --- open in Jupyter


class Sessions(BaseHTTPRequestHandler):
    """Answers as a Jupyter server that has notebooks/ONE open, to who has the token."""

    def do_GET(self):
        known = self.headers["Authorization"] == "token secret"
        self.send_response(200 if known and self.path == "/a/api/sessions" else 403)
        self.end_headers()
        path = f"{self.server.prefix}/{ONE}"
        self.wfile.write(json.dumps([{"path": path}] if known else {}).encode())

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(mine, monkeypatch):
    with HTTPServer(("127.0.0.1", 0), Sessions) as http:
        http.prefix = mine.name
        threading.Thread(target=http.serve_forever, daemon=True).start()
        running = {
            "url": f"http://127.0.0.1:{http.server_port}/a/",
            "token": "secret",
            "root_dir": str(mine.parent),
        }
        monkeypatch.setattr(jupyter, "servers", lambda: [running])
        yield running
        http.shutdown()


def test_a_page_open_in_jupyter_waits(course, mine, server):
    for name in (ONE, TWO):
        (course / name).write_bytes(dump(NEWER))
    before = (mine / ONE).read_bytes()
    told = update(mine, course)
    assert kinds(told) == [(ONE, "left"), (TWO, "changed")]
    assert "close its tab and shut down its kernel there" in told[0].text
    assert (mine / ONE).read_bytes() == before


@pytest.mark.parametrize(
    "change",
    [{"token": "another"}, {"url": "http://127.0.0.1:1/"}, {"root_dir": "/no"}],
)
def test_a_server_elsewhere_or_silent_is_no_hindrance(course, mine, server, change):
    server.update(change)
    (course / ONE).write_bytes(dump(NEWER))
    assert kinds(update(mine, course)) == [(ONE, "changed")]


def test_a_server_that_runs_in_the_copy_is_used_again(mine, server, monkeypatch):
    opened = []
    monkeypatch.setattr(jupyter.webbrowser, "open", opened.append)
    server["root_dir"] = str(mine)
    address = jupyter.show(mine, ONE)
    assert address == f"{server['url']}lab/tree/{ONE}"
    assert opened == [f"{address}?token=secret"]


def test_servers_are_read_from_jupyters_files(tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    assert jupyter.servers() == []
    known = {"url": "http://127.0.0.1:1/", "token": "t", "root_dir": "/no"}
    contents = [json.dumps(known), "{", "[]", "{}"]
    for n, content in enumerate(contents):
        (tmp_path / f"jpserver-{n}.json").write_text(content)
    assert jupyter.servers() == [known]


def test_a_server_that_is_gone_is_not_opened_and_root_is_told_a_command(
    mine, server, monkeypatch
):
    from jupyterlab.labapp import LabApp

    def refuse(arguments):
        raise SystemExit(1)

    monkeypatch.setattr(LabApp, "launch_instance", refuse)
    monkeypatch.setattr(os, "geteuid", lambda: 0, raising=False)
    server.update(root_dir=str(mine), url="http://127.0.0.1:1/")
    with pytest.raises(ValueError, match="jupyter lab --allow-root "):
        jupyter.show(mine, ONE)


def test_a_server_that_another_start_brought_up_meanwhile_is_used(
    mine, server, monkeypatch
):
    monkeypatch.setattr(jupyter.webbrowser, "open", lambda address: None)
    server["root_dir"] = str(mine)
    answers = iter([[], [server]])
    monkeypatch.setattr(jupyter, "servers", lambda: next(answers))
    assert jupyter.show(mine, ONE) == f"{server['url']}lab/tree/{ONE}"


def test_jupyterlab_starts_with_the_copy_as_its_root(mine, monkeypatch):
    from jupyterlab.labapp import LabApp

    started = []
    monkeypatch.setattr(jupyter, "servers", lambda: [])
    monkeypatch.setattr(LabApp, "launch_instance", started.append)
    monkeypatch.chdir(mine.parent)
    assert jupyter.show(mine.name, ONE) is None
    folder = mine.resolve()
    assert started == [[f"--ServerApp.root_dir={folder}", str(folder / ONE)]]
