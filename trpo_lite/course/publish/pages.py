"""What a page computes and shows, by running those of its statements that are needed.

    value("04", "len(points) - 1", "stairs")   # in the page's names, at that picture
    picture("11", "along")                     # draws what the page shows, with words
    function("11", "search")                   # the source of a function on the page

So a slide's numbers and pictures are the page's own, which its tests hold.
"""

import ast
import contextlib
import io
import re
from functools import cache
from importlib import import_module
from unittest import mock

from trpo_lite import style
from trpo_lite.course import needed, page
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
def value(number, expression, at, nth=0):
    """The value of an expression where the page shows its picture `at`.

    nth : 0 where it shows it for the first time. Raises LookupError if it doesn't show
    it so often, and what its statements raise.
    """
    found, (place, _) = _statements(number), _shown(number, at, nth)
    node = ast.parse(expression, mode="eval").body
    try:
        return _run(number, needed.needed(found, place, node), expression)
    except Exception:
        # what is filled under another name is not seen to be needed: so run all
        return _run(number, range(place), expression)


def _run(number, chosen, expression):
    """The value of an expression after these statements of the page."""
    found, names, quiet = _statements(number), {"__name__": "page"}, io.StringIO()
    with (
        mock.patch("IPython.display.display", lambda *args, **options: None),
        contextlib.redirect_stdout(quiet),
        contextlib.redirect_stderr(quiet),
    ):
        for i in chosen:
            lines = ast.Module([found[i].node], [])
            exec(compile(lines, f"page {number}", "exec"), names)
        return eval(expression, names)


def picture(number, name, nth=0):
    """A function of no arguments that draws the page's picture: (figure, alt text).

    nth : 0 for the first time that the page shows it. Raises LookupError if the page
    doesn't show it so often.
    """
    _, call = _shown(number, name, nth)
    keywords = ast.Call(ast.Name("dict"), [], call.keywords)
    both = ast.unparse(ast.Tuple([ast.Tuple(call.args), keywords]))
    one = getattr(import_module(f"trpo_lite.course.n{number}"), name)

    def draw():
        args, kwargs = value(number, both, name, nth)
        kwargs = {**getattr(one, "defaults", {}), **kwargs}
        style.use()
        return one.draw(*args, **kwargs), one.words(*args, **kwargs)

    return draw


def _shown(number, name, nth):
    """(number of the statement, the call) that shows the picture the nth time."""
    calls = [
        (place, one)
        for place, statement in enumerate(_statements(number))
        for one in ast.walk(statement.node)
        if isinstance(one, ast.Call) and ast.unparse(one.func) == f"lesson.{name}.show"
    ]
    if nth >= len(calls):
        raise LookupError(f"page {number} shows no picture {name!r}")
    return calls[nth]


def function(number, name):
    """The source of a function as a page's cell defines it, without what follows."""
    start = re.compile(rf"^def {name}\(", re.MULTILINE)
    for source in code(number):
        if found := start.search(source):
            return re.split(r"\n\n\n", source[found.start() :])[0].rstrip()
    raise LookupError(f"page {number} defines no function {name!r}")
