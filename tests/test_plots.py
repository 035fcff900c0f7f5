"""Figures: the numbers they draw, words that stay inside, the same bytes each time."""

import base64
import io
import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text

from trpo_lite import plots, style

STEPS = np.arange(1, 31) * 1000.0
S, K = 12, 30


@pytest.fixture(autouse=True)
def one_style():
    with matplotlib.rc_context():
        style.use()
        yield


def history(rng):
    return {
        "steps": STEPS,
        "return_mean": rng.normal(size=K),
        "kl": rng.uniform(0, 0.01, K),
        "surrogate": rng.uniform(size=K),
        "predicted_surrogate": rng.uniform(size=K),
        "beta": np.full(K, np.nan),
        "entropy": np.full(K, np.nan),
    }


def draw_all():
    """One figure of each function, with every option in use."""
    rng = np.random.default_rng(0)
    returns = rng.normal(size=(5, K)).cumsum(1)
    returns[:, :2] = np.nan
    x = np.linspace(0, 1, 50)
    pi = rng.dirichlet(np.ones(4), S)
    field = rng.normal(size=(2, 4, 5))
    p = rng.dirichlet(np.ones(3), 20)
    return {
        "learning_curves": plots.learning_curves(
            {"TRPO": (STEPS, returns), "PPO": (STEPS, returns + 0.1)},
            (3.0, "solved: 3"),
            title="two runs",
        ),
        "dashboard": plots.dashboard(history(rng), "a run", limits={"KL": (0.01, "δ")}),
        "lines": plots.lines(
            x,
            {"a": x, "b": x**2},
            "p",
            "J",
            "t",
            marks={"here": 0.5},
            levels={"0": 0.2},
        ),
        "lines direct": plots.lines(
            x[1:],
            {"a": x[1:], "b": x[1:] ** 2},
            "h",
            "gap",
            "t",
            True,
            True,
            direct=True,
        ),
        "points": plots.lines(x, {"a": x}, "p", "J", points={"old": (0.2, 0.2)}),
        "histogram": plots.histogram(
            {"a": np.exp(x), "b": x + 1}, "ratio", logx=True, marks={"median": 1.5}
        ),
        "value_map": plots.value_map(
            rng.normal(size=S), (3, 4), pi, ["SHHG", "    ", "FFFF"], "map", "return"
        ),
        "two_maps": plots.two_maps(rng.normal(size=S), rng.random(S), (3, 4), pi),
        "two wide maps": plots.two_maps(rng.normal(size=S), rng.random(S), (2, 6), pi),
        "vector_fields": plots.vector_fields(
            np.linspace(-2, 0, 5),
            np.linspace(0, 1, 4),
            {"vanilla": field, "natural": -field},
            "k",
            "σ",
            {"a path": rng.random((9, 2)) - [1, 0]},
            {"optimum": (-0.6, 0.0)},
            title="two fields",
        ),
        "simplex": plots.simplex(
            {"old": p[0], "new": p[1]}, {"ball": p}, {"A": (p[0], p[2])}, title="t"
        ),
    }


@pytest.fixture(scope="module")
def figures():
    with matplotlib.rc_context():
        style.use()
        made = draw_all()
        for figure in made.values():
            figure.draw_without_rendering()
        return made


def png(figure):
    picture = io.BytesIO()
    figure.savefig(picture, format="png", metadata={"Software": None})
    return picture.getvalue()


# --- all figures ----------------------------------------------------------------------


def test_every_figure_is_free_of_pyplot(figures):
    for name, figure in figures.items():
        assert type(figure) is Figure, name
    code = (
        "import sys; from trpo_lite import plots, style; style.use(); "
        "plots.lines([0, 1], {'a': [0, 1]}); print('matplotlib.pyplot' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert out.stdout.strip() == "False", out.stderr


def test_importing_plots_does_not_import_matplotlib():
    code = "import sys, trpo_lite.plots; print('matplotlib' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert out.stdout.strip() == "False", out.stderr


def test_no_word_leaves_the_picture(figures):
    for name, figure in figures.items():
        width, height = figure.canvas.get_width_height()
        for axes in figure.axes:
            if not axes.get_visible():
                continue
            words = [*axes.texts, axes.xaxis.label, axes.yaxis.label]
            title = axes.get_title("left")
            texts = [t for t in axes.get_children() if isinstance(t, Text)]
            words += [t for t in texts if t.get_text() == title]
            for word in words:
                if word.get_text() and (axes.axison or word in axes.texts):
                    box = word.get_window_extent()
                    inside = box.x0 > -1 and box.x1 < width + 1
                    inside &= box.y0 > -1 and box.y1 < height + 1
                    assert inside, (name, word.get_text(), box)


def test_every_axis_is_labelled(figures):
    for name, figure in figures.items():
        for axes in figure.axes:
            if name == "simplex" or axes.get_label() == "<colorbar>":
                continue
            shared = name in ("vector_fields", "dashboard")
            assert axes.get_xlabel() or name == "dashboard", name
            assert axes.get_ylabel() or shared, name
            assert axes.get_title("left") or not shared, name


def test_the_same_numbers_make_the_same_bytes():
    first, again = draw_all(), draw_all()
    for name in ("value_map", "learning_curves", "vector_fields"):
        assert png(first[name]) == png(again[name]), name


# --- runs -----------------------------------------------------------------------------


def test_learning_curves_draw_median_and_quartiles():
    rng = np.random.default_rng(1)
    returns = rng.normal(size=(7, K))
    returns[:, 0] = np.nan  # no episode had ended
    returns[3, 5] = np.nan
    axes = plots.learning_curves({"TRPO": (STEPS, returns)}, (0.5, "goal")).axes[0]
    np.testing.assert_array_equal(axes.lines[0].get_xdata(), STEPS[1:])
    np.testing.assert_allclose(
        axes.lines[0].get_ydata(), np.nanmedian(returns[:, 1:], axis=0)
    )
    area = axes.collections[0].get_paths()[0].vertices
    low, high = np.nanpercentile(returns[:, 1:], (25, 75), axis=0)
    at = area[area[:, 0] == STEPS[9], 1]
    np.testing.assert_allclose([at.min(), at.max()], [low[8], high[8]])
    assert axes.lines[1].get_ydata()[0] == 0.5
    assert {t.get_text() for t in axes.texts} == {"TRPO", "goal"}


def test_labels_at_the_ends_keep_apart_and_in_order():
    curves = {f"c{i}": np.array([0, 1 + i / 1000]) for i in range(4)}
    axes = plots.lines([0, 1], curves, direct=True).axes[0]
    heights = [t.get_position()[1] for t in axes.texts]
    assert (np.diff(heights) > 0.07).all()
    assert [t.get_color() for t in axes.texts] == [
        line.get_color() for line in axes.lines
    ]


def test_dashboard_leaves_out_what_is_not_there():
    figure = plots.dashboard(history(np.random.default_rng(2)))
    titles = [axes.get_title("left") for axes in figure.axes if axes.get_visible()]
    assert titles == ["mean return", "KL", "surrogate L"]  # no entropy: all NaN
    with pytest.raises(ValueError, match="no column 'steps'"):
        plots.dashboard({"kl": STEPS})
    with pytest.raises(ValueError, match="none of the columns"):
        plots.dashboard({"steps": STEPS})


def test_dashboard_knows_the_diagnostics_columns():
    from trpo_lite.diagnostics import Diagnostics

    extra = {"return_mean", "explained_variance"}
    known = set(Diagnostics.__dataclass_fields__) | extra
    assert {c for panel in plots.PANELS.values() for c in panel.values()} <= known


# --- curves ---------------------------------------------------------------------------


def test_lines_draw_what_they_are_given():
    x = np.linspace(0, 1, 5)
    y = np.array([0, 1, -np.inf, 3, 4])
    axes = plots.lines(x, {"J": y}, "p", "J(p)", logx=False).axes[0]
    np.testing.assert_array_equal(
        axes.lines[0].get_ydata(), np.where(np.isfinite(y), y, np.nan)
    )
    assert axes.get_legend().get_texts()[0].get_text() == "J"
    axes = plots.lines(x + 1, {"gap": x + 1}, logx=True, logy=True).axes[0]
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    with pytest.raises(ValueError, match=r"'J' has shape \(4,\), expected \(5,\)"):
        plots.lines(x, {"J": y[1:]})


def test_histogram_counts():
    values = np.array([0.1, 0.2, 0.2, 0.9])
    axes = plots.histogram(values, bins=[0, 0.15, 0.5, 1]).axes[0]
    np.testing.assert_array_equal(axes.patches[0].get_data().values, [1, 2, 1])
    with pytest.raises(ValueError, match="values must be > 0 on a log axis"):
        plots.histogram(values - 0.1, logx=True)
    with pytest.raises(ValueError, match="values is empty"):
        plots.histogram([])
    plots.histogram(np.ones(3))  # one value only: no empty range


# --- maps -----------------------------------------------------------------------------


def arrows_of(axes):
    (quiver,) = (c for c in axes.collections if isinstance(c, matplotlib.quiver.Quiver))
    return np.c_[quiver.XY, quiver.U, quiver.V]


def test_value_map_writes_each_number_in_its_cell():
    v = np.array([0.0, 1.5, -2.25, -1e-17, 4.0, np.nan])
    axes = plots.value_map(v, (2, 3)).axes[0]
    seen = {t.get_position(): t.get_text() for t in axes.texts}
    assert seen == {(0, 0): "0.00", (1, 0): "1.50", (2, 0): "-2.25", (0, 1): "0.00"} | {
        (1, 1): "4.00"
    }
    np.testing.assert_array_equal(axes.images[0].get_array()[1, :2], v[3:5])


def test_value_map_points_where_the_actions_go():
    """FrozenLake's own table tells which way each action moves."""
    import gymnasium

    env = gymnasium.make("FrozenLake-v1", is_slippery=False).unwrapped
    for action in range(4):
        ((_, there, *_),) = env.P[9][action]  # a cell with room on all sides
        dy, dx = np.subtract(divmod(there, 4), divmod(9, 4))
        pi = np.eye(4)[np.full(16, action)]
        axes = plots.value_map(np.zeros(16), (4, 4), pi, env.desc).axes[0]
        arrows = arrows_of(axes)
        assert len(arrows) == 16 - 5  # none in the four holes and at the goal
        np.testing.assert_array_equal(
            np.sign(arrows[:, 2:]), np.tile([dx, dy], (11, 1))
        )
        assert axes.yaxis_inverted()  # so a positive dy points down
        letters = [t.get_text() for t in axes.texts if t.get_text() in "SFHG"]
        assert sorted(letters) == list("GHHHHS")


def test_a_stochastic_policys_arrows_are_in_proportion():
    pi = np.tile([0.5, 0.25, 0.25, 0.0], (4, 1))
    arrows = arrows_of(plots.value_map(np.zeros(4), (2, 2), pi).axes[0])
    lengths = np.hypot(*arrows[:3, 2:].T)
    np.testing.assert_allclose(lengths / lengths[0], [1, 0.5, 0.5])
    assert len(arrows) == 12


def test_two_maps_stand_beside_or_above_one_another():
    side = plots.two_maps(np.arange(4), np.arange(4), (2, 2))
    wide = plots.two_maps(np.arange(6), np.arange(6), (1, 6))
    for figure in (side, wide):
        figure.draw_without_rendering()
    a, b = (axes.get_position() for axes in side.axes[:2])
    assert a.x1 < b.x0 and a.y0 == pytest.approx(b.y0)
    a, b = (axes.get_position() for axes in wide.axes[:2])
    assert a.y0 > b.y1 and a.x0 == pytest.approx(b.x0)


def test_bad_maps_are_refused():
    with pytest.raises(ValueError, match=r"values has shape \(5,\), expected \(6,\)"):
        plots.value_map(np.zeros(5), (2, 3))
    with pytest.raises(ValueError, match="policy has shape"):
        plots.value_map(np.zeros(6), (2, 3), np.ones((6, 3)))
    with pytest.raises(ValueError, match=r"letters has rows of \[2, 3\] cells"):
        plots.value_map(np.zeros(6), (2, 3), letters=["SF", "FFG"])


# --- fields and the simplex -----------------------------------------------------------


def test_vector_fields_keep_the_direction_and_show_the_length_as_colour():
    x, y = np.linspace(0, 4, 5), np.linspace(0, 0.3, 4)
    X, Y = np.meshgrid(x, y)
    dx, dy = 10.0 ** (X - 2), np.where(Y > 0.1, 0.02, -0.02) * 10.0 ** (X - 2)
    dx[0, 0] = np.nan
    dx[1, 1] = dy[1, 1] = 0
    figure = plots.vector_fields(x, y, {"f": (dx, dy)}, "k", "σ")
    (quiver,) = (c for c in figure.axes[0].collections if hasattr(c, "U"))
    there = np.ones((4, 5), bool)
    there[0, 0] = there[1, 1] = False
    assert len(quiver.U) == there.sum() == 18
    # the same direction in the units of the axes ...
    np.testing.assert_allclose(quiver.V / quiver.U, dy[there] / dx[there])
    assert (np.sign(quiver.U) == np.sign(dx[there])).all()
    # ... the same length in the units of the grid, and log10 of the length as colour
    np.testing.assert_allclose(np.hypot(quiver.U / 1, quiver.V / 0.1), 0.82)
    np.testing.assert_allclose(
        quiver.get_array(), np.log10(np.hypot(dx[there], dy[there]))
    )


def test_vector_fields_share_one_scale_and_draw_paths_where_they_belong():
    x, y, one = np.arange(3.0), np.arange(3.0), np.ones((3, 3))
    path = np.array([[0.0, 2.0], [1.0, 0.5]])
    figure = plots.vector_fields(
        x, y, {"a": (one, one), "b": (9 * one, one)}, paths={"b": {"flow": path}}
    )
    a, b = figure.axes[:2]
    scales = {c.get_clim() for axes in (a, b) for c in axes.collections}
    assert scales == {(np.log10(np.sqrt(2)), np.log10(np.sqrt(82)))}
    assert not a.lines and any(np.array_equal(q.get_xydata(), path) for q in b.lines)
    with pytest.raises(ValueError, match=r"field 'a' has shape \(2, 3\)"):
        plots.vector_fields(x, y, {"a": (one[:2], one)})
    with pytest.raises(ValueError, match="no arrow"):
        plots.vector_fields(x, y, {"a": (0 * one, 0 * one)})


def test_barycentric():
    corners = plots.barycentric(np.eye(3))
    np.testing.assert_allclose(corners, [[0, 0], [1, 0], [0.5, np.sqrt(3) / 2]])
    sides = np.linalg.norm(corners - np.roll(corners, 1, 0), axis=1)
    np.testing.assert_allclose(sides, 1)
    np.testing.assert_allclose(plots.barycentric([1 / 3] * 3), corners.mean(0))
    assert plots.barycentric(np.full((2, 5, 3), 1 / 3)).shape == (2, 5, 2)
    with pytest.raises(ValueError, match=r"p has shape \(2,\), expected \(..., 3\)"):
        plots.barycentric([0.5, 0.5])


def test_the_simplex_grid_lies_inside_the_triangle():
    axes = plots.simplex_axes(Figure().subplots(), ("left", "stay", "right"))
    inverse = np.linalg.inv(np.c_[plots.barycentric(np.eye(3)), np.ones(3)])
    for line in axes.lines:
        p = np.c_[line.get_xydata(), np.ones(2)] @ inverse
        assert p.min() > -1e-9 and abs(p.sum(1) - 1).max() < 1e-9
    assert {t.get_text() for t in axes.texts} == {"left", "stay", "right"}


# --- style and show -------------------------------------------------------------------


def contrast_with_white(color):
    rgb = np.array(to_rgb(color))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return 1.05 / (linear @ [0.2126, 0.7152, 0.0722] + 0.05)


def test_lines_stand_out_from_white_and_differ_without_colour():
    assert all(contrast_with_white(line["color"]) >= 3 for line in style.LINES)
    assert all(contrast_with_white(color) < 3 for color in style.FILLS)
    assert len({str(line["linestyle"]) for line in style.LINES}) == len(style.LINES)
    assert contrast_with_white(style.INK) > 7


def test_the_colours_are_matplotlibs_petroff6():
    if "petroff6" not in matplotlib.color_sequences:  # came with matplotlib 3.11
        assert len(style.COLORS) == 6
        return
    theirs = matplotlib.color_sequences["petroff6"]
    np.testing.assert_allclose(
        [to_rgb(c) for c in style.COLORS], [*map(to_rgb, theirs)]
    )


def test_use_sets_the_cycle_and_sizes_for_projection():
    axes = Figure().subplots()
    drawn = [axes.plot([0, i])[0] for i in range(5)]
    assert [line.get_color() for line in drawn] == [q["color"] for q in style.LINES]
    assert matplotlib.rcParams["figure.dpi"] == 100
    for name in ("axes.labelsize", "xtick.labelsize", "legend.fontsize", "font.size"):
        assert matplotlib.rcParams[name] >= 11
    changed = style.line(1)
    changed["color"] = "black"
    assert style.line(6)["color"] == style.RED  # a copy, and the cycle goes round


def test_show_stores_a_picture_with_its_description(monkeypatch):
    shown = []
    monkeypatch.setattr(
        "IPython.display.display",
        lambda *args, **options: shown.append((args, options)),
    )
    figure = plots.lines([0, 1], {"a": [0, 1]}, "x", "y")
    assert plots.show(figure, "a line") is None
    ((bundle,), options) = shown[0]
    assert options["metadata"] == {"image/png": {"alt": "a line"}} and options["raw"]
    picture = base64.b64decode(bundle["image/png"])
    assert picture.startswith(b"\x89PNG") and b"Software" not in picture
    assert b"matplotlib" not in picture and bundle["text/plain"] == "Figure: a line"
    with pytest.raises(ValueError, match="alt must say in words"):
        plots.show(figure, " ")
