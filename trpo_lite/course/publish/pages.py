"""What a page computes and shows, by running those of its statements that are needed.

    value("04", "len(points) - 1", "stairs")   # in the page's names, at that picture
    picture("11", "along")                     # draws what the page shows, with words
    pictures("11")                             # all that it shows, after a whole run
    function("11", "search")                   # the source of a function on the page

So a slide's numbers and pictures are the page's own, which its tests hold.
"""

import ast
import contextlib
import io
import re
from functools import cache, lru_cache
from importlib import import_module
from unittest import mock

from trpo_lite import style
from trpo_lite.course import needed, page
from trpo_lite.course.widgets import Picture, Widget
from trpo_lite.course.working_copy import COURSE


def path_of(number):
    """The file of the page with this number, such as "05"."""
    (path,) = COURSE.glob(f"{number}_*.ipynb")
    return path


@cache
def code(number):
    """The sources of the page's code cells."""
    cells = page.read(path_of(number))["cells"]
    return tuple(cell["source"] for cell in cells if cell["cell_type"] == "code")


@cache
def _statements(number):
    return tuple(needed.statements(code(number))[0])


@cache
def value(number, expression, at):
    """The value of an expression where the page shows its picture `at`.

    Raises LookupError if it shows no such picture, and what its statements raise.
    """
    found, (place, _) = _statements(number), _shown(number, at)
    names, quiet = {"__name__": "page"}, io.StringIO()
    with (
        mock.patch("IPython.display.display", lambda *args, **options: None),
        contextlib.redirect_stdout(quiet),
        contextlib.redirect_stderr(quiet),
    ):
        node = ast.parse(expression, mode="eval").body
        for i in needed.needed(found, place, node):
            lines = ast.Module([found[i].node], [])
            exec(compile(lines, f"page {number}", "exec"), names)
        return eval(expression, names)


def picture(number, name):
    """A function of no arguments that draws the page's picture: (figure, alt text).

    Raises LookupError if the page doesn't show it.
    """
    _, call = _shown(number, name)
    keywords = ast.Call(ast.Name("dict"), [], call.keywords)
    both = ast.unparse(ast.Tuple([ast.Tuple(call.args), keywords]))
    one = getattr(import_module(f"trpo_lite.course.n{number}"), name)

    def draw():
        args, kwargs = value(number, both, name)
        style.use()
        return one.draw(*args, **kwargs), one.words(*args, **kwargs)

    return draw


@lru_cache(maxsize=1)
def pictures(number):
    """All pictures that the page shows, in its order, as pairs (figure, alt text).

    Its cells run one after the other up to the last picture, exercises left out: so
    random numbers are the page's, too. Raises what they raise.
    """
    cells = [source for source in code(number) if ".check(" not in source]
    last = max(i for i, source in enumerate(cells) if ".show(" in source)
    found, names, quiet = [], {"__name__": "page"}, io.StringIO()

    def keep(one, *args, **kwargs):
        found.append((one.draw(*args, **kwargs), one.words(*args, **kwargs)))

    with (
        mock.patch("IPython.display.display", lambda *args, **options: None),
        mock.patch.object(Picture, "show", keep),
        mock.patch.object(Widget, "explore", lambda one: None),
        contextlib.redirect_stdout(quiet),
        contextlib.redirect_stderr(quiet),
    ):
        for source in cells[: last + 1]:
            exec(compile(needed.parse(source), f"page {number}", "exec"), names)
    return tuple(found)


def _shown(number, name):
    """(number of the statement, the call) that shows the picture for the first time."""
    for place, statement in enumerate(_statements(number)):
        for one in ast.walk(statement.node):
            call = isinstance(one, ast.Call) and ast.unparse(one.func)
            if call == f"lesson.{name}.show":
                return place, one
    raise LookupError(f"page {number} shows no picture {name!r}")


def function(number, name):
    """The source of a function as a page's cell defines it, without what follows."""
    start = re.compile(rf"^def {name}\(", re.MULTILINE)
    for source in code(number):
        if found := start.search(source):
            return re.split(r"\n\n\n", source[found.start() :])[0].rstrip()
    raise LookupError(f"page {number} defines no function {name!r}")
