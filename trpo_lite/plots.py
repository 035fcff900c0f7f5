"""Figures of the course, and the one way of showing them on a page.

Each function takes arrays and words and returns a `matplotlib.figure.Figure`, without
pyplot and its list of open figures; so the same function draws for a page, a slider and
a test. Call `style.use()` first. Matplotlib is imported when a figure is made.

    learning_curves, dashboard   runs: returns with bands, diagnostics side by side
    lines, histogram             curves and distributions
    value_map, two_maps          numbers on the cells of a grid world
    vector_fields                directions as unit arrows, colour for the length
    simplex, barycentric         distributions over three actions
"""

import base64
import io

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
    """
    from IPython.display import display

    if not alt or not alt.strip():
        raise ValueError("alt must say in words what the figure shows, got nothing")
    bundle = {
        "image/png": base64.b64encode(picture(figure, dpi)).decode(),
        "text/plain": f"Figure: {alt}",
    }
    display(bundle, raw=True, metadata={"image/png": {"alt": alt}})


def picture(figure, dpi=100):
    """`figure` as PNG bytes with at most 256 colours, a third of the usual size."""
    from PIL import Image  # comes with matplotlib

    drawn, small = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=dpi)
    colours = Image.open(drawn).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    colours.save(small, "png", optimize=True)  # without matplotlib's version in it
    return small.getvalue()


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
    figure, axes = _figure()
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
        _reference(axes, "y", *threshold)
    axes.set(xlabel=xlabel, ylabel=ylabel, title=title)
    axes.margins(x=0.01)
    _thousands(axes.xaxis)
    _end_labels(axes, ends)
    return figure


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
    figure, grid = _figure(n_rows, n_cols, (3.3 * n_cols + 0.4, 2.3 * n_rows + 0.5))
    cells = np.ravel(grid)
    for axes, (name, found) in zip(cells, shown.items(), strict=False):
        for i, (label, y) in enumerate(found.items()):
            marker = {"marker": "o", "markersize": 4} if len(y) < 25 else {}
            axes.plot(steps, y, label=label, **style.line(i), **marker)
        if name in limits:
            _reference(axes, "y", *limits[name])
        if len(found) > 1:
            low, high = axes.get_ylim()
            axes.set_ylim(low, high + 0.25 * (high - low))
            short = dict(handlelength=1.6, columnspacing=1, borderaxespad=0.1)
            axes.legend(loc="upper right", fontsize=10.5, ncols=2, **short)
        axes.set(title=name)
        axes.set_xlim(0, steps.max() * 1.02)
        axes.locator_params(axis="x", nbins=4)
        _thousands(axes.xaxis)
    for axes in cells[len(shown) :]:
        axes.set_visible(False)
    for axes in cells[: len(shown)][-n_cols:]:
        axes.set_xlabel("environment steps")
    figure.suptitle(title or None, x=0.01, ha="left")
    return figure


def lines(
    x,
    curves,
    xlabel="",
    ylabel="",
    title="",
    logx=False,
    logy=False,
    marks=None,
    levels=None,
    points=None,
    direct=False,
):
    """Curves over one x [N], one colour and line style each.

    curves : {label: y [N]}; gaps where y is not finite.
    marks, levels : {label: x} and {label: y}, dashed reference lines.
    points : {label: (x, y)}, dots.
    direct : labels at the curves' right ends in place of a legend.
    """
    figure, axes = _figure()
    x = np.asarray(x, dtype=np.float64)
    axes.set(xscale="log" if logx else "linear", yscale="log" if logy else "linear")
    ends = []
    for i, (label, y) in enumerate(curves.items()):
        y = np.asarray(y, dtype=np.float64)
        if y.shape != x.shape:
            raise ValueError(f"{label!r} has shape {y.shape}, expected {x.shape} as x")
        y = np.where(np.isfinite(y), y, np.nan)
        line = style.line(i)
        axes.plot(x, y, label=None if direct else label, **line)
        known = np.flatnonzero(np.isfinite(y) & ((y > 0) | (not logy)))
        if known.size:
            ends.append((label, x[known[-1]], y[known[-1]], line["color"]))
    axes.set(xlabel=xlabel, ylabel=ylabel, title=title)
    axes.margins(x=0.01 if direct else 0.03)
    for i, (label, point) in enumerate((points or {}).items()):
        dot = dict(linestyle="none", color=style.INK, markeredgecolor="white", zorder=4)
        axes.plot(*point, marker="os^D"[i % 4], markersize=9, label=label, **dot)
    for label, at in (marks or {}).items():
        _reference(axes, "x", at, label)
    ends = ends if direct else []
    for label, at in (levels or {}).items():
        _reference(axes, "y", at, "")
        ends.append((label, x[-1], at, style.INK))
    _end_labels(axes, ends)
    if axes.get_legend_handles_labels()[1] and (points or not direct) and any(curves):
        axes.legend()
    return figure


def histogram(
    values,
    xlabel="",
    ylabel="count",
    title="",
    bins=40,
    logx=False,
    marks=None,
    density=False,
):
    """How often each value occurs; {label: values} draws several over the same bins.

    values : [N], or {label: [N]} ; bins : how many, or their edges.
    marks : {label: x}, dashed vertical lines.
    """
    groups = values if isinstance(values, dict) else {None: values}
    groups = {
        label: finite(str(label or "values"), v).ravel() for label, v in groups.items()
    }
    both = np.concatenate(list(groups.values()))
    if not both.size:
        raise ValueError("values is empty, expected at least one number")
    if np.ndim(bins) == 0:
        if logx and both.min() <= 0:
            raise ValueError(
                f"values must be > 0 on a log axis, found {both.min():.4g}"
            )
        low, high = both.min(), both.max()
        if low == high:
            low, high = low - 0.5 * (abs(low) or 1), high + 0.5 * (abs(high) or 1)
        bins = (np.geomspace if logx else np.linspace)(low, high, bins + 1)
    figure, axes = _figure()
    axes.set(xscale="log" if logx else "linear")
    for i, (label, v) in enumerate(groups.items()):
        height, edges = np.histogram(v, bins, density=density)
        line = style.line(i)
        axes.stairs(height, edges, fill=True, color=line["color"], alpha=0.3)
        axes.stairs(height, edges, label=label, linewidth=1.8, **line)
    ylabel = "density" if density and ylabel == "count" else ylabel
    axes.set(xlabel=xlabel, ylabel=ylabel, title=title)
    axes.set_ylim(0, axes.get_ylim()[1] * (1.12 if marks else 1))
    for label, at in (marks or {}).items():
        _reference(axes, "x", at, label)
    if len(groups) > 1:
        axes.legend()
    return figure


def value_map(
    values,
    shape,
    policy=None,
    letters=None,
    title="",
    label="",
    numbers="{:.2f}",
    moves=MOVES,
    limits=None,
):
    """Numbers [S] on the cells of a grid world of `shape` (rows, columns).

    policy : [S, A], drawn as arrows in the directions `moves`, the longest for the
        likeliest action, the others in proportion; none on cells marked H or G.
    letters : what a cell is, one letter each: S start, G goal, H hole, anything else
        is left blank. Rows of text or of Gymnasium's bytes.
    label : of the colour bar; no bar if empty. limits : (low, high) of the colours.
    numbers : format of the numbers in the cells, None for none.
    """
    figure, axes = _figure(size=_map_size(shape, label), layout="compressed")
    _map(axes, values, shape, policy, letters, title, label, numbers, moves, limits)
    return figure


def two_maps(
    values,
    visitation,
    shape,
    policy=None,
    letters=None,
    titles=(
        "value $v(s)$ [discounted return]",
        "visitation $d(s)$ [discounted visits]",
    ),
    labels=("", ""),
    numbers=("{:.2f}", "{:.2f}"),
    moves=MOVES,
    limits=None,
):
    """`value_map` twice, side by side (one above the other if the world is wide).

    limits : (low, high) of the colours of both maps, or None: each its own.
    """
    wide = shape[1] > 2 * shape[0]
    width, height = _map_size(shape, any(labels), 0.95 if wide else 0.8)
    size = (width, 2 * height) if wide else (2 * width, height)
    figure, cells = _figure(*((2, 1) if wide else (1, 2)), size, "compressed")
    for axes, map_, arrows, title, label, number in zip(
        cells,
        (values, visitation),
        (policy, None),
        titles,
        labels,
        numbers,
        strict=True,
    ):
        _map(axes, map_, shape, arrows, letters, title, label, number, moves, limits)
    return figure


def vector_fields(
    x, y, fields, xlabel="", ylabel="", paths=None, points=None, label="", title=""
):
    """Directions as arrows of one length; the colour is the log10 of the true length.

    x [X], y [Y] : the arrows' places.
    fields : {title: (dx [Y, X], dy [Y, X])}, a panel each with one colour scale; no
        arrow where a component is zero in both or not finite.
    paths : {label: curve [T, 2]} in every panel, or {title: {label: curve}}.
    points : {label: (x, y)}, a star each, in every panel.
    """
    x, y = finite("x", x, (None,)), finite("y", y, (None,))
    paths, shape = paths or {}, (len(y), len(x))
    if len(x) < 2 or len(y) < 2:
        raise ValueError(f"x and y need two places each, got {len(x)} and {len(y)}")
    width = 0.9 + 3.6 * len(fields)
    figure, cells = _figure(1, len(fields), (max(width, 5.2), 4.3), sharey=True)
    cells, magnitudes = np.ravel(cells), {}
    for name, field in fields.items():
        for component in field:
            if np.shape(component) != shape:
                raise ValueError(
                    f"field {name!r} has shape {np.shape(component)}, expected {shape}"
                )
        magnitudes[name] = np.hypot(*field)
    every = np.concatenate([m[np.isfinite(m) & (m > 0)] for m in magnitudes.values()])
    if not every.size:
        raise ValueError("fields holds no arrow that is finite and not zero")
    low, high = np.log10(every.min()), np.log10(every.max())
    step_x, step_y = np.ptp(x) / (len(x) - 1), np.ptp(y) / (len(y) - 1)
    X, Y = np.meshgrid(x, y)
    for axes, (name, (dx, dy)) in zip(cells, fields.items(), strict=True):
        m = magnitudes[name]
        there = np.isfinite(m) & (m > 0)
        # equal lengths in the picture, not in the units of x and y
        u, v = np.asarray(dx)[there] / step_x, np.asarray(dy)[there] / step_y
        norm = np.hypot(u, v) / 0.82
        arrows = axes.quiver(
            X[there],
            Y[there],
            u / norm * step_x,
            v / norm * step_y,
            np.log10(m[there]),
            cmap=_dark_viridis(),
            clim=(low, high if high > low else low + 1),
            angles="xy",
            scale_units="xy",
            scale=1,
            pivot="mid",
            width=0.006,
            headwidth=4.2,
            headlength=4.5,
            headaxislength=4,
        )
        own = paths.get(name, {}) if isinstance(paths.get(name), dict) else {}
        common = {k: p for k, p in paths.items() if not isinstance(p, dict)}
        for i, (path, curve) in enumerate((common | own).items()):
            curve = finite(str(path), curve, (None, 2))
            line = style.line(i + 1)
            halo = dict(color="white", linewidth=5, alpha=0.9, zorder=3)
            axes.plot(*curve.T, **halo)
            axes.plot(*curve.T, **line, linewidth=2.6, label=path, zorder=4)
            dot = dict(color=line["color"], markeredgecolor="white", zorder=5)
            axes.plot(*curve[0], "o", markersize=9, **dot)
        for i, (point, at) in enumerate((points or {}).items()):
            star = dict(linestyle="none", color=style.ORANGE, markeredgecolor=style.INK)
            marker = dict(marker="*Ds^"[i % 4], markersize=(17, 10, 10, 11)[i % 4])
            axes.plot(*at, label=point, zorder=6, clip_on=False, **star, **marker)
        axes.set(title=name, xlabel=xlabel)
        spots = np.array(list((points or {}).values())).reshape(-1, 2).T
        for limit, grid, step, spot in (
            (axes.set_xlim, x, step_x, spots[0]),
            (axes.set_ylim, y, step_y, spots[1]),
        ):
            shown = [grid.min() - 0.6 * step, grid.max() + 0.6 * step, *spot]
            limit(min(shown), max(shown))
        axes.grid(False)
    cells[0].set_ylabel(ylabel)
    bar = figure.colorbar(arrows, ax=list(cells), pad=0.02, aspect=28)
    bar.set_label(label or "log$_{10}$ of the length")
    bar.outline.set_visible(False)
    handles = {}
    for axes in cells:
        handle, names = axes.get_legend_handles_labels()
        handles |= dict(zip(names, handle, strict=True))
    if handles:
        figure.legend(
            handles.values(), handles, loc="outside lower center", ncols=len(handles)
        )
    figure.suptitle(title or None, x=0.01, ha="left")
    return figure


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


def simplex(
    points=None,
    curves=None,
    arrows=None,
    labels=("action 1", "action 2", "action 3"),
    title="",
):
    """Three-action distributions in the triangle whose corners choose one action.

    points : {label: p [3]} ; curves : {label: p [T, 3]}, such as the edge of a KL ball,
        filled lightly ; arrows : {label: (p from [3], p to [3])}.
    """
    figure, axes = _figure(size=(7.2, 4.2))
    simplex_axes(axes, labels)
    for i, (label, curve) in enumerate((curves or {}).items()):
        line, xy = style.line(i), barycentric(curve)
        axes.fill(
            *xy.T, color=line["color"], alpha=0.13, linewidth=0, linestyle="-", zorder=2
        )
        axes.plot(*xy.T, label=label, zorder=3, **line)
    for i, (label, (start, end)) in enumerate((arrows or {}).items()):
        start, end = barycentric(start), barycentric(end)
        color = (style.INK, style.PURPLE, style.VIOLET)[i % 3]
        head = dict(arrowstyle="-|>", color=color, linewidth=2.2, mutation_scale=18)
        axes.annotate("", end, start, arrowprops=head | {"shrinkA": 0, "shrinkB": 0})
        axes.plot([], [], "->", color=color, label=label)
    for i, (label, point) in enumerate((points or {}).items()):
        color, marker = ((style.INK, "o"), (style.ORANGE, "D"), (style.RED, "s"))[i % 3]
        dot = dict(
            color=color, marker=marker, linestyle="none", markeredgecolor=style.INK
        )
        axes.plot(*barycentric(point), label=label, markersize=9, zorder=5, **dot)
    if axes.get_legend_handles_labels()[1]:
        figure.legend(loc="outside right center")
    axes.set_title(title)
    return figure


def _figure(rows=1, cols=1, size=None, layout="constrained", **options):
    """A figure of the one style and its axes, which fit their labels by themselves."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout=layout)
    return figure, figure.subplots(rows, cols, **options)


def _reference(axes, axis, at, label):
    """A dashed line across the picture, named beside it."""
    thin = dict(color=style.INK, linewidth=1.4, linestyle=(0, (4, 3)), zorder=1.5)
    box = dict(boxstyle="square,pad=0.1", facecolor="white", alpha=0.75, linewidth=0)
    words = dict(textcoords="offset points", fontsize=11, color=style.INK, bbox=box)
    if axis == "x":
        axes.axvline(at, **thin)
        where = axes.get_xaxis_transform()
        axes.annotate(label, (at, 1), (4, -3), xycoords=where, va="top", **words)
    else:
        axes.axhline(at, **thin)
        low, high = axes.get_ylim()
        if axes.get_yscale() == "linear" and at > high - 0.16 * (high - low):
            axes.set_ylim(low, at + 0.2 * (at - low))  # room for the words
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
        axes.text(1.015, height, label, color=color, **place)


def _thousands(axis):
    """Ticks as 0, 50k, 100k, 1M: environment steps are large."""
    from matplotlib.ticker import FuncFormatter

    def words(x, _):
        for size, letter in ((1e6, "M"), (1e3, "k")):
            if abs(x) >= size:
                return f"{x / size:g}{letter}"
        return f"{x:g}"

    axis.set_major_formatter(FuncFormatter(words))


def _dark_viridis():
    """Viridis without its lightest part, which is hard to see on white."""
    import matplotlib
    from matplotlib.colors import ListedColormap

    return ListedColormap(matplotlib.colormaps["viridis"](np.linspace(0, 0.86, 256)))


def _map_size(shape, bar, largest=0.95):
    rows, cols = shape
    cell = np.clip(5.5 / max(shape), 0.55, largest)
    return cell * cols + (1.6 if bar else 0.8), cell * rows + 0.85


def _map(axes, values, shape, policy, letters, title, label, numbers, moves, limits):
    rows, cols = shape
    values = np.asarray(values, dtype=np.float64)
    if values.shape != (rows * cols,):
        raise ValueError(
            f"values has shape {values.shape}, expected ({rows * cols},) for {shape}"
        )
    kinds = _letters(letters, shape)
    if policy is not None:
        policy = finite("policy", policy, (rows * cols, len(moves)))
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
        dark = not np.isfinite(v) or image.norm(v) < 0.62
        ink = "white" if dark else "black"
        pointing = policy is not None and kind not in "HG"
        if pointing:
            for (dy, dx), p in zip(
                moves, policy[state] / policy[state].max(), strict=True
            ):
                if p > 0.02:
                    back = (
                        0.5 if policy[state].max() > 0.99 else 0
                    )  # one arrow: centred
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
