"""The site: every page of the course as static HTML, its widgets alive."""

import functools
import json
import re
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from trpo_lite.course.publish import frames, mathematics
from trpo_lite.course.publish.page import Page, lesson_of
from trpo_lite.course.working_copy import COURSE
from trpo_lite.files import check_writable, write

HERE = Path(__file__).parent
EXPLORE = re.compile(r"lesson\.(\w+)\.explore\(\)")
NOTEBOOK = re.compile(r"\(notebooks/(\w+)\.ipynb\)")
FIGURE = re.compile(r"notebooks/(figures/\w+\.png)")


def write_site(folder, most=frames.MOST, workers=1, course=COURSE, tell=None):
    """Write the site of the notebooks in `course` into `folder`, which may exist.

    most : settings of one widget, see `frames.thin`; workers : processes that draw;
    tell : is called with a line for each page, as drawing takes minutes.
    Raises what reading a notebook or drawing a widget raises; then some files may be
    there already.
    """
    folder = Path(folder)
    # not only after minutes of drawing
    mathematics.check_installed()
    folder.mkdir(parents=True, exist_ok=True)
    check_writable(folder / "index.html")
    paths = sorted(course.glob("*.ipynb"))
    players = draw_all(paths, most, workers, tell)
    pages = [Page.of(path, players[path.stem]) for path in paths]
    template = _template()
    for page in [home(course), *pages]:
        text = template.render(page=page, pages=pages)
        write(folder / f"{page.name}.html", text.encode())
    for name, text in shared(pages).items():
        write(folder / name, text.encode())
    for page in course.glob("figures/*.png"):
        write(folder / page.name, page.read_bytes())


def draw_all(paths, most, workers, tell=None):
    """{page: {widget: HTML fragment}} of the notebooks, drawn by so many processes."""
    names = [
        (path.stem, name)
        for path in paths
        for name in EXPLORE.findall(path.read_text("utf-8"))
    ]
    players, left = {path.stem: {} for path in paths}, Counter(x for x, _ in names)
    with ProcessPoolExecutor(workers) as pool:
        drawn = pool.map(functools.partial(_draw, most=most), names)
        for (page, name), fragment in zip(names, drawn, strict=True):
            players[page][name] = fragment
            left[page] -= 1
            if tell and not left[page]:
                tell(f"{page}: its sliders are drawn")
    return players


def _draw(names, most):
    page, name = names
    return frames.player(getattr(lesson_of(page), name), most)


def home(course):
    """The first page: how README.md begins, and its map."""
    readme = (course.parent / "README.md").read_text("utf-8")
    top, *rest = re.split(r"^(?=## )", readme, flags=re.M)
    table = next(part for part in rest if part.startswith("## The map"))
    text = FIGURE.sub(lambda match: Path(match[1]).name, top + HOW_TO_READ + table)
    text = NOTEBOOK.sub(r"(\1.html)", text)
    title = re.match(r"# (.*)", text)[1]
    return Page("index", title, mathematics.html(text), ())


HOW_TO_READ = """Here the course can be read, and its sliders move.
Its code runs in the notebooks, where exercises are checked too.

"""


def shared(pages):
    """{name: text} of the files that all pages use."""
    css, js = frames.assets()
    data = [
        [f"{page.name}.html#{section.anchor}", page.title, section.title, section.text]
        for page in pages
        for section in page.sections
    ]
    words = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return {
        "style.css": (HERE / "site.css").read_text("utf-8") + css + _colours(),
        "formulas.css": mathematics.stylesheet(),
        "script.js": (HERE / "site.js").read_text("utf-8") + js,
        "words.js": f"window.words = {words};\n",
    }


def _colours():
    """CSS for the colours of code, in light and in dark."""
    from pygments.formatters import HtmlFormatter

    light = HtmlFormatter(style="default", cssclass="code").get_style_defs(".code")
    dark = HtmlFormatter(style="github-dark", cssclass="code")
    dark = dark.get_style_defs(".dark .code")
    return f"{light}\n@media screen {{\n{dark}\n}}\n"


def _template():
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(HERE), undefined=StrictUndefined, autoescape=True
    )
    return environment.get_template("site.html")
