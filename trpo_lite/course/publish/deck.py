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
from functools import cache
from pathlib import Path

from trpo_lite import style
from trpo_lite._terminal import Parser, say
from trpo_lite.course.publish import lecture
from trpo_lite.course.publish.slides import prose
from trpo_lite.course.widgets import Renderer

PROG = "python -m trpo_lite.course deck"
HERE = Path(__file__).resolve().parent
WIDTH, HEIGHT = 1280, 720
# a picture's place, in pixels: the slide without its head, its sentence and the margins
BOX = 1200, 548
# inches: so small that its smallest words, of 11 points, are 24 pixels high
FIGURE = 7.6, 3.5
APPENDIX = "A_notation_and_errata.html"
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
    parts = {
        "TITLE": html.escape(name),
        "FONTS": fonts(body),
        "STYLE": (HERE / "deck.css").read_text("utf-8"),
        "BODY": body,
        "SCRIPT": (HERE / "deck.js").read_text("utf-8"),
    }
    template = (HERE / "deck.html").read_text("utf-8")
    return re.sub(r"\{\{([A-Z]+)\}\}", lambda found: parts[found[1]], template)


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
    head = "" if slide.kind == "title" else f"{number}. {html.escape(heading)}"
    return (
        f'<section id="slide-{count}" data-kind="{slide.kind}" data-step="{number}" '
        f'data-minutes="{minutes}" tabindex="-1" aria-label="slide {count}">'
        f"<header><h2>{head}</h2><span>{count} / {total}</span></header>"
        f'<div class="body {slide.kind}">{shown}{"".join(pressed)}</div>'
        f"<aside><dl><dt>Minutes</dt><dd>{minutes}</dd>{notes}</dl></aside></section>"
    )


def drawing(shown):
    """The element of a slide's picture, or of its widget."""
    if callable(shown):
        figure, alt = shown()
    else:
        one, settings = shown
        figure, alt = one.draw(**settings), one.words(**settings)
    figure = fitted(figure)
    svg = Renderer(figure, alt).first
    width, height = figure.get_size_inches()
    scale = min(BOX[0] / width, BOX[1] / height)
    size = f"width: {scale * width:.0f}px; height: {scale * height:.0f}px"
    return f'<div class="drawing" style="{size}">{svg}</div>'


def fitted(figure):
    """The figure, in the shape of a slide's picture."""
    figure.set_size_inches(*FIGURE)
    return figure


def fonts(body):
    """CSS with the letters that `body` uses, of the fonts that it is measured in."""
    import matplotlib

    used = set(html.unescape(re.sub(r"<[^>]*>", "", body))) | set(map(chr, range(32, 127)))
    folder = Path(matplotlib.get_data_path()) / "fonts/ttf"
    faces = (
        ("DejaVu Sans", folder / "DejaVuSans.ttf", "normal", "normal"),
        ("DejaVu Sans", folder / "DejaVuSans-Bold.ttf", "bold", "normal"),
        ("DejaVu Sans", folder / "DejaVuSans-Oblique.ttf", "normal", "italic"),
        ("DejaVu Sans Mono", folder / "DejaVuSansMono.ttf", "normal", "normal"),
        ("STIX Two Math", _math_font(), "normal", "normal"),
    )
    rules = []
    for family, path, weight, slant in faces:
        extra = _italics(used) if "Math" in family else set()
        data = base64.b64encode(subset(path, frozenset(used | extra))).decode()
        rules.append(
            f'@font-face {{ font-family: "{family}"; font-weight: {weight}; '
            f"font-style: {slant}; "
            f'src: url("data:font/woff;base64,{data}") format("woff"); }}'
        )
    return "\n".join(rules)


def _math_font():
    import ziamath

    return Path(ziamath.__file__).parent / "fonts/STIXTwoMath-Regular.ttf"


def _italics(used):
    """The slanted letters that a browser puts for single letters in formulas."""
    slanted = {chr(c) for c in range(0x1D434, 0x1D468)} | {"\u210e"}
    return slanted | {chr(c) for c in range(0x1D6E2, 0x1D71C)}


@cache
def subset(path, characters):
    """The font at `path` with these characters alone, as WOFF bytes."""
    from fontTools import subset as fonttools

    options = fonttools.Options(flavor="woff", layout_features=["*"], notdef_outline=True)
    options.drop_tables += ["FFTM"]
    font = fonttools.load_font(str(path), options)
    one = fonttools.Subsetter(options)
    one.populate(unicodes=map(ord, characters))
    one.subset(font)
    font.flavor = "woff"
    font.recalcTimestamp = False
    written = io.BytesIO()
    font.save(written)
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
