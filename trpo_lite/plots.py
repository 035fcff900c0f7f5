"""Figures of the course, and the one way of showing them on a page.

Each function takes arrays and words and returns a `matplotlib.figure.Figure`, without
pyplot and its list of open figures; so the same function draws for a page, a slider and
a test. Call `style.use()` first. Matplotlib is imported when a figure is made.

    figure, words_above          what every drawing of a lesson starts from
    lines                        curves over one x
    learning_curves, dashboard   runs: returns with bands, diagnostics side by side
    cell_map, two_maps           numbers on the cells of a grid world
    barycentric, simplex_axes    the triangle of distributions over three actions
    show, png                    a figure on the page, with its description in words
"""

import base64
import html
import io
import os

import numpy as np

from . import style
from ._check import finite

# FrozenLake's order, as (row, column) steps: left, down, right, up
MOVES = ((0, -1), (1, 0), (0, 1), (-1, 0))

# a panel's title -> the columns of a `History` that it shows, by their labels
PANELS = {
    "mean return": {"return": "return_mean"},
    "KL": {"KL of the step": "kl"},
    "surrogate L": {"on the sample": "surrogate", "predicted": "predicted_surrogate"},
    "backtracks": {"backtracks": "backtracks"},
    "entropy": {"entropy": "entropy"},
    "explained variance": {"of the baseline": "explained_variance"},
}


def show(figure, alt, dpi=100):
    """Display `figure` as a PNG that carries `alt`, its description in words.

    The text form is the description too, for readers and viewers without pictures.
    Under a Jupyter server there is an HTML form as well, twice as fine: JupyterLab
    shows the alt text of that one only.
    """
    from IPython.display import display

    if not alt or not alt.strip():
        raise ValueError("alt must say in words what the figure shows, got nothing")
    bundle = {
        "image/png": base64.b64encode(png(figure, dpi)).decode(),
        "text/plain": f"Figure: {alt}",
    }
    if "JPY_SESSION_NAME" in os.environ:  # set for the kernels that a server starts
        fine = base64.b64encode(png(figure, 2 * dpi)).decode()
        width = round(figure.get_figwidth() * dpi)
        bundle["text/html"] = img(fine, alt, f' width="{width}"')
    display(bundle, raw=True, metadata={"image/png": {"alt": alt}})


def img(data, alt, more=""):
    """The HTML element of a PNG given in base64, no wider than its column."""
    return (
        f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{data}"{more} '
        'style="max-width: 100%">'
    )


def png(figure, dpi=100):
    """`figure` as PNG bytes with at most 256 colours, a third of the usual size."""
    from PIL import Image  # comes with matplotlib

    drawn, small = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=dpi)
    colours = Image.open(drawn).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    colours.save(small, "png", optimize=True)  # without matplotlib's version in it
    return small.getvalue()


def figure(rows=1, cols=1, size=None, layout="constrained", **options):
    """(figure, its axes): panels that fit their labels by themselves.

    size : (width, height) in inches, a hundred pixels each.
    options : of `Figure.subplots`, such as `sharey` and `width_ratios`.
    """
    from matplotlib.figure import Figure

    fig = Figure(figsize=size, layout=layout)
    return fig, fig.subplots(rows, cols, **options)


def words_above(axes, *lines):
    """Coloured words over `axes`, the first line on top; cheaper than a legend.

    lines : pairs (words, the colour of what they name). Returns the texts, in order.
    """
    return [
        axes.annotate(
            words,
            (0, 1),
            (0, 5 + 17 * i),
            xycoords="axes fraction",
            textcoords="offset points",
            color=style.ink(color),
        )
        for i, (words, color) in zip(reversed(range(len(lines))), lines)
    ]


def lines(x, curves, xlabel="", ylabel="", title="", logy=False):
    """Curves over one x [N], one colour and line style each, named at their right ends.

    curves : {label: y [N]}; gaps where y is not finite.
    """
    fig, axes = figure()
    x = np.asarray(x, dtype=np.float64)
    axes.set(yscale="log" if logy else "linear")
    ends = []
    for i, (label, y) in enumerate(curves.items()):
        y = np.asarray(y, dtype=np.float64)
        if y.shape != x.shape:
            raise ValueError(f"{label!r} has shape {y.shape}, expected {x.shape} as x")
        y = np.where(np.isfinite(y), y, np.nan)
        line = style.line(i)
        axes.plot(x, y, **line)
        known = np.flatnonzero(np.isfinite(y) & ((y > 0) | (not logy)))
        if known.size:
            ends.append((label, x[known[-1]], y[known[-1]], line["color"]))
    axes.set(xlabel=xlabel, ylabel=ylabel, title=title)
    axes.margins(x=0.01)
    _end_labels(axes, ends)
    return fig


def learning_curves(
    histories,
    threshold=None,
    xlabel="environment steps",
    ylabel="return",
    title="",
    band=(25, 75),
):
    """Median over seeds as a line, the `band` percentiles as an area around it.

    histories : {label: (steps [T], returns [n_seeds, T])}; NaN where no episode ended.
    threshold : None or (value, label), a dashed line to reach.
    """
    fig, axes = figure()
    ends = []
    for i, (label, (steps, returns)) in enumerate(histories.items()):
        steps, returns = np.asarray(steps), np.atleast_2d(returns)
        if returns.shape[1:] != steps.shape:
            raise ValueError(
                f"returns of {label!r} has shape {returns.shape}, expected "
                f"(n_seeds, {len(steps)}) as there are {len(steps)} steps"
            )
        seen = np.isfinite(returns).any(0)
        if not seen.any():
            raise ValueError(f"returns of {label!r} holds no finite number")
        steps = steps[seen]
        low, middle, high = np.nanpercentile(
            returns[:, seen], (band[0], 50, band[1]), 0
        )
        line = style.line(i)
        axes.fill_between(steps, low, high, color=line["color"], alpha=0.2, linewidth=0)
        axes.plot(steps, middle, **line)
        ends.append((label, steps[-1], middle[-1], line["color"]))
    if threshold is not None:
        _reference(axes, *threshold)
    axes.set(xlabel=xlabel, ylabel=ylabel, title=title)
    axes.margins(x=0.01)
    thousands(axes.xaxis)
    _end_labels(axes, ends)
    return fig


def dashboard(history, title="", panels=None, limits=None):
    """The diagnostics of one run, a panel each over its environment steps.

    history : a `History`, or any mapping of columns [K] with "steps" among them.
    panels : {title: {label: column}}, by default `PANELS`; columns that are absent or
        all NaN are left out, and so is a panel that has none.
    limits : {title: (value, label)}, a dashed line in that panel, such as delta.
    """
    columns = getattr(history, "columns", history)
    if "steps" not in columns:
        raise ValueError(f"history has no column 'steps', found {', '.join(columns)}")
    steps, limits = np.asarray(columns["steps"]), limits or {}
    shown = {}
    for name, wanted in (PANELS if panels is None else panels).items():
        found = {
            label: np.asarray(columns[key], dtype=np.float64)
            for label, key in wanted.items()
            if key in columns and np.isfinite(np.asarray(columns[key], float)).any()
        }
        if found:
            shown[name] = found
    if not shown:
        raise ValueError("history has none of the columns that the panels show")
    n_cols = min(3, len(shown))
    n_rows = -(-len(shown) // n_cols)
    fig, grid = figure(n_rows, n_cols, (3.3 * n_cols + 0.4, 2.3 * n_rows + 0.5))
    cells = np.ravel(grid)
    for axes, (name, found) in zip(cells, shown.items(), strict=False):
        for i, (label, y) in enumerate(found.items()):
            marker = {"marker": "o", "markersize": 4} if len(y) < 25 else {}
            axes.plot(steps, y, label=label, **style.line(i), **marker)
        if name in limits:
            _reference(axes, *limits[name])
        if len(found) > 1:
            low, high = axes.get_ylim()
            axes.set_ylim(low, high + 0.25 * (high - low))
            short = dict(handlelength=1.6, columnspacing=1, borderaxespad=0.1)
            axes.legend(loc="upper right", fontsize=10.5, ncols=2, **short)
        axes.set(title=name)
        axes.set_xlim(0, steps.max() * 1.02)
        axes.locator_params(axis="x", nbins=4)
        thousands(axes.xaxis)
    for axes in cells[len(shown) :]:
        axes.set_visible(False)
    for axes in cells[: len(shown)][-n_cols:]:
        axes.set_xlabel("environment steps")
    fig.suptitle(title or None, x=0.01, ha="left")
    return fig


def cell_map(
    axes,
    values,
    shape,
    policy=None,
    letters=None,
    title="",
    label="",
    numbers="{:.2f}",
    limits=None,
):
    """Draw numbers [S] on the cells of a grid world of `shape` (rows, columns).

    policy : [S, A], drawn as arrows in the directions `MOVES`, the longest for the
        likeliest action, the others in proportion; none on cells marked H or G.
    letters : what a cell is, one letter each: S start, G goal, H hole, anything else
        is left blank. Rows of text or of Gymnasium's bytes.
    label : of the colour bar; no bar if empty. limits : (low, high) of the colours.
    numbers : format of the numbers in the cells, None for none.
    """
    rows, cols = shape
    values = np.asarray(values, dtype=np.float64)
    if values.shape != (rows * cols,):
        raise ValueError(
            f"values has shape {values.shape}, expected ({rows * cols},) for {shape}"
        )
    kinds = _letters(letters, shape)
    if policy is not None:
        policy = finite("policy", policy, (rows * cols, len(MOVES)))
    low, high = limits or (np.nanmin(values), np.nanmax(values))
    high = high if high > low else low + 1
    image = axes.imshow(values.reshape(shape), vmin=low, vmax=high)
    axes.set_facecolor(style.GREY)
    if label:
        bar = axes.figure.colorbar(image, ax=axes, shrink=0.9, pad=0.03, aspect=18)
        bar.set_label(label)
        bar.outline.set_visible(False)
    arrows = []
    for state, v in enumerate(values):
        row, col = divmod(state, cols)
        kind = kinds[row][col]
        ground = image.cmap(image.norm(v)) if np.isfinite(v) else style.GREY
        ink = max(("white", "black"), key=lambda c: style.contrast(c, ground))
        pointing = policy is not None and kind not in "HG"
        if pointing:
            for (dy, dx), p in zip(
                MOVES, policy[state] / policy[state].max(), strict=True
            ):
                if p > 0.02:
                    # one arrow alone is centred
                    back = 0.5 if policy[state].max() > 0.99 else 0
                    tail = col - 0.32 * back * dx, row - 0.13 - 0.32 * back * dy
                    length = 0.32 * (p + 0.5 * back)
                    arrows.append((*tail, length * dx, length * dy, ink))
        if numbers is not None and np.isfinite(v):
            low_down = pointing or kind.strip()
            text = numbers.format(v)
            text = numbers.format(0) if text == numbers.format(-0.0) else text
            y = row + (0.36 if low_down else 0)
            axes.text(col, y, text, color=ink, ha="center", va="center", fontsize=10.5)
        if kind.strip():
            place = dict(ha="left", va="center", fontsize=12, fontweight="bold")
            axes.text(col - 0.44, row - 0.32, kind, color=ink, **place)
    if arrows:
        *places, inks = zip(*arrows, strict=True)
        in_cells = dict(angles="xy", scale_units="xy", scale=1, units="inches")
        head = dict(headwidth=4.5, headlength=4.5, headaxislength=4.2, minlength=0)
        axes.quiver(*places, color=inks, width=0.022, **in_cells, **head)
    edge = dict(color="white", linewidth=1.5)
    axes.hlines(np.arange(1, rows) - 0.5, -0.5, cols - 0.5, **edge)
    axes.vlines(np.arange(1, cols) - 0.5, -0.5, rows - 0.5, **edge)
    axes.grid(False)
    axes.tick_params(length=0)
    axes.set_xticks(np.arange(cols))
    axes.set_yticks(np.arange(rows))
    axes.spines[:].set_visible(False)
    axes.set(xlabel="column", ylabel="row", title=title)


def two_maps(
    one,
    other,
    shape,
    titles,
    policy=None,
    letters=None,
    labels=("", ""),
    numbers=("{:.2f}", "{:.2f}"),
    limits=None,
):
    """A figure of two `cell_map`s side by side, one above the other if they are wide.

    policy : [S, A], arrows on the first map.
    limits : (low, high) of the colours of both maps, or None: each its own.
    """
    wide = shape[1] > 2 * shape[0]
    cell = np.clip(5.5 / max(shape), 0.55, 0.95 if wide else 0.8)
    width = cell * shape[1] + (1.6 if any(labels) else 0.8)
    height = cell * shape[0] + 0.85
    size = (width, 2 * height) if wide else (2 * width, height)
    fig, cells = figure(*((2, 1) if wide else (1, 2)), size, "compressed")
    each = zip(
        cells, (one, other), (policy, None), titles, labels, numbers, strict=True
    )
    for axes, values, arrows, title, label, number in each:
        cell_map(axes, values, shape, arrows, letters, title, label, number, limits)
    return fig


def barycentric(p):
    """Distributions over three actions [..., 3] -> points [..., 2] of the triangle.

    Action 1 is the corner (0, 0), action 2 (1, 0) and action 3 (1/2, sqrt(3)/2).
    """
    p = finite("p", p)
    if p.shape[-1:] != (3,):
        raise ValueError(f"p has shape {p.shape}, expected (..., 3)")
    return p @ np.array([[0, 0], [1, 0], [0.5, np.sqrt(3) / 2]])


def simplex_axes(axes, labels=("action 1", "action 2", "action 3"), grid=0.25):
    """Make `axes` the triangle of all distributions over three actions.

    Thin lines are where one probability is a multiple of `grid`.
    """
    for i in range(3):
        j, k = (i + 1) % 3, (i + 2) % 3
        for level in np.arange(0, 1 - 1e-9, grid):
            ends = np.zeros((2, 3))
            ends[:, i] = level
            ends[0, j] = ends[1, k] = 1 - level
            color, width = (style.INK, 1.5) if level == 0 else ("#d8d8dc", 0.8)
            line = dict(color=color, linewidth=width, linestyle="-")
            axes.plot(*barycentric(ends).T, zorder=1, **line)
    for corner, label, (dx, dy), where in zip(
        np.eye(3),
        labels,
        ((-0.02, -0.03), (0.02, -0.03), (0, 0.03)),
        (("center", "top"), ("center", "top"), ("center", "bottom")),
        strict=True,
    ):
        x, y = barycentric(corner)
        axes.text(x + dx, y + dy, label, ha=where[0], va=where[1])
    axes.set(xlim=(-0.12, 1.12), ylim=(-0.12, 0.98), aspect="equal")
    axes.set_axis_off()
    return axes


def _reference(axes, at, label):
    """A dashed line across the picture, named beside it."""
    axes.axhline(at, color=style.INK, linewidth=1.4, linestyle=(0, (4, 3)), zorder=1.5)
    low, high = axes.get_ylim()
    if at > high - 0.16 * (high - low):
        axes.set_ylim(low, at + 0.2 * (at - low))  # room for the words
    box = dict(boxstyle="square,pad=0.1", facecolor="white", alpha=0.75, linewidth=0)
    words = dict(textcoords="offset points", fontsize=11, color=style.INK, bbox=box)
    where = axes.get_yaxis_transform()
    axes.annotate(label, (0, at), (4, 3), xycoords=where, va="bottom", **words)


def _end_labels(axes, ends, gap=0.075):
    """Names beside the curves' right ends, moved apart so that none overlap.

    ends : rows (label, x, y, color).
    """
    if not ends:
        return
    axes.get_ylim()  # settles the limits
    to_axes = axes.transAxes.inverted()
    heights = np.array(
        [to_axes.transform(axes.transData.transform(e[1:3]))[1] for e in ends]
    )
    order = np.argsort(heights, kind="stable")
    spread = heights[order]
    for _ in range(100):
        close = np.diff(spread) < gap - 1e-6
        if not close.any():
            break
        push = np.where(close, (gap - np.diff(spread)) / 2, 0)
        spread[1:] += push
        spread[:-1] -= push
    for i, height in zip(order, spread, strict=True):
        label, *_, color = ends[i]
        place = dict(transform=axes.transAxes, ha="left", va="center", fontsize=12)
        axes.text(1.015, height, label, color=style.ink(color), **place)


def thousands(axis):
    """Ticks as 0, 50k, 100k, 1M: environment steps are large."""
    from matplotlib.ticker import FuncFormatter

    def words(x, _):
        for size, letter in ((1e6, "M"), (1e3, "k")):
            if abs(x) >= size:
                return f"{x / size:g}{letter}"
        return f"{x:g}"

    axis.set_major_formatter(FuncFormatter(words))


def _letters(letters, shape):
    """Rows of one-letter strings; blank where there is nothing to say."""
    if letters is None:
        return [[" "] * shape[1]] * shape[0]
    rows = [
        [
            c.decode()
            if isinstance(c, bytes)
            else chr(c)
            if isinstance(c, int)
            else str(c)
            for c in row
        ]
        for row in letters
    ]
    if [len(row) for row in rows] != [shape[1]] * shape[0]:
        found = [len(row) for row in rows]
        raise ValueError(f"letters has rows of {found} cells, expected shape {shape}")
    return [[c if c in "SGH" else " " for c in row] for row in rows]
