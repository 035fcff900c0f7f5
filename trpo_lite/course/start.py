"""Make the reader's own copy of the course, or bring what is new, and open it."""

import sys
from difflib import get_close_matches
from pathlib import Path

from trpo_lite._terminal import Parser, say
from trpo_lite.course import jupyter
from trpo_lite.course.progress import resume, whole_course
from trpo_lite.course.working_copy import MINE, update

PROG = "python -m trpo_lite.course"


def told(one):
    """Print what became of a page; new ones are counted at the end."""
    if one.kind == "left":
        say(f"{PROG}: {one.page}: {one.text}", sys.stderr)
    elif one.kind in ("changed", "question"):
        say(f"{one.page}{':' if one.kind == 'changed' else ','} {one.text}")


def summary(news):
    """What is said of all pages together, as lines."""
    new = [one.page for one in news if one.kind == "new"]
    lines = [f"{len(new)} new pages"] if len(new) > 3 else [f"{p}: new" for p in new]
    return lines if news else ["nothing new"]


def _no_command(name, commands):
    """The folder of this name; ValueError if it is rather a command, mistyped."""
    meant = get_close_matches(name, commands)
    if meant and not Path(name).exists():
        raise ValueError(
            f"no command {name}: {meant[0]}? For a folder of that name: ./{name}"
        )
    return Path(name)


def main(arguments, commands):
    """The exit status; `commands` are the others, with a line of help for each."""
    parser = Parser(
        PROG,
        description="Make a copy of the course of your own, without outputs, or bring "
        "what is new in the course into it, and open it in JupyterLab. What you wrote "
        "stays. Delete a page, and it comes again, fresh.",
        epilog="Beside this: "
        + "; ".join(f"{PROG} {name}, {what}" for name, what in commands.items()),
    )
    parser.add_argument(
        "folder",
        nargs="?",
        default=str(MINE),
        metavar="FOLDER",
        help=f"[{MINE.name}, beside the folder of the course's own pages]",
    )
    parser.add_argument("--no-open", action="store_true", help="only bring the pages")
    options = parser.parse_args(arguments)
    folder = _no_command(options.folder, commands)
    news = update(folder, tell=told)
    for line in summary(news):
        say(line)
    kinds = [one.kind for one in news]
    if "full" in kinds:
        say(
            f"{PROG}: {folder} is full: {kinds.count('full')} pages could not be "
            "brought; yours are untouched",
            sys.stderr,
        )
    say(f"your pages are in {folder}")
    if not options.no_open:
        there = (p for p in whole_course(folder).pages if (folder / p.file).exists())
        page = resume([*there]).file
        address = jupyter.show(folder, page)
        if address:
            say(f"they are open already: {address}")
    return 1 if {*kinds} & {"left", "full"} else 0
