"""A picture in the shape of its place on a slide, its words large enough to project.

    legible(figure)            # no word smaller than `LEAST` points
    fitted(figure, (1200, 548))    # ... in the shape of a place of so many pixels
    for row in rows(figure):   # a picture of many panels, some rows of them at a time
        only(figure, row)

A figure's inches follow from its place, so that words of `LEAST` points are `PIXELS`
high on the slide. Panels in rows have no room for that on one slide: they get one slide
a row, with the legend, and with the label of the axis that stood under the last row.
"""

import copy
import math
import re

# a place, in pixels: the slide without its head, its sentence and the margins
BOX = 1200, 548
# and where it has no sentence
ALONE = 1200, 630
# what a row of controls takes of it, and the padding of a widget's picture
CONTROLS, PADDING = 76, 40
# points of a picture's smallest words, and what they are on the slide
LEAST, PIXELS = 11, 24.1
# a widget's part of its figure: axes stay in place when tick labels become wider
MARGINS = 0.02, 0, 0.965, 1
# inches by which words may stick out of a figure: a letter's own margin
OUT = 0.015
# an axis's label may be so much longer than its panel
LONG = 1.1
# inches that a row needs which is one panel; with more panels in it it has all
ROW = 1.15


def inches(box):
    """(width, height) of a figure for this place."""
    scale = 72 * PIXELS / LEAST
    return box[0] / scale, box[1] / scale


def beside_controls(box):
    """What is left of a place for a widget's picture."""
    return box[0] - PADDING, box[1] - CONTROLS


def copied(figure):
    """A copy to change: lessons keep some of their figures, and draw on them again."""
    return copy.deepcopy(figure)


def legible(figure):
    """The figure, with no word smaller than `LEAST` points."""
    from matplotlib.text import Text

    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            if axis.get_tick_params().get("labelsize", LEAST) < LEAST:
                axis.set_tick_params(which="both", labelsize=LEAST)
    for text in figure.findobj(Text):
        if text.get_fontsize() < LEAST:
            text.set_fontsize(LEAST)
    return figure


def fitted(figure, box=BOX):
    """The figure, in the shape of its place; its own, if words stick out."""
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    own = tuple(figure.get_size_inches())
    layout = figure.get_layout_engine()
    ways = [(inches(box), None), (own, None)]
    if isinstance(layout, ConstrainedLayoutEngine):
        ways.insert(1, (inches(box), MARGINS))
    for size, margins in ways:
        legible(figure).set_size_inches(*size)
        if margins:
            layout.set(rect=margins)
        for _ in range(2):  # axes of equal units settle with the second
            snug(figure)
        figure.draw_without_rendering()
        if max(_out(figure)) < OUT:
            break
    return figure


def snug(figure):
    """Draw the figure, and give what does not fit its panel or the figure room.

    Returns whether something had to move.
    """
    figure.draw_without_rendering()
    moved = figure.get_layout_engine() is None and _make_room(figure)
    for axes in figure.axes:
        if axes.get_visible():
            wide, high = axes.bbox.width, axes.bbox.height
            labels = axes.xaxis.label, axes.yaxis.label
            moved |= _break(_title(axes), wide, "width")
            moved |= _break(labels[0], LONG * wide, "width")
            moved |= _break(labels[1], LONG * high, "height")
            moved |= _fold_legend(axes) | _pull_in(axes)
    return moved


def _out(figure):
    """By how many inches the figure's words stick out: left, below, right, above."""
    drawn, (wide, high) = figure.get_tightbbox(), figure.get_size_inches()
    return -drawn.x0, -drawn.y0, drawn.x1 - wide, drawn.y1 - high


def _make_room(figure):
    """Panels placed by hand move inwards as far as their words stick out."""
    wide, high = figure.get_size_inches()
    left, below, right, above = (max(0, out) for out in _out(figure))
    for axes in figure.axes:
        x, y, w, h = axes.get_position().bounds
        across, up = wide / (wide + left + right), high / (high + below + above)
        place = (x + left / wide) * across, (y + below / high) * up
        axes.set_position((*place, w * across, h * up))
    return max(left, below, right, above) > 0


def _title(axes):
    """The title at the left, as the course has it: a `Text`, or None."""
    from matplotlib.text import Text

    words = axes.get_title("left")
    titles = (one for one in axes.get_children() if type(one) is Text)
    return next((one for one in titles if words and one.get_text() == words), None)


def _break(text, room, side):
    """Words longer than their room get a second line, from about the middle on.

    Better before a bracket, and never beside an equals sign.
    """
    words = text.get_text() if text else ""
    spaces = [one.start() for one in re.finditer(r"(?<!=) (?!=)", words)]
    if not spaces or "\n" in words:
        return False
    if getattr(text.get_window_extent(), side) <= room:
        return False

    def off(i):
        return abs(i - len(words) / 2) - 6 * (words[i + 1] == "(")

    middle = min(spaces, key=off)
    text.set_text(f"{words[:middle]}\n{words[middle + 1 :]}")
    return True


def _fold_legend(axes):
    """A legend wider than its panel gets one column, where most is free."""
    legend = axes.get_legend()
    wide = legend and legend.get_window_extent().width > axes.bbox.width
    if wide:
        axes.legend(fontsize=LEAST)
    return bool(wide)


def _pull_in(axes):
    """Words over a panel that stick out at the right begin more to the left."""
    from matplotlib.text import Annotation

    moved = False
    for text in axes.texts:
        out = text.get_window_extent().x1 + 3 - axes.figure.bbox.x1
        if out > 0 and type(text) is Annotation and text.anncoords == "offset points":
            text.xyann = text.xyann[0] - 72 * out / axes.figure.dpi, text.xyann[1]
            moved = True
    return moved


def rows(figure):
    """The figure's panels in groups that have a slide each, as lists of axes.

    Rows of more than one panel have one slide each; of single panels, such as a film's,
    as many come together as have `ROW` inches each. A figure whose panels were placed
    by hand is one group.
    """
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    panels = [axes for axes in figure.axes if axes.get_subplotspec()]
    panels = [axes for axes in panels if axes.axison or axes.has_data()]
    if not panels or not isinstance(
        figure.get_layout_engine(), ConstrainedLayoutEngine
    ):
        return [panels]
    grid = panels[0].get_gridspec()
    together = 1
    if grid.ncols == 1:
        slides = math.ceil(grid.nrows / int(inches(BOX)[1] / ROW))
        together = math.ceil(grid.nrows / slides)
    return [
        [axes for axes in panels if i <= _place(axes)[0] < i + together]
        for i in range(0, grid.nrows, together)
    ]


def only(figure, row):
    """The figure with these panels alone, one of its `rows`, over all of its place."""
    from matplotlib.gridspec import GridSpec

    grid, places = row[0].get_gridspec(), [_place(axes) for axes in row]
    heights, widths = grid.get_height_ratios(), grid.get_width_ratios()
    first, last = places[0][0], places[-1][0] + 1
    columns = max(j for _, j in places) + 1
    panels = [axes for axes in figure.axes if axes.get_subplotspec()]
    below = {_place(axes)[1]: axes.get_xlabel() for axes in panels if axes.get_xlabel()}
    bars = {
        image.colorbar.ax: axes
        for axes in panels
        for image in (*axes.images, *axes.collections)
        if image.colorbar
    }
    figure.set_layout_engine("constrained")  # after a row before, which has none left
    for axes in figure.axes:
        shown = bars.get(axes, axes) in row
        axes.set_visible(shown)
        axes.set_in_layout(shown)
    smaller = GridSpec(
        last - first,
        columns,
        figure=figure,
        height_ratios=heights[first:last],
        width_ratios=widths[:columns],
    )
    for axes, (i, j) in zip(row, places, strict=True):
        axes.set_subplotspec(smaller[i - first, j])
        if i == last - 1 and not axes.get_xlabel():
            axes.set_xlabel(below.get(j, ""))
    return figure


def _place(axes):
    """(row, column) of a panel."""
    spec = axes.get_subplotspec()
    return spec.rowspan.start, spec.colspan.start
