"""Figures: the numbers they draw, words that stay inside, the same bytes each time."""

import base64
import io
import re
import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text

from tests.test_pictures import empty_boxes, pale_words
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


def one_map(values, shape, *args, **options):
    fig, axes = plots.figure(layout="compressed")
    plots.cell_map(axes, values, shape, *args, **options)
    return fig


def above(*lines):
    fig, axes = plots.figure()
    axes.set(xlabel="x", ylabel="y")
    plots.words_above(axes, *lines)
    return fig


def draw_all():
    """One figure of each function, with every option in use."""
    rng = np.random.default_rng(0)
    returns = rng.normal(size=(5, K)).cumsum(1)
    returns[:, :2] = np.nan
    x = np.linspace(0, 1, 50)
    pi = rng.dirichlet(np.ones(4), S)
    v = np.linspace(0, 1, S)
    letters = ["SHHG", "    ", "FFFF"]
    return {
        "learning_curves": plots.learning_curves(
            {f"run {i}": (STEPS, returns + i) for i in range(5)},
            (3.0, "solved: 3"),
            title="two runs",
        ),
        "dashboard": plots.dashboard(history(rng), "a run", limits={"KL": (0.01, "δ")}),
        "lines": plots.lines(x, {"a": x, "b": x**2}, "p", "J", "t"),
        "lines log": plots.lines(x[1:], {"a": x[1:]}, "h", "gap", "t", True),
        "cell_map": one_map(v, (3, 4), pi, letters, "map", "return"),
        "two_maps": plots.two_maps(v, v, (3, 4), ("a", "b"), pi),
        "two wide maps": plots.two_maps(v, v, (2, 6), ("a", "b"), pi),
        "words_above": above(*((f"in {color}", color) for color in style.COLORS)),
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


def test_every_word_can_be_read(figures):
    for name, figure in figures.items():
        assert [*pale_words(figure), *empty_boxes(figure)] == [], name


def test_every_axis_is_labelled(figures):
    for name, figure in figures.items():
        for axes in figure.axes:
            if axes.get_label() == "<colorbar>":
                continue
            panels = name == "dashboard"
            assert axes.get_xlabel() or panels, name
            assert axes.get_ylabel() or panels, name
            assert axes.get_title("left") or not panels, name


def test_the_same_numbers_make_the_same_bytes():
    first, again = draw_all(), draw_all()
    for name in ("cell_map", "learning_curves"):
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
    axes = plots.lines([0, 1], curves).axes[0]
    heights = [t.get_position()[1] for t in axes.texts]
    assert (np.diff(heights) > 0.07).all()
    assert [t.get_color() for t in axes.texts] == [
        style.ink(line.get_color()) for line in axes.lines
    ]


def test_words_stand_above_in_order_and_in_the_colour_of_their_curve():
    fig = above(("first", style.BLUE), ("second", style.RED))
    fig.draw_without_rendering()
    first, second = fig.axes[0].texts
    assert (first.get_text(), second.get_text()) == ("first", "second")
    assert first.get_color() == style.ink(style.BLUE)
    assert second.get_color() == style.RED
    one, two, axes = (t.get_window_extent() for t in (first, second, fig.axes[0]))
    assert one.y0 >= two.y1 and two.y0 > axes.y1 and one.x0 == two.x0 >= axes.x0


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
    axes = plots.lines(x, {"J": y}, "p", "J(p)").axes[0]
    np.testing.assert_array_equal(
        axes.lines[0].get_ydata(), np.where(np.isfinite(y), y, np.nan)
    )
    assert [t.get_text() for t in axes.texts] == ["J"]
    axes = plots.lines(x + 1, {"gap": x + 1}, logy=True).axes[0]
    assert (axes.get_xscale(), axes.get_yscale()) == ("linear", "log")
    with pytest.raises(ValueError, match=r"'J' has shape \(4,\), expected \(5,\)"):
        plots.lines(x, {"J": y[1:]})


# --- maps -----------------------------------------------------------------------------


def arrows_of(axes):
    (quiver,) = (c for c in axes.collections if isinstance(c, matplotlib.quiver.Quiver))
    return np.c_[quiver.XY, quiver.U, quiver.V]


def test_a_map_writes_each_number_in_its_cell():
    v = np.array([0.0, 1.5, -2.25, -1e-17, 4.0, np.nan])
    axes = one_map(v, (2, 3)).axes[0]
    seen = {t.get_position(): t.get_text() for t in axes.texts}
    assert seen == {(0, 0): "0.00", (1, 0): "1.50", (2, 0): "-2.25", (0, 1): "0.00"} | {
        (1, 1): "4.00"
    }
    np.testing.assert_array_equal(axes.images[0].get_array()[1, :2], v[3:5])


def test_a_map_points_where_the_actions_go():
    """FrozenLake's own table tells which way each action moves."""
    import gymnasium

    env = gymnasium.make("FrozenLake-v1", is_slippery=False).unwrapped
    for action in range(4):
        ((_, there, *_),) = env.P[9][action]  # a cell with room on all sides
        dy, dx = np.subtract(divmod(there, 4), divmod(9, 4))
        pi = np.eye(4)[np.full(16, action)]
        axes = one_map(np.zeros(16), (4, 4), pi, env.desc).axes[0]
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
    arrows = arrows_of(one_map(np.zeros(4), (2, 2), pi).axes[0])
    lengths = np.hypot(*arrows[:3, 2:].T)
    np.testing.assert_allclose(lengths / lengths[0], [1, 0.5, 0.5])
    assert len(arrows) == 12


def test_two_maps_stand_beside_or_above_one_another():
    side = plots.two_maps(np.arange(4), np.arange(4), (2, 2), ("a", "b"))
    wide = plots.two_maps(np.arange(6), np.arange(6), (1, 6), ("a", "b"))
    for figure in (side, wide):
        figure.draw_without_rendering()
    a, b = (axes.get_position() for axes in side.axes[:2])
    assert a.x1 < b.x0 and a.y0 == pytest.approx(b.y0)
    a, b = (axes.get_position() for axes in wide.axes[:2])
    assert a.y0 > b.y1 and a.x0 == pytest.approx(b.x0)


def test_bad_maps_are_refused():
    with pytest.raises(ValueError, match=r"values has shape \(5,\), expected \(6,\)"):
        one_map(np.zeros(5), (2, 3))
    with pytest.raises(ValueError, match="policy has shape"):
        one_map(np.zeros(6), (2, 3), np.ones((6, 3)))
    with pytest.raises(ValueError, match=r"letters has rows of \[2, 3\] cells"):
        one_map(np.zeros(6), (2, 3), letters=["SF", "FFG"])


# --- the simplex ----------------------------------------------------------------------


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


def test_contrast_is_wcags():
    assert style.contrast("black") == pytest.approx(21)
    assert style.contrast("white") == 1
    assert style.contrast("#767676") == pytest.approx(4.54, abs=0.005)
    assert style.contrast("#808080", "black") == pytest.approx(5.32, abs=0.005)
    assert style.contrast(style.RED, style.BLUE) == style.contrast(
        style.BLUE, style.RED
    )


def test_lines_stand_out_from_white_and_differ_without_colour():
    assert all(style.contrast(line["color"]) >= 3 for line in style.LINES)
    assert all(style.contrast(color) < 3 for color in (style.ORANGE, style.GREY))
    assert len({str(line["linestyle"]) for line in style.LINES}) == len(style.LINES)
    assert style.contrast(style.INK) > 7


def test_words_in_a_curves_colour_can_be_read():
    for color in (*style.COLORS, style.INK):
        assert style.contrast(style.ink(color)) >= 4.5
        # the same colour to the eye: its strongest part and its weakest stay
        one, other = np.array(to_rgb(color)), np.array(to_rgb(style.ink(color)))
        assert one.argmax() == other.argmax() and one.argmin() == other.argmin()
    assert style.ink(style.RED) == style.RED


def test_no_earlier_style_shows_through():
    """Nor a reader's matplotlibrc: both only set rcParams."""
    import matplotlib.style

    def figure():
        rng = np.random.default_rng(0)
        return plots.png(
            plots.dashboard(history(rng), "a run", limits={"KL": (0, "δ")})
        )

    expected = figure()
    settings = {k: v for k, v in matplotlib.rcParams.items() if k != "backend"}
    for name in matplotlib.style.available:
        matplotlib.style.use(name)
        style.use()
        assert {k: matplotlib.rcParams[k] for k in settings} == settings, name
    for name in ("dark_background", "ggplot", "seaborn-v0_8-poster"):
        matplotlib.style.use(name)
        assert figure() != expected, name
        style.use()
        assert figure() == expected, name
    other = {"font.family": "serif", "mathtext.fontset": "cm", "savefig.bbox": "tight"}
    other |= {"xtick.direction": "in", "lines.dashed_pattern": (9, 9)}
    other |= {"axes.xmargin": 0.4, "savefig.transparent": True, "axes.linewidth": 4}
    matplotlib.rcParams.update(other)
    assert figure() != expected
    style.use()
    assert figure() == expected


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


@pytest.fixture
def displayed(monkeypatch):
    """What is displayed: pairs (bundle, metadata)."""
    shown = []

    def display(bundle, raw, metadata):
        assert raw
        shown.append((bundle, metadata))

    monkeypatch.setattr("IPython.display.display", display)
    return shown


def test_show_stores_a_picture_with_its_description(monkeypatch, displayed):
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    figure = plots.lines([0, 1], {"a": [0, 1]}, "x", "y")
    assert plots.show(figure, "a line") is None
    [(bundle, metadata)] = displayed
    assert metadata == {"image/png": {"alt": "a line"}}
    assert set(bundle) == {"image/png", "text/plain"}
    picture = base64.b64decode(bundle["image/png"])
    assert picture.startswith(b"\x89PNG") and b"Software" not in picture
    assert b"matplotlib" not in picture and bundle["text/plain"] == "Figure: a line"
    with pytest.raises(ValueError, match="alt must say in words"):
        plots.show(figure, " ")


def test_under_a_server_the_description_is_in_html_too(monkeypatch, displayed):
    from PIL import Image

    monkeypatch.setenv("JPY_SESSION_NAME", "notebooks/03_surrogate.ipynb")
    plots.show(plots.lines([0, 1], {"a": [0, 1]}, "x", "y"), 'a "line" < 2')
    [(bundle, _)] = displayed
    assert 'alt="a &quot;line&quot; &lt; 2"' in bundle["text/html"]
    sizes = []
    html = re.search('base64,([^"]*)" width="(.*?)"', bundle["text/html"])
    for data in (bundle["image/png"], html[1]):
        sizes.append(Image.open(io.BytesIO(base64.b64decode(data))).size)
    assert sizes[0] == (680, 380) and sizes[1] == (1360, 760) and html[2] == "680"
