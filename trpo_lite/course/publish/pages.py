"""What a page computes and shows, had by running the page's own cells.

    page = run("11", until="along")     # the cells up to the one with lesson.along.show
    page.names["failures"]              # any name of the page, after that cell
    page.picture("gallery")             # draws what the page shows: (figure, alt text)

So a slide's numbers and pictures are the page's, which its tests hold.
"""

import contextlib
import io
import re
from dataclasses import dataclass
from functools import cache
from unittest import mock

from trpo_lite import style
from trpo_lite.course import page, widgets
from trpo_lite.course.working_copy import COURSE


@dataclass(frozen=True)
class Run:
    """A page's names, and the pictures that it has shown with their arguments."""

    names: dict
    shown: dict

    def picture(self, name):
        """A function of no arguments that draws the page's picture `name`."""
        one, args, kwargs = self.shown[name]
        return lambda: (one.draw(*args, **kwargs), one.words(*args, **kwargs))


def path_of(number):
    """The file of the page with this number, such as "05"."""
    (path,) = COURSE.glob(f"{number}_*.ipynb")
    return path


@cache
def run(number, until):
    """Run a page's code cells up to the one that shows its picture `until`.

    Raises LookupError if no cell shows it.
    """
    names, calls = {"__name__": "page"}, []

    def show(self, *args, **kwargs):
        calls.append((self, args, kwargs))

    def show_default(self, **settings):
        calls.append((self, (), {**self.defaults, **settings}))

    quiet = [
        mock.patch.object(widgets.Picture, "show", show),
        mock.patch.object(widgets.Widget, "show", show_default),
        mock.patch.object(widgets.Widget, "explore", lambda self: None),
        mock.patch("IPython.display.display", lambda *args, **options: None),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ]
    with contextlib.ExitStack() as stack:
        for one in quiet:
            stack.enter_context(one)
        for cell in page.read(path_of(number))["cells"]:
            if cell["cell_type"] != "code":
                continue
            exec("".join(cell["source"]), names)
            if re.search(rf"\blesson\.{until}\.show\(", cell["source"]):
                break
        else:
            raise LookupError(f"page {number} shows no picture {until!r}")
    style.use()
    lesson = names["lesson"]
    by_picture = {id(v): k for k, v in vars(lesson).items()}
    shown = {by_picture[id(call[0])]: call for call in calls}
    return Run(names, shown)


def function(number, name):
    """The source of a function as a page's cell defines it, without what follows."""
    start = re.compile(rf"^def {name}\(", re.MULTILINE)
    for cell in page.read(path_of(number))["cells"]:
        if cell["cell_type"] == "code" and (found := start.search(cell["source"])):
            return re.split(r"\n\n\n", cell["source"][found.start() :])[0].rstrip()
    raise LookupError(f"page {number} defines no function {name!r}")
