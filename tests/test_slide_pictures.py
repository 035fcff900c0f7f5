"""A picture's shape on a slide: its size, its rows, its words."""

import numpy as np
import pytest
from matplotlib.text import Text

from trpo_lite import plots, style
from trpo_lite.course import n14
from trpo_lite.course.publish import deck, picture
from trpo_lite.course.publish.lecture import third
from trpo_lite.course.publish.pages import pictures, value
from trpo_lite.course.publish.slides import Notes, Slide
from trpo_lite.course.widgets import Renderer


@pytest.fixture(autouse=True)
def styled():
    style.use()


def panels(rows, cols, **options):
    """A figure of lines, the x axis named under the last row alone."""
    figure, cells = plots.figure(rows, cols, (9, 6), squeeze=False, **options)
    for i, axes in enumerate(cells.flat):
        axes.plot([0, 1], [0, i])
        axes.set_title(f"panel {i}")
    for axes in cells[-1]:
        axes.set_xlabel("steps")
    return figure, cells


def sizes(figure):
    texts = (one for one in figure.findobj(Text) if one.get_text())
    return [one.get_fontsize() for one in texts]


def test_a_words_pixels_follow_from_its_points_and_its_place():
    figure = picture.fitted(panels(1, 2)[0])
    width, height = figure.get_size_inches()
    assert width / height == pytest.approx(1200 / 548)
    assert 24 <= picture.LEAST / 72 * 1200 / width <= 24.2


def test_small_words_are_drawn_larger_and_large_ones_as_they_are():
    figure, cells = panels(1, 1)
    cells[0, 0].tick_params(labelsize=8)
    cells[0, 0].annotate("small", (0, 0), fontsize=7)
    figure.draw_without_rendering()
    assert min(sizes(figure)) == 7
    picture.legible(figure).draw_without_rendering()
    assert min(sizes(figure)) == picture.LEAST
    assert max(sizes(figure)) == 13


def test_each_row_of_many_panels_is_shown_alone():
    figure, cells = panels(2, 3)
    cells[1, 2].axis("off")
    cells[1, 2].cla()
    cells[1, 2].set_axis_off()
    bar = figure.colorbar(cells[1, 1].imshow(np.eye(2)))
    first, second = picture.rows(figure)
    assert first == list(cells[0]) and second == list(cells[1, :2])
    for row, others in ((first, second), (second, first), (first, second)):
        picture.fitted(picture.only(figure, row))
        assert all(axes.get_visible() for axes in row)
        assert not any(axes.get_visible() for axes in others)
        assert bar.ax.get_visible() == (row is second)
        assert [axes.get_xlabel() for axes in row[:2]] == ["steps"] * 2
        # all of the place is theirs
        width, height = figure.get_size_inches()
        boxes = [axes.get_tightbbox() for axes in row]
        assert max(box.y1 for box in boxes) > 0.95 * height * figure.dpi
        assert min(box.y0 for box in boxes) < 0.05 * height * figure.dpi
        assert max(box.x1 for box in (*boxes, bar.ax.get_tightbbox() or boxes[0])) > (
            0.95 * width * figure.dpi
        )


@pytest.mark.parametrize("rows, groups", [(1, [1]), (3, [3]), (4, [2, 2]), (5, [3, 2])])
def test_rows_of_single_panels_come_together(rows, groups):
    figure, _ = panels(rows, 1)
    assert [len(group) for group in picture.rows(figure)] == groups


def test_long_words_get_a_second_line_and_words_above_stay_inside():
    figure, cells = panels(1, 4)
    axes = cells[0, 3]
    axes.set_title("a title that is far too long")
    axes.set_xlabel("an axis with many words about it")
    plots.words_above(axes, ("words above that begin at the panel", style.BLUE))
    assert picture.snug(figure)
    picture.fitted(figure)
    assert axes.get_title("left") == "a title that is\nfar too long"
    assert axes.get_xlabel() == "an axis with many\nwords about it"
    for words, broken in (
        ("gain over p = 0.1 (return)", "gain over p = 0.1\n(return)"),
        ("a = b", "a = b"),
    ):
        axes.set_ylabel(words)
        picture._break(axes.yaxis.label, 1, "height")
        assert axes.get_ylabel() == broken
    axes.set_ylabel("")
    assert max(picture._out(figure)) < picture.OUT
    assert not picture.snug(figure)


def test_panels_placed_by_hand_move_in():
    figure, cells = panels(1, 1, layout=None)
    cells[0, 0].set_position((0, 0, 1, 1))
    assert max(picture._out(figure)) > 0.1
    picture.fitted(figure)
    assert max(picture._out(figure)) < 0.02


def titled(axes):
    return axes.get_title(loc="left")


def test_a_slide_of_many_panels_is_a_slide_a_row_with_its_share_of_the_minutes():
    figure, cells = panels(3, 2)
    slide = Slide(
        "picture", ("<p>read</p>",), Notes(1.5, "a", "b", "c"), lambda: (figure, "alt")
    )
    found = deck.by_rows(slide)
    assert [one.notes.minutes for one in found] == [0.5] * 3
    assert [one.parts for one in found] == [(), (), ("<p>read</p>",)]
    for i, one in enumerate(found):
        shown, alt = one.figure()
        assert alt == f"Part {i + 1} of 3: alt"
        there = [axes for axes in shown.axes if axes.get_visible()]
        assert [titled(axes) for axes in there] == [titled(axes) for axes in cells[i]]
    assert all(axes.get_visible() for axes in figure.axes)  # the lesson's is as it was
    single, _ = panels(1, 2)
    (one,) = deck.by_rows(
        Slide("picture", (), Notes(1, "a", "b", "c"), lambda: (single, "alt"))
    )
    shown, alt = one.figure()
    assert alt == "alt" and len(shown.axes) == 2


def test_who_leads_is_what_page_15_says():
    leads = third._leads(value("15", "runs", "curves"))
    words = pictures("15")[0][1].partition("by the evaluation's median: ")[2]
    ends = [one.rsplit(" ", 1)[1] for one in words.strip(".").split(", ")]
    assert leads == {name: ends.count(name) for name in leads}


def test_a_deck_leaves_a_lessons_figures_as_they_are(monkeypatch):
    """Some are drawn once and moved from then on, page 14's clipped objective too."""
    monkeypatch.setattr(deck, "MOST", 1)
    style.use()
    widget = n14.clipped

    def drawn():
        return Renderer(widget.draw(**widget.defaults), "").first

    before = drawn()
    deck.drawing((widget, widget.defaults), "a-")
    deck.drawing(lambda: (widget.draw(**widget.defaults), ""), "b-")
    assert drawn() == before
