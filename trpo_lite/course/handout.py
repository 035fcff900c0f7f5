"""Printable pages: python -m trpo_lite.course.handout NOTEBOOK... [-o DIR]

Writes NOTEBOOK.html (into DIR, by default beside the notebook) in which every folded
answer has moved to the page's end, numbered, and the exercises' solutions follow. A
widget stays as its static figure. Open it in a browser and print.
"""

import importlib.util
import re
import sys
from pathlib import Path

from trpo_lite._terminal import Parser, run, say
from trpo_lite.files import write
from trpo_lite.plots import img

PROG = "python -m trpo_lite.course.handout"

# the one form of a folded answer; tests/test_pages.py allows no other
FOLDED = re.compile(
    r"^<details><summary>([^<\n]+)</summary>\n\n(.*?)\n\n</details>$", re.M | re.S
)


def unfold(texts):
    """(texts with pointers in place of folded answers, the answers as Markdown)."""
    answers = []

    def point(match):
        answers.append((match[1], match[2]))
        n = len(answers)
        return (
            f'<a id="from-{n}"></a>*[{match[1]}: number {n} at the end](#answer-{n})*'
        )

    pointed = [FOLDED.sub(point, text) for text in texts]
    blocks = [
        f'<a id="answer-{n}"></a>**{n}.** [{summary}](#from-{n})\n\n{answer}'
        for n, (summary, answer) in enumerate(answers, 1)
    ]
    return pointed, "\n\n".join(blocks)


def solutions(name):
    """The exercises' references of page `name` as Markdown; '' if it has none."""
    number = name.split("_")[0]
    if not number.isdigit():
        return ""
    module = f"trpo_lite.course.n{number}"
    if importlib.util.find_spec(module) is None:
        return ""
    return "\n\n".join(
        f"**{exercise.name}**\n\n```python\n{exercise.source(exercise.reference)}\n```"
        for exercise in importlib.import_module(module).exercises
    )


def describe(page):
    """Give the pictures of `page` their alt texts in the form that HTML shows."""
    for cell in page.cells:
        for output in cell.get("outputs", ()):
            alt = output.get("metadata", {}).get("image/png", {}).get("alt")
            if alt:
                output.data = {"text/html": img(output.data["image/png"], alt)}


def handout(path, folder=None):
    """Write the printable form of the notebook at `path`; its path."""
    import nbformat
    from nbconvert import HTMLExporter

    path = Path(path)
    page = nbformat.read(path, as_version=4)
    cells = [cell for cell in page.cells if cell.cell_type == "markdown"]
    texts, answers = unfold([cell.source for cell in cells])
    for cell, text in zip(cells, texts, strict=True):
        cell.source = text
    ends = {"Answers": answers, "Solutions": solutions(path.stem)}
    for title, text in ends.items():
        if text:
            cell = nbformat.v4.new_markdown_cell(f"## {title}\n\n{text}")
            cell.id = f"handout-{title.lower()}"
            page.cells.append(cell)
    describe(page)
    html, _ = HTMLExporter().from_notebook_node(
        page, resources={"metadata": {"name": path.stem}}
    )
    target = Path(folder or path.parent) / f"{path.stem}.html"
    target.parent.mkdir(parents=True, exist_ok=True)
    write(target, html.encode())
    return target


def main(arguments=None):
    _, details = __doc__.split("\n\n", 1)
    parser = Parser(PROG, description=details)
    parser.add_argument("notebooks", nargs="+", metavar="NOTEBOOK", type=Path)
    parser.add_argument("-o", dest="folder", metavar="DIR", type=Path)
    options = parser.parse_args(arguments)
    for path in options.notebooks:
        if not path.is_file():
            say(f"{path}: no such notebook", sys.stderr)
            return 2
        say(handout(path, options.folder))
    return 0


if __name__ == "__main__":
    sys.exit(run(PROG, main))
