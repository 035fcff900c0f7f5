"""What is done in the whole course, read from the reader's saved pages; nothing else.

An exercise is done once a saved cell shows its [ok]; a page is read to its end once its
last cell of code has been run. Nothing is run again for that, and nothing remembered
elsewhere: clear a page's outputs, and it is to be done once more.
"""

import re
import sys
import textwrap
from dataclasses import dataclass, replace
from pathlib import Path

from trpo_lite._terminal import Parser, say
from trpo_lite.course.page import printed, read
from trpo_lite.course.working_copy import HANDED_OUT, MINE, is_copy

PROG = "python -m trpo_lite.course progress"
ANNOUNCED = re.compile(r"^### Exercise \d+ · (\w+) \(.*?(\d+) minutes\)$", re.M)
PASSED = re.compile(r"^\[ok\] (\w+): ", re.M)
QUESTION = re.compile(
    r"^\*\*\d\.\*\* (.+?)\n\n"
    r"<details><summary>[^<\n]+</summary>\n\n(.+?)\n\n</details>$",
    re.M | re.S,
)
# how many pages back a recall question is from, and which of the three there
SPACED = ((8, 3), (4, 2), (2, 1))


@dataclass(frozen=True)
class PageDone:
    """A page with exercises: what it asks, and how far its reader is.

    minutes : of each exercise, by its name. done : the names of those that are right.
    questions : (question, answer) of its recall quiz.
    """

    file: str
    title: str
    minutes: dict[str, int]
    questions: tuple[tuple[str, str], ...]
    done: frozenset[str] = frozenset()
    begun: bool = False
    ended: bool = False
    problem: str = ""

    @property
    def open(self):
        return [name for name in self.minutes if name not in self.done]

    def __str__(self):
        ended = self.minutes and not self.open
        box = "x" if ended else "-" if self.begun else " "
        line = f"[{box}] {self.title:30} {len(self.minutes) - len(self.open)} of "
        names = f", open: {', '.join(self.open)}" if self.open and self.done else ""
        problem = f", not counted: {self.problem}" if self.problem else ""
        return f"{line}{len(self.minutes)}{names}{problem}"


@dataclass(frozen=True)
class Whole:
    """All pages with exercises; a notebook shows the answers to the questions, too."""

    pages: tuple[PageDone, ...]

    def __repr__(self):
        asked = [
            textwrap.fill(f"{n}. {question}", 88, subsequent_indent="   ")
            + f"\n   (The answer is folded on {page.file}, Recall.)"
            for n, (page, question, _) in enumerate(recall(self.pages), 1)
        ]
        head = ["", "Do you still know?"] if asked else []
        return "\n".join([self.summary(), *head, *asked])

    def _repr_markdown_(self):
        asked = [
            f"**{n}.** {question}\n\n"
            f"<details><summary>Answer {n}</summary>\n\n{answer}\n\n</details>"
            for n, (_, question, answer) in enumerate(recall(self.pages), 1)
        ]
        head = ["**Do you still know?**"] if asked else []
        return "\n\n".join([f"```text\n{self.summary()}\n```", *head, *asked])

    def summary(self):
        """A line for each page, what is left, and where to go on."""
        count = sum(len(page.minutes) for page in self.pages)
        left = [page.minutes[name] for page in self.pages for name in page.open]
        hours, minutes = divmod(sum(left), 60)
        time = f"{hours} h {minutes} min" if hours else f"{minutes} min"
        rest = f", about {time} left" if left else ""
        lines = [f"exercises done, as saved: {count - len(left)} of {count}{rest}"]
        lines += [f"  {page}" for page in self.pages]
        return "\n".join([*lines, f"go on with {self.next()}"])

    def next(self):
        """The file of the page to go on with, and the pages left open before it."""
        page = resume(self.pages)
        before = self.pages[: self.pages.index(page)]
        numbers = [p.file.partition("_")[0] for p in before if p.open]
        rest = f"; open before it: {', '.join(numbers)}" if numbers else ""
        return f"{page.file}{rest}"


def whole_course(folder):
    """The `Whole` of the copy in `folder`; ValueError if it is none."""
    if not is_copy(folder):
        raise ValueError(
            f"{folder} is no copy of the course. "
            "Make one: `python -m trpo_lite.course`."
        )
    given = sorted(Path(folder, HANDED_OUT).glob("*.ipynb"))
    pages = [page_done(path, Path(folder, path.name)) for path in given]
    pages = tuple(page for page in pages if page.minutes or page.problem)
    if not pages:
        raise ValueError(
            f"{folder} has no pages: python -m trpo_lite.course brings them"
        )
    return Whole(pages)


def page_done(given, mine):
    """What the page in the file `given` asks, and what of it is done in `mine`."""
    try:
        page = read(given)
    except (OSError, ValueError):
        problem = f"{given} is broken; start the course once, that mends it"
        return PageDone(given.name, given.stem, {}, (), problem=problem)
    words = [c["source"] for c in page["cells"] if c["cell_type"] == "markdown"]
    text = "\n\n".join(words)
    recall = "\n\n".join(w for w in words if w.startswith("## Recall\n"))
    parts = dict(
        file=given.name,
        title=text.partition("\n")[0].lstrip("# "),
        minutes={name: int(minutes) for name, minutes in ANNOUNCED.findall(text)},
        questions=tuple(QUESTION.findall(recall)),
    )
    try:
        cells = read(mine)["cells"]
    except FileNotFoundError:
        return PageDone(**parts)
    except OSError as problem:
        return PageDone(**parts, begun=True, problem=str(problem))
    except ValueError as problem:
        problem = f"{problem}. Move it away, and it comes fresh"
        return PageDone(**parts, begun=True, problem=problem)
    run = [c["source"] for c in cells if c.get("outputs") or c.get("execution_count")]
    *_, last = "", *(c["source"] for c in page["cells"] if c["cell_type"] == "code")
    passed = frozenset(PASSED.findall("\n".join(map(printed, cells))))
    return PageDone(**parts, done=passed, begun=bool(run), ended=last in run)


def resume(pages):
    """The page to go on with: the furthest begun, or the next if that is at its end."""
    begun = [n for n, page in enumerate(pages) if page.begun]
    if not begun:
        return pages[0]
    return pages[min(begun[-1] + pages[begun[-1]].ended, len(pages) - 1)]


def recall(pages):
    """Up to three (page, question, answer) to ask again, the oldest page first.

    Of the pages read to their ends: question 3 of the eighth from the last, question 2
    of the fourth, question 1 of the second. So each comes back once, after growing
    pauses. Where there are fewer pages, the oldest is asked; the last one never is.
    """
    before = [page for page in pages if page.ended and page.questions][:-1]
    if not before:
        return []
    chosen = [(before[-min(back - 1, len(before))], n) for back, n in SPACED]
    return [(p, *p.questions[n - 1]) for p, n in chosen if len(p.questions) >= n]


def show(now, folder="."):
    """Show what is done in the whole course, if `folder` is a copy of it.

    now : {name: done} of the exercises of the page that asks with its last cell: what
        its kernel knows counts, too, for it may not be saved.
    """
    if not is_copy(folder):
        return  # the course's own pages: nobody's work
    ipython = sys.modules.get("IPython")
    done = frozenset(name for name in now if now[name])
    try:
        pages = tuple(
            replace(page, done=page.done | done, begun=True, ended=True)
            if page.minutes.keys() == now.keys()
            else page
            for page in whole_course(folder).pages
        )
        (ipython.display.display if ipython else print)(Whole(pages))
    except (OSError, ValueError) as problem:
        print(f"what is done cannot be read: {problem}")


def main(arguments):
    parser = Parser(
        PROG,
        description="Show what is done in the whole course, and three questions from "
        "pages read before, as the pages are saved.",
    )
    parser.add_argument(
        "folder",
        nargs="?",
        default=MINE,
        type=Path,
        metavar="FOLDER",
        help="[my_course]",
    )
    say(whole_course(parser.parse_args(arguments).folder))
    return 0
