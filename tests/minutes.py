"""Write each page's minutes, as measured, into its title and the maps: -m tests.minutes

The maps are those of the README and of page 00. A file whose minutes are right stays as
it is.
"""

import re
import sys
from pathlib import Path

from trpo_lite.course.load import measure
from trpo_lite.course.page import dump, read
from trpo_lite.files import write

ROOT = Path(__file__).resolve().parent.parent
TIME = re.compile(r"(?<= · \*\*Time:\*\* ).+?(?= · \*\*You need:\*\* )")


def row_of(text, file):
    """The match of the row of `file` in a map: its first two cells, and the rest."""
    return re.search(
        rf"^(\| \[[^\]\n]+\]\((?:notebooks/)?{re.escape(file)}\) \| [^|\n]+ \|)(.*)$",
        text,
        re.M,
    )


def with_minutes(text, loads):
    """A map in which the row of each file of {file: Load} ends with its minutes."""
    for file, load in loads.items():
        if row := row_of(text, file):
            text = text.replace(row[0], f"{row[1]} {load.row()} |")
    return text


def main(root=ROOT):
    pages = {path: read(path) for path in sorted(root.glob("notebooks/*.ipynb"))}
    loads = {path.name: measure(page) for path, page in pages.items()}
    for path, page in pages.items():
        title = page["cells"][0]
        title["source"] = TIME.sub(str(loads[path.name]), title["source"])
        for cell in page["cells"]:
            if cell["source"].startswith("## The map\n"):
                cell["source"] = with_minutes(cell["source"], loads)
        _write(path, dump(page))
    readme = root / "README.md"
    _write(readme, with_minutes(readme.read_text("utf-8"), loads).encode())
    return 0


def _write(path, content):
    if content != path.read_bytes():
        write(path, content)


if __name__ == "__main__":
    sys.exit(main())
