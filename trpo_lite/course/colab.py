"""Pages for Google Colab: python -m trpo_lite.course colab OWNER/REPO [-o DIR]

Writes each page without results into DIR (by default colab/), with one cell in front
that installs the course from github.com/OWNER/REPO where it runs on Colab, and does
nothing elsewhere. Commit DIR there, on the branch --branch. Links between the pages
lead to Colab, too.
"""

import re
from pathlib import Path, PurePosixPath

from trpo_lite._terminal import Parser, say
from trpo_lite.course import page
from trpo_lite.course.working_copy import COURSE
from trpo_lite.files import write

PROG = "python -m trpo_lite.course colab"
NEVER = ("jupyter", "nbval", "-e")  # Colab has its own Jupyter; -e is the course itself
ID = "colab-install"
NEIGHBOUR = re.compile(r"\]\((\w+\.ipynb)((?:#[^)]*)?)\)")
CELL = """# On Colab: install the course. Anywhere else: nothing.
import importlib.util
import sys

if "google.colab" in sys.modules:
    %pip install -q {requirements}
    importlib.invalidate_caches()
    if importlib.util.find_spec("trpo_lite") is None:
        raise SystemExit(
            "The course is not installed; pip says above what went wrong.\\n"
            "Is github.com/{repository} public, and has it the branch {branch}?"
        )"""


def first_cell(repository, branch, wanted):
    """The cell in front of each page; `wanted` are the lines of requirements.txt."""
    names = [line for line in wanted if not line.startswith(("#", *NEVER)) and line]
    course = f"trpo_lite @ git+https://github.com/{repository}@{branch}"
    quoted = " ".join(f'"{name}"' for name in (*names, course))
    return {
        "cell_type": "code",
        "execution_count": None,
        "id": ID,
        "metadata": {},
        "outputs": [],
        "source": CELL.format(
            requirements=quoted, repository=repository, branch=branch
        ),
    }


def address(repository, branch, folder, name=""):
    """Where Colab opens the file `name` of a folder of the repository."""
    place = PurePosixPath(repository, "blob", branch, folder, name)
    return f"https://colab.research.google.com/github/{place}"


def for_colab(text, cell, place):
    """The page with these bytes as bytes again, with `cell` in front.

    place : the address of the pages' folder on Colab.
    """
    one = page.bare(page.parse(text))
    for each in one["cells"]:
        if each["cell_type"] == "markdown":
            each["source"] = NEIGHBOUR.sub(rf"]({place}/\1\2)", each["source"])
    return page.dump({**one, "cells": [cell, *one["cells"]]})


def _may_be_replaced(path):
    """ValueError if there is a page that no earlier run of this has written."""
    if path.exists():
        cells = page.read(path)["cells"]
        if not cells or cells[0].get("id") != ID:
            raise ValueError(f"{path} is not for Colab: give another folder, -o DIR")


def main(arguments=None):
    _, details = __doc__.split("\n\n", 1)
    parser = Parser(PROG, description=details)
    parser.add_argument("repository", metavar="OWNER/REPO")
    parser.add_argument("-o", dest="folder", metavar="DIR", default="colab")
    parser.add_argument("--branch", default="main")
    options = parser.parse_args(arguments)
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", options.repository):
        raise ValueError(
            f"the repository is {options.repository!r}, expected OWNER/REPO"
        )
    wanted = (COURSE.parent / "requirements.txt").read_text("utf-8").splitlines()
    cell = first_cell(options.repository, options.branch, wanted)
    target = Path(options.folder)
    place = address(options.repository, options.branch, target.name)
    target.mkdir(parents=True, exist_ok=True)
    paths = sorted(COURSE.glob("*.ipynb"))
    for path in paths:
        _may_be_replaced(target / path.name)
    for path in paths:
        write(target / path.name, for_colab(path.read_bytes(), cell, place))
    say(f"{len(paths)} pages in {target}, each with a first cell")
    say(f"committed to {options.repository}, they open at {place}/NAME.ipynb")
    return 0
