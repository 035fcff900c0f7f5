"""The lecture in 90 minutes, or a page, as slides in one HTML file without network.

    python -m trpo_lite.course.publish.deck FOLDER
    python -m trpo_lite.course.publish.deck FOLDER 04 12

writes `lecture.html` into FOLDER, or these pages' decks, `04_mm_bound.html` and so on;
`all` stands for every page. In it: arrow keys, space and PageDown go on, Home and End
to the ends, N opens the speaker's notes, B blackens the screen; the place stands in the
address; on paper each slide has a page.
"""

import base64
import html
import io
import itertools
import re
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

from trpo_lite import style
from trpo_lite._terminal import Parser, run, say
from trpo_lite.course import page
from trpo_lite.course.publish import frames, lecture, mathematics, page_deck, picture
from trpo_lite.course.publish.pages import path_of
from trpo_lite.course.publish.slides import prose
from trpo_lite.course.widgets import Renderer
from trpo_lite.course.working_copy import COURSE
from trpo_lite.files import write

PROG = "python -m trpo_lite.course.publish.deck"
HERE = Path(__file__).resolve().parent
FACES = (
    ("DejaVuSans.ttf", "DejaVu Sans", "normal", "normal"),
    ("DejaVuSans-Bold.ttf", "DejaVu Sans", "bold", "normal"),
    ("DejaVuSans-Oblique.ttf", "DejaVu Sans", "normal", "italic"),
    ("DejaVuSansMono.ttf", "DejaVu Sans Mono", "normal", "normal"),
)
# blocks of Unicode that the pages and their pictures draw on: Latin, Greek, marks,
# arrows, operators, numbers in circles, lines, shapes
LETTERS = (
    (0x20, 0x17F),
    (0x2B0, 0x3FF),
    (0x2010, 0x22FF),
    (0x2460, 0x2473),
    (0x2500, 0x27BF),
)
NOTE = re.compile(r'<p class="player-note">(.*?)</p>\n?', re.DOTALL)
NAME = "Trust Region Policy Optimization: the lecture in 90 minutes"
APPENDIX = "A_notation_and_errata.html"
# settings of a widget that have a picture; sliders with more values keep fewer
MOST = 600
TEMPLATE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>@TITLE@</title>
<style>
@STYLE@
</style>
</head>
<body>
<main>
@BODY@
<progress aria-label="slides" value="1" max="1"></progress>
<nav><button id="back" aria-label="back">‹</button>
<button id="next" aria-label="on">›</button></nav>
</main>
<script>
@SCRIPT@
</script>
</body>
</html>
"""


def build(folder, pages="", tell=None):
    """Write the deck into `folder` and return its path.

    pages : where the site's pages lie, seen from there; links to pages go there.
    tell : is called with a line before each step, as it takes minutes.
    """
    folder = made(folder)
    path = folder / "lecture.html"
    write(path, document(NAME, lecture.steps(), pages, tell=tell).encode())
    return path


def build_page(folder, number):
    """Write the deck of the page with this number, such as "04"; return its path."""
    folder = made(folder)
    name, steps = page_deck.name(number), page_deck.steps(number)
    path = folder / f"{path_of(number).stem}.html"
    css = (HERE / "page_deck.css").read_text("utf-8")
    write(path, document(name, steps, css=css).encode())
    return path


def made(folder):
    """`folder`, made if need be: not where the deck can't be."""
    mathematics.check_installed()
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def document(name, steps, pages="", css="", tell=None):
    """The HTML of a deck of these steps; `css` goes after the deck's own."""
    style.use()
    count, sections = itertools.count(1), []
    for i, step in enumerate(steps, 1):
        if tell:
            tell(f"{i} of {len(steps)}: {step.heading}")
        sections += [
            section(one, i, one.heading or f"{i}. {step.heading}", next(count))
            for slide in step.slides
            for one in by_rows(slide)
        ]
    body = "\n".join(sections)
    body = re.sub(
        r'href="erratum:(\w)"',
        lambda found: f'href="{pages}{APPENDIX}#{errata()[found[1]]}"',
        body,
    )
    player_css, player_js = frames.assets()
    parts = {
        "TITLE": html.escape(name),
        "STYLE": "\n".join(
            (
                fonts(),
                mathematics.stylesheet(),
                player_css,
                (HERE / "deck.css").read_text("utf-8") + css,
            )
        ),
        "BODY": body,
        "SCRIPT": player_js + (HERE / "deck.js").read_text("utf-8"),
    }
    return re.sub("@([A-Z]+)@", lambda found: parts[found[1]], TEMPLATE)


@cache
def errata():
    """{letter: where that slip stands on the appendix's page}, its cell's id."""
    cells = page.read(COURSE / APPENDIX.replace(".html", ".ipynb"))["cells"]
    heads = ((re.search(r"^### (\w)\.", c["source"], re.M), c["id"]) for c in cells)
    return {found[1]: cell for found, cell in heads if found}


def section(slide, number, heading, count):
    """One slide as an element; `deck.js` numbers it."""
    first, *later = slide.parts or ("",)
    notes = "".join(f"<dt>{k}</dt><dd>{words}</dd>" for k, words in slide.notes.rows)
    if slide.figure:
        box = picture.BOX if slide.parts else picture.ALONE
        first, later = drawing(slide.figure, f"s{count}-", box), slide.parts
        # which values a slider has lost is for the speaker alone
        notes += "".join(f"<dt>Sliders</dt><dd>{x}</dd>" for x in NOTE.findall(first))
        first = NOTE.sub("", first)
    parts = f"<div>{first}</div>"
    parts += "".join(f"<div data-part>{part}</div>" for part in later)
    length = len(re.sub("<[^>]*>", "", first))
    size = " longer" if length > 320 else " long" if length > 150 else ""
    head = "" if slide.kind == "title" else prose(heading)
    return (
        f'<section data-kind="{slide.kind}" data-step="{number}" '
        f'data-minutes="{slide.notes.minutes:g}" tabindex="-1">'
        f"<header><h2>{head}</h2><span></span></header>"
        f'<div class="body {slide.kind}{size}">{parts}</div>'
        f"<aside><dl>{notes}</dl></aside></section>"
    )


def by_rows(slide):
    """The slide; a picture of many panels as a slide for each of its `picture.rows`.

    What is read comes with the last of them.
    """
    if not callable(slide.figure):
        return (slide,)
    figure, alt = slide.figure()
    figure = picture.copied(figure)
    groups = picture.rows(figure)
    if len(groups) == 1:
        return (replace(slide, figure=lambda: (figure, alt)),)
    minutes = slide.notes.minutes / len(groups)
    return tuple(
        replace(
            slide,
            figure=lambda group=group, i=i: (
                picture.only(figure, group),
                f"Part {i} of {len(groups)}: {alt}",
            ),
            parts=slide.parts if group is groups[-1] else (),
            notes=replace(slide.notes, minutes=minutes),
        )
        for i, group in enumerate(groups, 1)
    )


def drawing(shown, prefix, box=picture.BOX):
    """The element of a slide's picture, or of its widget with its controls over it."""
    if callable(shown):
        figure, alt = shown()
        figure = picture.copied(figure)
        svg = own(Renderer(picture.fitted(figure, box), alt).first, prefix)
        size = _size(box, figure.get_size_inches())
        return f'<div class="drawing" style="{size}">{svg}</div>'
    box = picture.beside_controls(box)
    recorded = recording(*shown, box)
    looks = tuple(tuple(own(svg, prefix) for svg in look) for look in recorded.looks)
    pictures = tuple(
        (look, own(svg, prefix), alt) for look, svg, alt in recorded.pictures
    )
    recorded = replace(recorded, looks=looks, pictures=pictures)
    player = frames.fragment(recorded)
    size = _size(box, picture.inches(box))
    return f'<div class="drawing alive" style="{size}">{player}</div>'


def own(svg, prefix):
    """The SVG with names that no other slide has: what is hidden fills no pattern."""
    return re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{prefix}", svg)


def recording(widget, settings, box):
    """A widget's frames in the shape of their place, first at `settings`."""
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    def shaped(**chosen):
        figure = picture.legible(picture.copied(widget.draw(**chosen)))
        figure.set_size_inches(*picture.inches(box))
        layout = figure.get_layout_engine()
        if isinstance(layout, ConstrainedLayoutEngine):
            layout.set(rect=picture.MARGINS)
        return figure

    tight = picture.snug(shaped(**settings))

    def draw(**chosen):
        figure = shaped(**chosen)
        if tight:
            picture.snug(figure)
        return figure

    controls = {
        name: replace(control, default=settings[name])
        for name, control in widget.controls.items()
    }
    return frames.record(replace(widget, draw=draw, controls=controls), MOST)


def _size(box, shape):
    """CSS of the largest size of this shape within a box in pixels."""
    scale = min(box[0] / shape[0], box[1] / shape[1])
    width, height = (round(scale * inches) for inches in shape)
    return f"--width: {width}px; --height: {height}px"


@cache
def fonts():
    """CSS with the letters in it, so that a slide looks the same on every machine."""
    import matplotlib

    letters = frozenset(c for low, high in LETTERS for c in range(low, high + 1))
    folder = Path(matplotlib.get_data_path()) / "fonts/ttf"
    rules = []
    for file, family, weight, slant in FACES:
        data = base64.b64encode(subset(folder / file, letters)).decode()
        rules.append(
            f'@font-face {{ font-family: "{family}"; font-weight: {weight}; '
            f"font-style: {slant}; "
            f'src: url("data:font/woff;base64,{data}") format("woff"); }}'
        )
    return "\n".join(rules)


def subset(path, letters):
    """The font at `path` with these letters (code points) alone, as WOFF bytes."""
    from fontTools import subset as tools

    # FFTM: a font editor's dates
    without = [*tools.Options().drop_tables, "FFTM"]
    options = tools.Options(
        flavor="woff", layout_features=["*"], hinting=False, drop_tables=without
    )
    one, written = tools.Subsetter(options), io.BytesIO()
    one.populate(unicodes=letters)
    with tools.load_font(path, options) as font:
        one.subset(font)
        tools.save_font(font, written, options)
    return written.getvalue()


def main(arguments):
    """Write the decks; the exit status."""
    parser = Parser(PROG, description="Write slides into a folder.")
    parser.add_argument("folder", metavar="FOLDER", type=Path)
    words = "pages such as 04, or all; without, the lecture in 90 minutes"
    parser.add_argument("pages", metavar="PAGE", nargs="*", help=words)
    options, numbers = parser.parse_args(arguments), page_deck.numbers()
    chosen = numbers if options.pages == ["all"] else options.pages
    for number in chosen:
        if number not in numbers:
            parser.error(f"no page {number!r}: choose of {', '.join(numbers)}, or all")
    for number in chosen:
        say(f"{PROG}: wrote {build_page(options.folder, number)}")
    if not chosen:
        say(f"{PROG}: wrote {build(options.folder, tell=say)}")
    return 0


if __name__ == "__main__":
    sys.exit(run(PROG, lambda: main(sys.argv[1:])))
