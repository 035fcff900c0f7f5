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
from trpo_lite.course.publish import frames, lecture, mathematics, page_deck
from trpo_lite.course.publish.pages import path_of
from trpo_lite.course.publish.slides import prose
from trpo_lite.course.widgets import Renderer
from trpo_lite.course.working_copy import COURSE
from trpo_lite.files import write

PROG = "python -m trpo_lite.course.publish.deck"
HERE = Path(__file__).resolve().parent
# a picture's place, in pixels: the slide without its head, its sentence and the margins
BOX = 1200, 548
# and where it has no sentence
ALONE = 1200, 630
# what a row of controls takes of it, and the padding of a widget's picture
CONTROLS, PADDING = 76, 40
# inches: so small that its smallest words, of 11 points, are 24 pixels high
FIGURE = 7.4, 3.4
# a widget's part of that: axes stay in place when tick labels become wider; and that of
# many panels
MARGINS = 0.02, 0, 0.965, 1
# pixels of the smallest words of a picture with many panels
SMALLEST = 20.2
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


def build(folder, pages=""):
    """Write the deck into `folder` and return its path.

    pages : where the site's pages lie, seen from there; links to pages go there.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "lecture.html"
    write(path, document(NAME, lecture.steps(), pages).encode())
    return path


def build_page(folder, number):
    """Write the deck of the page with this number, such as "04"; return its path."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    name, steps = page_deck.name(number), page_deck.steps(number)
    path = folder / f"{path_of(number).stem}.html"
    css = (HERE / "page_deck.css").read_text("utf-8")
    write(path, document(name, steps, css=css).encode())
    return path


def document(name, steps, pages="", css=""):
    """The HTML of a deck of these steps; `css` goes after the deck's own."""
    style.use()
    count = itertools.count(1)
    body = "\n".join(
        section(slide, i, slide.heading or f"{i}. {step.heading}", next(count))
        for i, step in enumerate(steps, 1)
        for slide in step.slides
    )
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
        box = BOX if slide.parts else ALONE
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


def drawing(shown, prefix, box=BOX):
    """The element of a slide's picture, or of its widget with its controls over it."""
    if callable(shown):
        figure, alt = shown()
        svg = own(Renderer(fitted(figure, box), alt).first, prefix)
        size = _size(box, figure.get_size_inches())
        return f'<div class="drawing" style="{size}">{svg}</div>'
    recorded = recording(*shown)
    looks = tuple(tuple(own(svg, prefix) for svg in look) for look in recorded.looks)
    pictures = tuple(
        (look, own(svg, prefix), alt) for look, svg, alt in recorded.pictures
    )
    recorded = replace(recorded, looks=looks, pictures=pictures)
    player = frames.fragment(recorded)
    box = box[0] - PADDING, box[1] - CONTROLS
    return f'<div class="drawing alive" style="{_size(box, FIGURE)}">{player}</div>'


def own(svg, prefix):
    """The SVG with names that no other slide has: what is hidden fills no pattern."""
    return re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{prefix}", svg)


def fitted(figure, box=BOX):
    """The figure, in the shape of its place; its own, if words stick out."""
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    own_size = tuple(figure.get_size_inches())
    for size in (shape(figure, box), own_size):
        figure.set_size_inches(*size)
        layout = figure.get_layout_engine()
        if size[0] > FIGURE[0] and isinstance(layout, ConstrainedLayoutEngine):
            layout.set(rect=MARGINS)
        for _ in range(2):  # axes of equal units settle with the second
            figure.draw_without_rendering()
        box = figure.get_tightbbox()
        if max(-box.x0, -box.y0, box.x1 - size[0], box.y1 - size[1]) < 0.015:
            break
    return figure


def shape(figure, box):
    """Inches of a figure for this place: panels in rows get more than one panel.

    So much that the smallest words are as small as may be.
    """
    from matplotlib.text import Text

    high = FIGURE[1] * box[1] / BOX[1]
    specs = filter(None, (axes.get_subplotspec() for axes in figure.axes))
    if len({spec.rowspan.start for spec in specs}) < 2:
        return FIGURE[0], high
    figure.draw_without_rendering()  # the axes' numbers come with it
    words = (text for text in figure.findobj(Text) if text.get_text())
    least = min(text.get_fontsize() for text in words if text.get_visible())
    more = max(1, box[0] * least / (72 * SMALLEST) / FIGURE[0])
    return FIGURE[0] * more, high * more


def recording(widget, settings):
    """A widget's frames in a slide's shape, first at `settings`."""
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    def draw(**chosen):
        figure = widget.draw(**chosen)
        figure.set_size_inches(*FIGURE)
        layout = figure.get_layout_engine()
        if isinstance(layout, ConstrainedLayoutEngine):  # not a figure drawn before
            layout.set(rect=MARGINS)
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
        say(f"{PROG}: wrote {build(options.folder)}")
    return 0


if __name__ == "__main__":
    sys.exit(run(PROG, lambda: main(sys.argv[1:])))
