"""What is done in the whole course is what the saved pages show, and nothing else."""

import re
import sys

import pytest

from tests.test_merge import code, page, words
from trpo_lite.course import progress
from trpo_lite.course.page import bare, dump, read
from trpo_lite.course.progress import PageDone, recall, resume, show, whole_course
from trpo_lite.course.working_copy import COURSE, HANDED_OUT, update

FOLDED = (
    "**{0}.** {1}: question {0}?\n\n"
    "<details><summary>Answer {0}</summary>\n\n{1}{0}\n\n</details>"
)


def sample(number, *names):
    recall = "\n\n".join(FOLDED.format(n, f"Page {number}") for n in (1, 2, 3))
    cells = [
        words("title", f"# {number} · Sample"),
        words("recall", f"## Recall\n\n{recall}"),
    ]
    for n, name in enumerate(names, 1):
        cells.append(
            words(f"text-{n}", f"### Exercise {n} · {name} (●○○, {10 * n} minutes)")
        )
        cells.append(code(f"code-{n}", f"lesson.{name}.check({name})"))
    return page(*cells, code("progress", "lesson.progress()"))


def run(page, *verdicts, ended=False):
    """The page as saved by a reader who got these verdicts, and went on to its end."""
    page = bare(page)
    for cell in page["cells"]:
        name = re.match(r"lesson\.(\w+)\.check", cell["source"])
        said = [v for v in verdicts if name and f" {name[1]}:" in v]
        if said or (ended and cell["id"] == "progress"):
            cell.update(code("", "", *said), id=cell["id"], source=cell["source"])
            cell["execution_count"] = 7
    return page


@pytest.fixture
def folder(tmp_path):
    course = tmp_path / "notebooks"
    course.mkdir()
    for number in ("01", "02", "03"):
        (course / f"{number}_s.ipynb").write_bytes(dump(sample(number, "f", "g")))
    (course / "A_notes.ipynb").write_bytes(dump(page(words("title", "# A · Notes"))))
    update(tmp_path / "copy", course)
    return tmp_path / "copy"


def save(folder, number, *verdicts, ended=False):
    path = folder / f"{number}_s.ipynb"
    path.write_bytes(dump(run(read(path), *verdicts, ended=ended)))


def test_nothing_is_done_in_a_fresh_copy(folder):
    text = repr(whole_course(folder))
    assert text.splitlines() == [
        "exercises done, as saved: 0 of 6, about 1 h 30 min left",
        *(f"  [ ] 0{n} · Sample                    0 of 2" for n in (1, 2, 3)),
        "go on with 01_s.ipynb",
    ]


def test_verdicts_count_where_they_are_saved(folder):
    save(folder, "01", "[ok] f: right.\n", "[ok] g: right.\n", ended=True)
    save(folder, "02", "[retry] f: no. [ok] f: I said.\n", "[ok] g: right.\n")
    save(folder, "03", "[todo] f: not attempted yet.\n")
    lines = repr(whole_course(folder)).splitlines()
    assert lines == [
        "exercises done, as saved: 3 of 6, about 40 min left",
        "  [x] 01 · Sample                    2 of 2",
        "  [-] 02 · Sample                    1 of 2, open: f",
        "  [-] 03 · Sample                    0 of 2",
        "go on with 03_s.ipynb; open before it: 02",
    ]
    # outputs cleared: to be done once more
    save(folder, "01")
    assert "[ ] 01 · Sample                    0 of 2" in repr(whole_course(folder))


def test_a_verdict_counts_wherever_the_reader_checked(folder):
    path = folder / "01_s.ipynb"
    mine = read(path)
    mine["cells"].append(
        code("own", "lesson.f.check(h)", "it printed\n[ok] f: right.\n")
    )
    path.write_bytes(dump(mine))
    assert "1 of 2, open: g" in repr(whole_course(folder))


def test_a_broken_page_is_told_and_a_deleted_one_counts_as_untouched(folder):
    save(folder, "03", "[ok] f: right.\n")
    (folder / "01_s.ipynb").write_text("{")
    (folder / "02_s.ipynb").unlink()
    lines = repr(whole_course(folder)).splitlines()
    assert "0 of 2, not counted: it is no notebook" in lines[1]
    assert lines[1].endswith(". Move it away, and it comes fresh")
    assert lines[2].endswith("0 of 2") and "1 of 2, open: g" in lines[3]


def ended(*numbers):
    """Pages 01 to 12; those with these numbers are read to their ends."""
    questions = tuple((f"q{n}", f"a{n}") for n in (1, 2, 3))
    return [
        PageDone(
            f"{n:02}", "", {"f": 1}, questions, begun=n in numbers, ended=n in numbers
        )
        for n in range(1, 13)
    ]


@pytest.mark.parametrize(
    "numbers, asked",
    [
        ([], ""),
        ([1], ""),
        ([1, 2], "01q3 01q2 01q1"),
        ([1, 2, 3], "01q3 01q2 02q1"),
        ([1, 2, 3, 4, 5], "01q3 02q2 04q1"),
        (range(1, 10), "02q3 06q2 08q1"),
        (range(1, 13), "05q3 09q2 11q1"),
        ([2, 3, 11], "02q3 02q2 03q1"),
    ],
)
def test_questions_come_again_after_growing_pauses_the_oldest_first(numbers, asked):
    chosen = recall(ended(*numbers))
    assert " ".join(page.file + question for page, question, _ in chosen) == asked
    assert all(answer == question.replace("q", "a") for _, question, answer in chosen)


def test_each_question_comes_once_in_a_course_read_in_order():
    asked = []
    for last in range(2, 13):
        chosen = recall(ended(*range(1, last + 1)))
        asked += {(page.file, question) for page, question, _ in chosen}
    for n in (2, 3, 4):  # page 1 stands in for what is not there yet
        assert [q for file, q in asked if file == f"{n:02}"] == ["q1", "q2", "q3"]


def test_where_to_go_on():
    assert resume(ended()).file == "01"
    assert resume(ended(1, 3)).file == "04" and resume(ended(12)).file == "12"


def test_a_notebook_shows_the_answers_folded(folder, monkeypatch, capsys):
    save(folder, "01", ended=True)
    save(folder, "02", ended=True)
    text = whole_course(folder)._repr_markdown_()
    assert "**1.** Page 01: question 3?\n\n<details><summary>Answer 1" in text
    assert "Page 013" in text and text.startswith("```text\nexercises done")
    plain = repr(whole_course(folder))
    assert "1. Page 01: question 3?" in plain and "folded on 01_s.ipynb" in plain
    assert "Page 013" not in plain
    shown = []
    display = type(sys)("display")
    display.display = shown.append
    monkeypatch.setitem(sys.modules, "IPython", type(sys)("IPython"))
    sys.modules["IPython"].display = display
    monkeypatch.chdir(folder)
    show({})
    assert repr(shown[0]) == plain and capsys.readouterr().out == ""


def test_the_page_that_asks_knows_more_than_is_saved(folder, capsys):
    course = folder.parent / "notebooks"
    for number, names in (("04", "hi"), ("05", "fg")):
        (course / f"{number}_s.ipynb").write_bytes(dump(sample(number, *names)))
    update(folder, course)
    save(folder, "04", "[ok] i: right.\n")
    show({"h": False, "i": False}, folder)
    out = capsys.readouterr().out
    assert "[-] 04 · Sample                    1 of 2, open: h" in out
    assert "go on with 05_s.ipynb" in out  # it asks with its last cell
    show({"h": True, "i": False}, folder)
    out = capsys.readouterr().out
    assert "[x] 04 · Sample                    2 of 2" in out
    assert "[ ] 01 · Sample                    0 of 2" in out


def test_the_courses_own_pages_show_nobodys_progress(monkeypatch, capsys):
    monkeypatch.chdir(COURSE)
    show({})
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("kind", ["a file", "a folder"])
def test_a_broken_base_is_named_and_hides_no_other_page(folder, kind):
    save(folder, "02", "[ok] f: right.\n")
    base = folder / HANDED_OUT / "03_s.ipynb"
    base.unlink()
    base.write_text("{") if kind == "a file" else base.mkdir()
    lines = repr(whole_course(folder)).splitlines()
    assert lines[0].startswith("exercises done, as saved: 1 of 4")
    assert lines[2] == "  [-] 02 · Sample                    1 of 2, open: g"
    assert lines[3].startswith("  [ ] 03_s") and str(base) in lines[3]
    assert lines[3].endswith("start the course once, that mends it")
    assert lines[-1] == "go on with 02_s.ipynb; open before it: 01"
    told = update(folder, folder.parent / "notebooks")
    if kind == "a file":
        assert told == [] and "of 6" in repr(whole_course(folder))
    else:
        assert [one.kind for one in told] == ["left"] and str(base) in told[0].text


def test_the_pages_left_open_before_are_named(folder):
    save(folder, "02", "[ok] f: right.\n", ended=True)
    said = "go on with 03_s.ipynb; open before it: 01, 02"
    assert repr(whole_course(folder)).endswith(f"\n{said}")


def test_bases_that_are_gone_stop_no_cell(folder, capsys):
    for base in (folder / HANDED_OUT).glob("*.ipynb"):
        base.unlink()
    show({}, folder)
    assert capsys.readouterr().out.startswith("what is done cannot be read: ")


def test_a_page_that_breaks_is_the_page_to_go_on_with(folder):
    save(folder, "01", ended=True)
    (folder / "02_s.ipynb").write_text("{")
    assert repr(whole_course(folder)).endswith(
        "go on with 02_s.ipynb; open before it: 01"
    )


def test_the_real_course_is_read_whole(tmp_path):
    update(tmp_path / "copy")
    whole = whole_course(tmp_path / "copy").pages
    exercises = 0
    for path in sorted(COURSE.glob("*.ipynb")):
        cells = read(path)["cells"]
        tags = [tag for cell in cells for tag in cell["metadata"].get("tags", ())]
        exercises += tags.count("exercise")
    assert sum(len(one.minutes) for one in whole) == exercises
    assert all(len(one.questions) == 3 for one in whole[1:])
    # stored executed, so read to the end, and every exercise still to be done
    for one in whole:
        done = progress.page_done(COURSE / one.file, COURSE / one.file)
        assert done.begun and done.ended and not done.done
