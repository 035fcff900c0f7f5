"""Printable pages: python -m trpo_lite.course handout NOTEBOOK... [-o DIR]

Writes NOTEBOOK.html (into DIR, by default beside the notebook) in which every folded
answer has moved to the page's end, numbered, and the exercises' solutions follow;
--no-answers and --no-solutions leave them out. A widget stays as its static figure.
Open it in a browser and print: it needs no network.
"""

import importlib.util
import re
import sys
from pathlib import Path

from trpo_lite._terminal import Parser, run, say
from trpo_lite.course.page import read
from trpo_lite.files import write
from trpo_lite.plots import img

PROG = "python -m trpo_lite.course handout"
LINE = "…" * 30

# the one form of a folded answer; tests/test_pages.py allows no other
FOLDED = re.compile(
    r"^<details><summary>([^<\n]+)</summary>\n\n(.*?)\n\n</details>$", re.M | re.S
)
SCRIPT = re.compile(r"<script\b.*?</script>", re.S)
STYLE = """body { max-width: 48em; margin: 2em auto; padding: 0 1em; line-height: 1.45;
  font-family: serif; }
pre { line-height: 1.25; overflow-x: auto; } h3 { break-after: avoid; }
table { border-collapse: collapse; } th, td { padding: .1em .7em; }
"""


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


def blank(texts):
    """The texts with an empty line to write on in place of each folded answer."""
    return [FOLDED.sub(rf"*\1:* {LINE}", text) for text in texts]


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


def handout(path, target, answers=True, with_solutions=True):
    """Write the printable form of the notebook at `path` to `target`.

    ValueError if it is no notebook.
    """
    import nbformat
    from nbconvert import HTMLExporter

    from trpo_lite.course.publish import mathematics

    path = Path(path)
    try:
        read(path)
    except ValueError as problem:
        raise ValueError(f"{path}: {problem}") from None
    page = nbformat.read(path, as_version=4)
    cells = [cell for cell in page.cells if cell.cell_type == "markdown"]
    sources, ends = [cell.source for cell in cells], {}
    if answers:
        texts, ends["Answers"] = unfold(sources)
    else:
        texts = blank(sources)
    if with_solutions:
        ends["Solutions"] = solutions(path.stem)
    for cell, text in zip(cells, texts, strict=True):
        cell.source = text
    for title, text in ends.items():
        if text:
            cell = nbformat.v4.new_markdown_cell(f"## {title}\n\n{text}")
            cell.id = f"handout-{title.lower()}"
            page.cells.append(cell)
    describe(page)
    exporter = HTMLExporter()
    exporter.register_filter("markdown2html", mathematics.html)
    html, _ = exporter.from_notebook_node(
        page, resources={"metadata": {"name": path.stem}}
    )
    # scripts would ask the network for MathJax; formulas need none, paper neither
    html = SCRIPT.sub("", html)
    style = f"<style>{mathematics.stylesheet()}</style>\n</head>"
    write(target, html.replace("</head>", style, 1).encode())


def sheet(title, markdown):
    """Markdown as the bytes of an HTML page of its own, to be printed."""
    from trpo_lite.course.publish import mathematics

    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>{STYLE}{mathematics.stylesheet()}</style></head>
<body>
{mathematics.html(markdown)}
</body></html>
""".encode()


def targets(paths, folder=None):
    """Where each page goes, [n]: two of one name are numbered, not overwritten."""
    taken = []
    for path in paths:
        place, n = Path(folder or path.parent), 1
        target = place / f"{path.stem}.html"
        while target in taken:
            n += 1
            target = place / f"{path.stem}-{n}.html"
        taken.append(target)
    return taken


def main(arguments=None):
    _, details = __doc__.split("\n\n", 1)
    parser = Parser(PROG, description=details)
    parser.add_argument("notebooks", nargs="+", metavar="NOTEBOOK", type=Path)
    parser.add_argument("-o", dest="folder", metavar="DIR", type=Path)
    parser.add_argument("--no-answers", dest="answers", action="store_false")
    parser.add_argument("--no-solutions", dest="solutions", action="store_false")
    options = parser.parse_args(arguments)
    for path in options.notebooks:
        if not path.is_file():
            say(f"{path}: no such notebook", sys.stderr)
            return 2
    places = targets(options.notebooks, options.folder)
    from trpo_lite.course.publish import mathematics

    mathematics.check_installed()  # no folder with nothing in it
    for path, target in zip(options.notebooks, places, strict=True):
        target.parent.mkdir(parents=True, exist_ok=True)
        handout(path, target, options.answers, options.solutions)
        say(target)
    return 0


if __name__ == "__main__":
    sys.exit(run(PROG, main))
