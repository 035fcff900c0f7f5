"""TEACHING.md: pages, sections, errata and commands that exist; minutes that add up."""

import importlib
import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml

from trpo_lite.course import bank
from trpo_lite.course.__main__ import COMMANDS

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "TEACHING.md").read_text("utf-8")
LINK = re.compile(r"\[((?:[^\[\]])+)\]\(([^)\s]+)\)")
QUESTIONS = {q.name: q for q in bank.read(bank.FILE.read_text("utf-8"))}
# the lecture's slides, each once: they build up
SLIDES = 32


def cells(name):
    return json.loads((ROOT / "notebooks" / name).read_text("utf-8"))["cells"]


def headings(name):
    texts = ["".join(c["source"]) for c in cells(name) if c["cell_type"] == "markdown"]
    return re.findall(r"^#{1,3} (.+)$", "\n".join(texts), re.M)


def tables():
    """Each table as a list of rows of cells, the header first."""
    found = []
    for block in re.findall(r"(?:^\|.*\|\n)+", TEXT, re.M):
        rows = [row.strip("|\n").split(" | ") for row in block.splitlines()]
        found.append([[cell.strip() for cell in row] for row in rows])
    return found


def lesson(number):
    return importlib.import_module(f"trpo_lite.course.n{number}")


def test_every_link_leads_to_a_page_and_its_heading():
    sections = 0
    for text, target in LINK.findall(TEXT):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        assert (ROOT / path).exists(), target
        if anchor:
            names = headings(Path(path).name)
            assert unquote(anchor) in [name.replace(" ", "-") for name in names], target
            sections += 1
            if path != "notebooks/A_notation_and_errata.ipynb":
                assert text in names, text
    assert sections > 60


def test_the_index_has_every_slide_every_step_and_every_erratum():
    (index,) = (
        t for t in tables() if t[0] == ["step", "slide", "page and section", "errata"]
    )
    rows = index[2:]
    assert len(rows) == SLIDES
    steps = [row[0] for row in rows if row[0]]
    assert steps == [str(n) for n in range(1, 29)]
    named = set(re.findall(r"\[([a-z])\]", " ".join(row[3] for row in rows)))
    slips = [h[0] for h in headings("A_notation_and_errata.ipynb") if h[1:3] == ". "]
    assert named == set(slips) and len(slips) > 20
    pages = set(re.findall(r"notebooks/(\d\d)", " ".join(row[2] for row in rows)))
    assert pages >= {f"{n:02d}" for n in range(1, 15)}


def test_minutes_and_points_add_up():
    sums = 0
    for header, _, *rows in tables():
        for name in ("minutes", "points"):
            if name not in header or not rows[-1][0].startswith("**"):
                continue
            column = header.index(name)
            *parts, total = (int(row[column].strip("*")) for row in rows)
            assert sum(parts) == total, header
            sums += 1
    assert sums >= 12


def test_a_lecture_and_each_class_and_lab_has_90_minutes_and_the_lecture_every_step():
    timed = [t for t in tables() if t[0][0] == "minutes" and "week" not in t[0]]
    assert [t[-1][0] for t in timed] == ["**90**"] * 7
    steps = [x for row in timed[0][2:-1] for x in row[1].split(", ")]
    assert steps == [str(n) for n in range(1, 29)]


def test_homework_points_are_what_grade_gives():
    count = 0
    for header, _, *rows in tables():
        if header == ["points", "page", "exercise"]:
            total = 0
            for points, page, name in rows[:-1]:
                number = re.match(r"\[(\d\d)\]", page)[1]
                exercise = getattr(lesson(number), re.match(r"`(\w+)`", name)[1])
                assert exercise.minutes == int(points), name
                assert name.count("●") == exercise.difficulty
                total += exercise.minutes
            assert f"| {total} | homework {1 + count} |" in TEXT
            count += 1
    assert count == 2


def test_the_test_is_of_questions_of_the_bank():
    (rows,) = (t[2:-1] for t in tables() if t[0] == ["points", "minutes", "question"])
    names = [name.strip("`") for *_, name in rows]
    for points, minutes, name in rows:
        question = QUESTIONS[name.strip("`")]
        assert (question.points, question.minutes) == (int(points), int(minutes))
    assert f"course bank {' '.join(names)} -o" in TEXT
    total = sum(QUESTIONS[name].minutes for name in names)
    assert f"The test takes {total} minutes" in TEXT
    assert f"| {sum(QUESTIONS[name].points for name in names)} | the test |" in TEXT


def test_the_reading_course_has_all_pages_with_their_own_minutes():
    (rows,) = (t[2:-1] for t in tables() if t[0] == ["minutes", "week", "pages"])
    read = []
    for minutes, _, pages in rows:
        files = [Path(target).name for _, target in LINK.findall(pages)]
        own = [
            int(re.search(r"\*\*Time:\*\* (\d+)", "".join(cells(name)[0]["source"]))[1])
            for name in files
        ]
        assert sum(own) == int(minutes), pages
        read += files
    there = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))
    assert read == there
    assert [row[1] for row in rows] == [str(n) for n in range(1, len(rows) + 1)]


def test_widgets_and_exercises_are_there():
    (widgets,) = (t[2:] for t in tables() if t[0][1] == "widget")
    named = [re.findall(r"`n(\d\d)\.(\w+)`", row[1])[0] for row in widgets]
    for number, name in named:
        assert getattr(lesson(number), name) in lesson(number).widgets, name
    for n in range(19):
        count = sum(number == f"{n:02d}" for number, _ in named)
        assert count == len(lesson(f"{n:02d}").widgets), n
    for number, name in re.findall(r"`n(\d\d)\.(\w+)`", TEXT):
        assert hasattr(lesson(number), name), name
    to_set = re.findall(r"`n(\d\d)\.(\w+)` \((\d+)\)", TEXT)
    assert len(to_set) > 20
    for number, name, minutes in to_set:
        assert getattr(lesson(number), name).minutes == int(minutes), name


def test_commands_are_there():
    texts = [TEXT, *(p.read_text("utf-8") for p in (ROOT / ".github").rglob("*.yml"))]
    for text in texts:
        for name in re.findall(r"python -m trpo_lite\.course (\w[\w-]*)", text):
            package = importlib.util.find_spec(f"trpo_lite.course.{name}")
            assert name in COMMANDS or package, name
    assert f"holds {len(QUESTIONS)} questions" in TEXT
    readme = (ROOT / "README.md").read_text("utf-8")
    assert "(TEACHING.md)" in readme
    # nobody activates .venv unless told to
    told = "Below, `python` and `pip` are those of `.venv`: `source .venv/bin/activate`"
    for text in (TEXT, readme):
        above, below = text.split(told)
        bare = r"(?:^|`|&& )(?:python3?|pip) (?!-m venv )"
        assert not re.search(bare, above, re.M)
        assert len(re.findall(bare, below, re.M)) > 5
    assert (ROOT / ".ci/run").read_text("utf-8").count("^python3 -m venv .* -m pytest ")


def test_what_the_dropped_discount_shows():
    (row,) = re.findall(r"^\| 11 \| `n06\.dropped`.*$", TEXT, re.M)
    assert row.endswith(
        "| γ = .5, then .95 | at .5 the sign is wrong from p = .47 to .70; "
        "at .95 that strip is .01 wide |"
    )
    words = {gamma: lesson("06").dropped.words(gamma) for gamma in (0.5, 0.95)}
    assert "positive" not in words[0.5] and "at p = 0.70, the plain" in words[0.5]
    assert "the plain one turns negative at p = 0.47" in words[0.5]
    ends = re.findall(r"at p = (0\.\d\d)", words[0.95])
    assert float(ends[0]) - float(ends[1]) == pytest.approx(0.01)


def test_item_5_has_the_root_without_its_k():
    (row,) = re.findall(r"^\| 20 \| Putting everything.*$", TEXT, re.M)
    assert re.findall(r"\[([a-z])\]", row) == ["k", "q"]


def test_in_an_exam_a_kernel_of_its_own_asks_for_the_teacher():
    code = (
        "from trpo_lite.course import n03; n03.mismatch.solution(); n03.mismatch.hint()"
    )
    told = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "TRPO_LITE_ASK": "Ms Kim"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    first, second = told.splitlines()
    assert first == "mismatch: ask Ms Kim for the solution."
    assert second.startswith("hint 1 of ") and "visitation" not in first


@pytest.mark.parametrize("path", sorted((ROOT / ".github/workflows").glob("*.yml")))
def test_workflows_run_what_is_there(path):
    flow = yaml.safe_load(path.read_text("utf-8"))
    commands = [
        step["run"]
        for job in flow["jobs"].values()
        for step in job["steps"]
        if "run" in step
    ]
    assert commands or path.stem == "site"
    readme = (ROOT / "README.md").read_text("utf-8")
    cases = re.findall(r"^  (\w+)\) ", (ROOT / ".ci/run").read_text("utf-8"), re.M)
    for command in commands:
        if command.startswith("bash"):
            pattern = re.search(r"-E '([^']+)'", command)[1]
            assert len(re.findall(pattern, readme, re.M)) == 1
        elif command.startswith(".ci/run"):
            assert os.access(ROOT / ".ci/run", os.X_OK)
            assert command == ".ci/run" or command.split()[1] in cases
        else:
            assert re.match(
                r"pip install -r requirements\.txt|python -m trpo_lite", command
            )


def test_binder_installs_what_readers_install():
    wanted = (ROOT / ".binder/requirements.txt").read_text("utf-8").splitlines()
    assert [line for line in wanted if not line.startswith("#")] == [
        "-r ../requirements.txt"
    ]
    version = (ROOT / ".binder/runtime.txt").read_text("utf-8").strip()
    assert re.fullmatch(r"python-3\.1[0-3]", version)
    assert os.access(ROOT / ".binder/postBuild", os.X_OK)
    script = (ROOT / ".binder/postBuild").read_text("utf-8")
    assert "python -m trpo_lite.course --no-open" in script
