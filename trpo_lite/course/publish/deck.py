"""Slide decks as single HTML files that need no network.

    python -m trpo_lite.course deck FOLDER

writes `lecture.html`, the lecture in 90 minutes, into FOLDER. In it: arrow keys, space
and PageDown go on, Home and End to the ends, N opens the speaker's notes, B blackens the
screen; the place stands in the address; printing gives a slide a page.
"""

import base64
import html
import io
import re
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

from trpo_lite import style
from trpo_lite._terminal import Parser, say
from trpo_lite.course.publish import frames, lecture, mathematics
from trpo_lite.course.publish.slides import prose
from trpo_lite.course.widgets import Renderer

PROG = "python -m trpo_lite.course deck"
HERE = Path(__file__).resolve().parent
WIDTH, HEIGHT = 1280, 720
# a picture's place, in pixels: the slide without its head, its sentence and the margins
BOX = 1200, 548
# what a row of controls takes of it
CONTROLS = 76
# inches: so small that its smallest words, of 11 points, are 24 pixels high
FIGURE = 7.6, 3.5
FACES = (
    ("DejaVuSans.ttf", "DejaVu Sans", "normal", "normal"),
    ("DejaVuSans-Bold.ttf", "DejaVu Sans", "bold", "normal"),
    ("DejaVuSans-Oblique.ttf", "DejaVu Sans", "normal", "italic"),
    ("DejaVuSansMono.ttf", "DejaVu Sans Mono", "normal", "normal"),
)
# letters that only a widget's other pictures and the player's buttons show
PLAYED = "−×·±≤≥→√½²³∥▶❚●■◆★─αβγδεθκλσπηΔ′"
NOTE = re.compile(r'<p class="player-note">.*?</p>\n?', re.DOTALL)
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
NOTES = (
    ("People answer", "usual"),
    ("Say then", "say"),
    ("Ask next", "ask"),
)


def build(folder, pages=""):
    """Write `lecture.html` into `folder` and return its path.

    pages : where the site's pages lie, seen from there; links to slips go there.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "lecture.html"
    name = "Trust Region Policy Optimization: the lecture in 90 minutes"
    path.write_text(document(name, lecture.steps(), pages), encoding="utf-8")
    return path


def document(name, steps, pages=""):
    """The HTML of a deck of these steps."""
    style.use()
    total = sum(len(step.slides) for step in steps)
    sections, count = [], 0
    for number, step in enumerate(steps, 1):
        for slide in step.slides:
            count += 1
            sections.append(section(slide, number, step.heading, count, total))
    body = "\n".join(sections).replace('href="erratum:', f'href="{pages}{APPENDIX}#')
    player_css, player_js = frames.assets()
    parts = {
        "TITLE": html.escape(name),
        "STYLE": "\n".join(
            (
                fonts(body),
                mathematics.stylesheet(),
                player_css,
                (HERE / "deck.css").read_text("utf-8"),
            )
        ),
        "BODY": body,
        "SCRIPT": player_js + (HERE / "deck.js").read_text("utf-8"),
    }
    return re.sub("@([A-Z]+)@", lambda found: parts[found[1]], TEMPLATE)


def section(slide, number, heading, count, total):
    """One slide as an element."""
    shown, *later = slide.parts
    pressed = [f"<div data-part>{part}</div>" for part in later]
    if slide.figure:
        pressed = [f"<div data-part>{part}</div>" for part in slide.parts]
        shown = drawing(slide.figure)
    notes = "".join(
        f"<dt>{words}</dt><dd>{prose(getattr(slide.notes, field))}</dd>"
        for words, field in NOTES
    )
    minutes = f"{slide.notes.minutes:g}"
    head = "" if slide.kind == "title" else f"{number}. {prose(heading)}"
    return (
        f'<section id="slide-{count}" data-kind="{slide.kind}" data-step="{number}" '
        f'data-minutes="{minutes}" tabindex="-1" aria-label="slide {count}">'
        f"<header><h2>{head}</h2><span>{count} / {total}</span></header>"
        f'<div class="body {slide.kind}">{shown}{"".join(pressed)}</div>'
        f"<aside><dl><dt>Minutes</dt><dd>{minutes}</dd>{notes}</dl></aside></section>"
    )


def drawing(shown):
    """The element of a slide's picture, or of its widget with its controls over it."""
    if callable(shown):
        figure, alt = shown()
        svg = Renderer(fitted(figure), alt).first
        return f'<div class="drawing" style="{_size(BOX)}">{svg}</div>'
    player = frames.fragment(recording(*shown))
    # which values a slider has lost is for the speaker's notes
    player = NOTE.sub("", player)
    box = BOX[0], BOX[1] - CONTROLS
    return f'<div class="drawing alive" style="{_size(box)}">{player}</div>'


def fitted(figure):
    """The figure, in the shape of a slide's picture."""
    figure.set_size_inches(*FIGURE)
    return figure


def recording(widget, settings):
    """The frames of a widget whose pictures have a slide's shape, first at `settings`.

    Cached: the same widget may stand on two slides.
    """

    def draw(**chosen):
        return fitted(widget.draw(**chosen))

    controls = {
        name: replace(control, default=settings[name])
        for name, control in widget.controls.items()
    }
    return frames.record(replace(widget, draw=draw, controls=controls), MOST)


def _size(box):
    """CSS of the largest size of `FIGURE`'s shape within a box in pixels."""
    scale = min(box[0] / FIGURE[0], box[1] / FIGURE[1])
    width, height = (round(scale * inches) for inches in FIGURE)
    return f"--width: {width}px; --height: {height}px"


def fonts(body):
    """CSS with the letters of `body`, so that it looks the same on every machine."""
    import matplotlib

    words = html.unescape(re.sub(r"<script.*?</script>|<[^>]*>", "", body, flags=re.S))
    letters = frozenset({*words, *map(chr, range(32, 127)), *PLAYED})
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


@cache
def subset(path, letters):
    """The font at `path` with these letters alone, as WOFF bytes."""
    from fontTools import subset as tools

    options = tools.Options(flavor="woff", layout_features=["*"], hinting=False)
    font = tools.load_font(path, options)
    one = tools.Subsetter(options)
    one.populate(unicodes=map(ord, letters))
    one.subset(font)
    written = io.BytesIO()
    tools.save_font(font, written, options)
    return written.getvalue()


def main(arguments):
    """Write the deck; the exit status."""
    parser = Parser(PROG, description="Write the lecture's slides into a folder.")
    parser.add_argument("folder", metavar="FOLDER", type=Path)
    options = parser.parse_args(arguments)
    say(f"{PROG}: wrote {build(options.folder)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
