"""The reader's own copy of the pages: without outputs, so that a guess stays a guess.

    FOLDER/03_surrogate.ipynb               a page, the reader's own from now on
    FOLDER/.handed_out/03_surrogate.ipynb   the same page as the course gave it last
    FOLDER/.handed_out/older/               and the last few that it gave before

`update` brings new and changed pages and never writes over the reader's cells: see
merge.py. Each file is written whole or not at all, the reader's page before its base;
killed in between, the next update does the same again. The reader's page says in its
metadata with which version it was merged: a backup that is put back, or a tab that
saves over a newer page, is merged with the version it was made from.
"""

import errno
import hashlib
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from trpo_lite.course import jupyter
from trpo_lite.course.merge import by_id, merge
from trpo_lite.course.page import bare, dump, parse, read
from trpo_lite.files import check_writable, write

COURSE = Path(__file__).resolve().parents[2] / "notebooks"
MINE = COURSE.parent / "my_course"  # unless the reader names another folder
HANDED_OUT, OLDER = ".handed_out", "older"
KEPT = 5  # older versions of a page
STAMP = "handed_out"  # in a page's metadata, which Jupyter keeps: its version
FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class News:
    """What became of a page.

    kind : new, changed, question; or not done: left, and full if the disk is.
    """

    page: str
    kind: str
    text: str = ""


def is_copy(folder):
    return (Path(folder) / HANDED_OUT).is_dir()


def version(content):
    """A name for these bytes of a page."""
    return hashlib.sha256(content).hexdigest()[:16]


def update(folder, course=COURSE, tell=lambda news: None):
    """Make or refresh the copy in `folder`; a list of News, empty if nothing is new.

    tell : gets each News before its page counts as done. So none is lost, whatever
        ends the update: the next one tells it again.
    ValueError if the folder holds something else; OSError if it cannot be written to.
    """
    folder, pages = Path(folder), sorted(course.glob("*.ipynb"))
    if not pages:
        raise ValueError(f"{course} has no pages: is the course complete?")
    if not is_copy(folder):
        _may_become_a_copy(folder, pages)
    (folder / HANDED_OUT).mkdir(parents=True, exist_ok=True)
    for place in (folder, folder / HANDED_OUT):
        check_writable(place / "a new page")
        _swept(place)
    in_jupyter = cache(partial(jupyter.open_pages, folder))  # asked only if it matters
    news = []
    for path in pages:
        for one in _brought(path, folder, in_jupyter):
            tell(one)
            news.append(one)
    names = {path.name for path in pages}
    for path in sorted((folder / HANDED_OUT).glob("*.ipynb")):
        if path.name not in names and path.is_file():
            if (folder / path.name).exists():
                text = "no longer in the course; yours stays as it is"
                news.append(News(path.name, "question", text))
                tell(news[-1])
            path.unlink(missing_ok=True)
    return news


def _swept(folder):
    """Without what killed updates have left of `write`, unless one runs just now."""
    for part in folder.glob("*-????????.part"):
        with suppress(OSError):
            if part.stat().st_mtime < time.time() - 3600:
                part.unlink()


def _may_become_a_copy(folder, pages):
    """ValueError unless it is empty or has a page of a copy whose bases are lost."""
    if not folder.absolute().parent.is_dir():
        raise ValueError(f"{folder}: the folder that it would be in does not exist")
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file, expected a folder")
    names = [p.name for p in folder.glob("*") if not p.name.startswith(".")]
    if names and not any(_is_stamped(folder / page.name) for page in pages):
        raise ValueError(
            f"{folder} is not empty and no copy of the course: name a new folder"
        )


def _is_stamped(path):
    """Is this file a page of a copy? The course's own pages have no stamp."""
    try:
        return _stamp(path.read_bytes()) is not None
    except OSError:
        return False


def _brought(path, folder, in_jupyter):
    """The News of one page of the course, at `path`; its base is written after them."""
    mine, handed_out = folder / path.name, folder / HANDED_OUT / path.name
    try:
        theirs = bare(read(path))
    except (OSError, ValueError) as problem:
        yield News(path.name, "left", f"the course's cannot be read: {problem}")
        return
    given, failed = dump(theirs), "left as it is"
    try:
        if not os.path.lexists(mine):
            write(handed_out, given)
            write(mine, stamped(theirs, given))
            yield News(path.name, "new")
            return
        newest = handed_out.read_bytes() if handed_out.is_file() else b""
        content = mine.read_bytes()
        try:
            page = parse(content)
            stamp = page["metadata"].get(STAMP)
            if newest == given and stamp in (None, version(given)):
                return
            base, older = _base(stamp, newest, given, handed_out)
            merged = merge(base, page, theirs)
        except ValueError as problem:
            saved = f".ipynb_checkpoints/{path.stem}-checkpoint.ipynb"
            raise ValueError(
                f"{problem}; repair it, or take {saved}, or move it away and start "
                "again: it comes fresh"
            ) from None
        check_writable(handed_out)
        if newest not in (b"", given):
            _keep(newest, handed_out)
        if merged.page != page or stamp not in (None, version(given)):
            if path.name in in_jupyter():
                raise ValueError(
                    "open in Jupyter: close its tab and shut down its kernel there, "
                    "then go again"
                )
            if mine.read_bytes() != content:
                raise ValueError("saved this very moment; go again")
            write(mine, stamped(merged.page, given))
        failed = "its hidden copy could not be written"
        if merged.news:
            said = "an older copy of it stood here: " if older else ""
            yield News(path.name, "changed", said + merged.news)
        for said in merged.questions:
            yield News(path.name, "question", said)
        write(handed_out, given)
    except (OSError, ValueError) as problem:
        if getattr(problem, "errno", None) in FULL:
            yield News(path.name, "full")
        else:
            yield News(path.name, "left", f"{failed}: {problem}")


def stamped(page, given):
    """The bytes of the reader's page, merged with the version `given` (bytes)."""
    return dump({**page, "metadata": {**page["metadata"], STAMP: version(given)}})


def _stamp(content):
    """The version that the page was merged with last; None if it does not say."""
    try:
        return parse(content)["metadata"].get(STAMP)
    except ValueError:
        return None


def _base(stamp, newest, given, handed_out):
    """(the page that the reader's was made from or None if lost, is it an older one).

    newest : the bytes in the file `handed_out`. They are older than the reader's page
        if an update ended between the two; then they count, to tell the same again.
    """
    base = _page(newest)
    if base and stamp in (None, version(newest), version(given)):
        return base, False
    if stamp in (None, version(given)):
        return stamp and _page(given), False
    for path in (handed_out.parent / OLDER).glob(f"*-{handed_out.name}"):
        content = path.read_bytes()
        if version(content) == stamp:
            return _page(content), True
    return None, True


def _keep(content, handed_out):
    """Keep an earlier version of a page, and of the others the last few."""
    place = handed_out.parent / OLDER
    place.mkdir(exist_ok=True)
    write(place / f"{version(content)}-{handed_out.name}", content)
    with suppress(FileNotFoundError):  # another update was faster
        versions = place.glob(f"*-{handed_out.name}")
        for path in sorted(versions, key=lambda path: path.stat().st_mtime)[:-KEPT]:
            path.unlink()


def _page(content):
    """The page that was handed out, or None if that is lost."""
    try:
        page = parse(content)
        return page if by_id(page) else None
    except ValueError:
        return None
