"""Which code stands on a slide, and how much of it."""

import ast

from trpo_lite.course.needed import parse
from trpo_lite.course.publish.page_deck.results import MONO
from trpo_lite.course.publish.slides import CODE_LINES, highlighted

LARGEST, SMALLEST = 32, 24  # pixels
WIDTH, HEIGHT = 1140, 400  # what the lines have of the slide


def idea(source):
    """What the cell defines, if it does nothing else and takes at most 12 lines.

    Imports are left out. Empty where a cell does more: then its results are shown.
    """
    nodes = [
        node
        for node in parse(source).body
        if not isinstance(node, (ast.Import, ast.ImportFrom))
    ]
    defines = all(isinstance(node, (ast.FunctionDef, ast.ClassDef)) for node in nodes)
    lines = source.split("\n")
    texts = ["\n".join(lines[n.lineno - 1 : n.end_lineno]) for n in nodes]
    whole = "\n\n".join(texts)
    return whole if defines and whole.count("\n") < CODE_LINES else ""


def large(source):
    """The code in colours, in letters as large as its lines and their number allow."""
    lines = source.split("\n")
    room = WIDTH / max(map(len, lines)) / MONO, HEIGHT / len(lines)
    size = max(SMALLEST, int(min(LARGEST, *room)))
    return f'<div style="--code: {size}px">{highlighted(source)}</div>'


def documented(stub):
    """A function's first lines: its name, arguments and docstring."""
    node = next(n for n in parse(stub).body if isinstance(n, ast.FunctionDef))
    return "\n".join(stub.split("\n")[node.lineno - 1 : node.body[0].end_lineno])
