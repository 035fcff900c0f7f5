"""The reader's own copy of the pages: without outputs, so that a guess stays a guess.

    FOLDER/03_surrogate.ipynb               a page, the reader's own from now on
    FOLDER/.handed_out/03_surrogate.ipynb   the same page as the course gave it last

`update` brings new and changed pages and never writes over the reader's cells: see
merge.py. Each file is written whole or not at all, the reader's page before its base;
killed in between, the next update does the same again.
"""

import os
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from trpo_lite.course import jupyter
from trpo_lite.course.merge import by_id, merge
from trpo_lite.course.page import bare, dump, parse, read
from trpo_lite.files import check_writable, write

COURSE = Path(__file__).resolve().parents[2] / "notebooks"
MINE = COURSE.parent / "my_course"  # unless the reader names another folder
HANDED_OUT = ".handed_out"


@dataclass(frozen=True)
class News:
    """What became of a page: `kind` is new, changed, question or left (not done)."""

    page: str
    kind: str
    text: str = ""


def is_copy(folder):
    return (Path(folder) / HANDED_OUT).is_dir()


def update(folder, course=COURSE):
    """Make or refresh the copy in `folder`; a list of News, empty if nothing is new.

    ValueError if the folder holds something else; OSError if it cannot be written to.
    """
    folder, pages = Path(folder), sorted(course.glob("*.ipynb"))
    if not pages:
        raise ValueError(f"{course} has no pages: is the course complete?")
    if not is_copy(folder):
        _may_become_a_copy(folder)
    (folder / HANDED_OUT).mkdir(parents=True, exist_ok=True)
    for place in (folder, folder / HANDED_OUT):
        check_writable(place / "a new page")
    in_jupyter = cache(partial(jupyter.open_pages, folder))  # asked only if it matters
    news = []
    for path in pages:
        news += _brought(path, folder, in_jupyter)
    names = {path.name for path in pages}
    for path in sorted((folder / HANDED_OUT).glob("*.ipynb")):
        if path.name not in names:
            path.unlink(missing_ok=True)
            if (folder / path.name).exists():
                text = "no longer in the course; yours stays as it is"
                news.append(News(path.name, "question", text))
    return news


def _may_become_a_copy(folder):
    if not folder.absolute().parent.is_dir():
        raise ValueError(f"{folder}: the folder that it would be in does not exist")
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file, expected a folder")
    if folder.exists() and any(not p.name.startswith(".") for p in folder.iterdir()):
        raise ValueError(
            f"{folder} is not empty and no copy of the course: name a new folder"
        )


def _brought(path, folder, in_jupyter):
    """The News of one page of the course, at `path`."""
    mine, handed_out = folder / path.name, folder / HANDED_OUT / path.name
    try:
        theirs = bare(read(path))
    except (OSError, ValueError) as problem:
        return [News(path.name, "left", f"the course's cannot be read: {problem}")]
    given = dump(theirs)
    if not os.path.lexists(mine):
        write(handed_out, given)
        write(mine, given)
        return [News(path.name, "new")]
    try:
        base = handed_out.read_bytes() if handed_out.exists() else b""
        if base == given:
            return []
        content = mine.read_bytes()
        page = parse(content)
        merged = merge(_page(base), page, theirs)
        if merged.page != page:
            if path.name in in_jupyter():
                raise ValueError("open in Jupyter; shut it down there, then go again")
            if mine.read_bytes() != content:
                raise ValueError("saved this very moment; go again")
            write(mine, dump(merged.page))
        write(handed_out, given)
    except (OSError, ValueError) as problem:
        return [News(path.name, "left", f"left as it is: {problem}")]
    changed = [News(path.name, "changed", merged.news)] if merged.news else []
    return changed + [News(path.name, "question", said) for said in merged.questions]


def _page(content):
    """The page that was handed out, or None if that is lost."""
    try:
        page = parse(content)
        return page if by_id(page) else None
    except ValueError:
        return None
