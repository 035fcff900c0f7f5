"""Every picture and widget of the lesson modules can be read: by the eye and aloud."""

import importlib
import json
import re
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import Collection
from matplotlib.colors import to_hex, to_rgba_array
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont
from matplotlib.ft2font import FT2Font
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Text

from trpo_lite import style
from trpo_lite.course.widgets import Picture, Renderer, Widget

ROOT = Path(__file__).resolve().parent.parent
LESSONS = {
    path.stem: importlib.import_module(f"trpo_lite.course.{path.stem}")
    for path in sorted((ROOT / "trpo_lite/course").glob("n[0-9][0-9].py"))
}
NAMES = list(LESSONS)
WIDGETS = [
    pytest.param(widget, id=f"{name}.{widget.draw.__name__}")
    for name in NAMES
    for widget in LESSONS[name].widgets
]


@pytest.fixture(autouse=True)
def one_style():
    with matplotlib.rc_context():
        style.use()
        yield


# --- the rules


def texts(figure):
    """The texts of a drawn figure that show something."""
    return [
        text
        for text in figure.findobj(Text)
        if text.get_visible() and text.get_text().strip() and shown(text)
    ]


def shown(text):
    """False for what hides with its axes, such as the ticks of a simplex."""
    axes = text.axes
    if axes is None:
        return True
    if not axes.get_visible():
        return False
    of_axis = [*axes.xaxis.findobj(Text), *axes.yaxis.findobj(Text)]
    return axes.axison or text not in of_axis


def pale_words(figure, least=4.5):
    """Complaints about texts whose contrast with what is behind them is too small.

    Behind a text is the commonest colour of the place where it stands.
    """
    figure.set_dpi(100)
    figure.draw_without_rendering()
    words = texts(figure)
    alphas = [text.get_alpha() for text in words]
    for text in words:
        text.set_alpha(0)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[..., :3]
    for text, alpha in zip(words, alphas, strict=True):
        text.set_alpha(alpha)
    height = pixels.shape[0]
    for text in words:
        box = text.get_window_extent()
        rows = slice(max(0, int(height - box.y1)), max(1, int(height - box.y0) + 1))
        columns = slice(max(0, int(box.x0)), max(1, int(box.x1) + 1))
        behind, counts = np.unique(
            pixels[rows, columns].reshape(-1, 3), axis=0, return_counts=True
        )
        if not counts.size:
            continue  # outside of the picture: another test's matter
        ground = behind[counts.argmax()] / 255
        color = np.array(matplotlib.colors.to_rgb(text.get_color()))
        opacity = 1 if text.get_alpha() is None else text.get_alpha()
        color = opacity * color + (1 - opacity) * ground
        ratio = style.contrast(tuple(color), tuple(ground))
        if ratio < least:
            yield f"{text.get_text()!r} has a contrast of {ratio:.2f}"


DEJAVU = FT2Font(findfont("DejaVu Sans")).get_charmap()


def empty_boxes(figure):
    """Complaints about characters that DejaVu Sans lacks, formulas aside."""
    for text in texts(figure):
        words = text.get_text()
        plain = re.sub(r"(?<!\\)\$.*?(?<!\\)\$", "", words)
        missing = {c for c in plain if c != "\n" and ord(c) not in DEJAVU}
        if missing:
            yield f"{words!r} has {sorted(missing)}, which would be empty boxes"


def boxes_in_a_browser(svg):
    """Complaints about characters of a widget that other fonts lack too.

    A widget's text is drawn by the reader's browser, formulas too, and few fonts have
    the alphabets of mathematics beyond U+FFFF.
    """
    for words in re.findall(r"<text[^>]*>(.*?)</text>", svg, re.S):
        plain = re.sub(r"<[^>]*>|\s", "", words)
        missing = {c for c in plain if ord(c) not in DEJAVU or ord(c) > 0xFFFF}
        if missing:
            yield f"{plain!r} has {sorted(missing)}, which would be empty boxes"


WORDS = dict(zip(style.COLORS, ["blue", "orange", "red", "purple", "grey", "violet"]))


def hues(artist):
    """The style's colours that a curve, an area or a mark is drawn in."""
    found = set()
    for part in ("color", "edgecolor", "facecolor", "markerfacecolor"):
        get = getattr(artist, f"get_{part}", lambda: "none")
        found |= {to_hex(c) for c in to_rgba_array(get()) if c[3] > 0}
    return found & {*WORDS}


def along_an_axis(artist):
    """Is it a level or an upright line (or none at all)?"""
    xy = artist.get_xydata() if isinstance(artist, Line2D) else np.eye(2)
    return len(xy) == 0 or (len(xy) > 1 and 0 in np.ptp(xy, 0))


def nameless(figure):
    """Complaints about colours of curves and areas that nothing in the picture names.

    A name is an entry of a legend, a text in that colour, or the colour's own name in
    words. One colour alone is named by its axis, bars by what they stand on; lines
    along an axis are left out.
    """
    figure.draw_without_rendering()
    words = texts(figure)
    said = " ".join(text.get_text() for text in words)
    named = {to_hex(text.get_color()) for text in words}
    legends = [*figure.legends, *filter(None, (a.get_legend() for a in figure.axes))]
    named |= {hue for legend in legends for a in legend.findobj() for hue in hues(a)}
    for axes in filter(lambda axes: axes.get_visible(), figure.axes):
        bars = [b for c in axes.containers if isinstance(c, BarContainer) for b in c]
        drawn = set()
        for artist in axes.get_children():
            shows = (
                isinstance(artist, (Line2D, Collection, Patch)) and artist not in bars
            )
            if shows and artist.get_visible() and not along_an_axis(artist):
                drawn |= hues(artist)
        if len(drawn) > 1 or not axes.get_ylabel():
            for hue in sorted(drawn):
                word = re.search(rf"\b{WORDS[hue]}\b", said)
                if not {hue, style.ink(hue)} & named and not word:
                    yield f"nothing names what is {WORDS[hue]}"


# --- every picture and widget


@pytest.mark.parametrize("name", NAMES)
def test_a_lesson_lists_its_pictures_and_widgets(name):
    lesson = LESSONS[name]
    made = [v for v in vars(lesson).values() if isinstance(v, Picture)]
    widgets = [v for v in made if isinstance(v, Widget)]
    assert list(lesson.pictures) == [v for v in made if not isinstance(v, Widget)]
    assert list(lesson.widgets) == widgets
    for picture in made:
        assert callable(picture.alt) or len(picture.alt) > 20


@pytest.mark.parametrize("name", NAMES)
def test_the_page_shows_every_picture_with_its_alt_text(name, monkeypatch, caplog):
    """Run the page's cells; what `show` is given is what a rule can look at."""
    drawn = []

    def show(figure, alt, dpi=100):
        drawn.append((figure, alt))

    monkeypatch.setattr("trpo_lite.course.widgets.show", show)
    monkeypatch.setattr("IPython.display.display", lambda *args, **options: None)
    (path,) = (ROOT / "notebooks").glob(f"{name[1:]}_*.ipynb")
    cells = [c for c in json.loads(path.read_text("utf-8"))["cells"] if "outputs" in c]
    names, stored = {"__name__": "page"}, []
    for cell in cells:
        exec("".join(cell["source"]), names)
        for output in cell["outputs"]:
            alt = output.get("metadata", {}).get("image/png", {}).get("alt")
            stored += [alt] if alt else []
    assert [alt for _, alt in drawn] == stored
    assert len(stored) >= len(LESSONS[name].pictures) + len(LESSONS[name].widgets)
    for figure, alt in drawn:
        assert len(alt) > 20
        assert [*pale_words(figure)] == []
        assert [*empty_boxes(figure)] == []
        assert "tick figure" in alt or [*nameless(figure)] == [], alt
    assert "does not have a glyph" not in caplog.text


@pytest.mark.parametrize("widget", WIDGETS)
def test_a_widget_can_be_read_at_all_its_settings(widget, caplog):
    render = None
    for settings in widget.settings():
        alt = widget.words(**settings)
        assert len(alt) > 20
        figure = widget.draw(**settings)
        assert [*pale_words(figure)] == []
        assert [*empty_boxes(figure)] == []
        assert "tick figure" in alt or [*nameless(figure)] == [], settings
        if render is None:
            render = Renderer(widget.draw(**settings), alt)
        assert [*boxes_in_a_browser(render(figure, alt))] == []
    assert "does not have a glyph" not in caplog.text


@pytest.mark.parametrize("widget", WIDGETS)
def test_a_widgets_words_follow_its_settings(widget):
    """A description that stays while the picture moves tells of another picture."""
    words = {widget.words(**settings) for settings in widget.settings()}
    assert len(words) > 1


# --- each rule complains


def figure_of(words, color="black", **options):
    figure = Figure(figsize=(3, 2))
    axes = figure.subplots()
    axes.text(0.1, 0.5, words, color=color, **options)
    return figure, axes


def test_pale_words_are_told():
    assert [*pale_words(figure_of("words")[0])] == []
    [complaint] = pale_words(figure_of("words", style.BLUE)[0])
    assert complaint == "'words' has a contrast of 3.09"
    assert [*pale_words(figure_of("words", alpha=0.4)[0])]
    assert [*pale_words(figure_of("words", style.ink(style.BLUE))[0])] == []
    for color, fine in (("white", True), ("black", False)):
        figure, axes = figure_of("words", color)
        axes.set_facecolor("#440154")
        assert (len([*pale_words(figure)]) == 0) == fine, color
    figure, axes = figure_of("")
    axes.plot([0, 1], label="a curve")
    axes.legend(labelcolor=style.ORANGE)
    assert [*pale_words(figure)] == ["'a curve' has a contrast of 2.15"]
    figure, axes = figure_of("")
    axes.set_title("a title", color=style.GREY, loc="left")
    assert [*pale_words(figure)] == ["'a title' has a contrast of 2.73"]
    axes.set_title("", loc="left")
    axes.tick_params(labelcolor=style.GREY)
    assert len([*pale_words(figure)]) > 5


def test_a_figure_looks_the_same_after_the_rule():
    figure, _ = figure_of("words", alpha=0.5)
    assert [*pale_words(figure)] == [*pale_words(figure)] != []


def test_empty_boxes_are_told():
    fine = figure_of("J(π′) ≥ 0, $\\mathbb{E}$ costs \\$2, Âₜ → ∞ ─ ●")[0]
    assert [*empty_boxes(fine)] == []
    [complaint] = empty_boxes(figure_of("走 fast")[0])
    assert "走" in complaint


def test_what_has_no_name_in_the_picture_is_told():
    figure, axes = figure_of("J")
    axes.set_ylabel("return")
    axes.plot([0, 1, 2], color=style.BLUE)
    axes.bar([0, 1], [1, 2], color=style.VIOLET)
    axes.axhline(1, color=style.PURPLE)
    assert [*nameless(figure)] == []  # the axis' name
    axes.axhspan(0, 1, color=style.GREY)
    [curve] = axes.plot([0, 1, 0], color=style.RED)
    told = {f"nothing names what is {word}" for word in ("blue", "grey", "red")}
    assert {*nameless(figure)} == told
    axes.text(0, 0, "J of the old", color=style.ink(style.BLUE))
    axes.set_title("grey: the region")
    curve.set_label("L")
    assert [*nameless(figure)] == ["nothing names what is red"]
    axes.legend()
    assert [*nameless(figure)] == []


def test_letters_that_browsers_lack_are_told():
    for words, fine in ((r"$\mathbb{E}[s]$", False), (r"$\gamma^t\,$ E[s²]", True)):
        svg = Renderer(figure_of(words)[0], "words").first
        assert (len([*boxes_in_a_browser(svg)]) == 0) == fine, words
