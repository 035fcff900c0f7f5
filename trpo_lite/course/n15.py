"""Notebook 15: five algorithms on eight robots, and what the numbers can tell."""

from functools import cache
from itertools import combinations
from math import comb, erf

import numpy as np

from trpo_lite import film, plots, style
from trpo_lite.course.data import load
from trpo_lite.course.engine import Exercise, Progress
from trpo_lite.course.robots import missing  # noqa: F401 (the page's)
from trpo_lite.course.runs import Runs
from trpo_lite.course.table import number
from trpo_lite.course.widgets import Choice, Frames, Picture, Steps, Widget

# --- worlds

TASKS = (
    *("HalfCheetah-v5", "Hopper-v5", "Walker2d-v5", "Swimmer-v5", "Reacher-v5"),
    *("InvertedPendulum-v5", "InvertedDoublePendulum-v5", "Ant-v5"),
)
SEVEN = TASKS[:7]  # of the PPO paper's figure 3
SHORT = {env_id: env_id[:-3] for env_id in TASKS} | {
    "InvertedPendulum-v5": "InvPendulum",
    "InvertedDoublePendulum-v5": "InvDouble",
}
#: seconds that one step lasts
STEP = dict(zip(TASKS, (0.05, 0.008, 0.008, 0.04, 0.02, 0.04, 0.05, 0.05)))
ALGORITHMS = {
    "trpo": "TRPO",
    "npg": "NPG",
    "ppo-clip": "PPO-clip",
    "ppo-penalty": "PPO-penalty",
    "pg": "PG",
}
COMMON = tuple(range(20, 25))  # the seeds that all algorithms have
WHEN = ("start", "half-way", "end")
# what robots_break.json does, by its labels
GAMMA = "gamma .99"
ONE_START = "one start"
BROKEN = (
    ("HalfCheetah-v5", "raw"),
    ("Hopper-v5", "raw"),
    ("InvertedDoublePendulum-v5", "raw"),
)

# Published returns, in the order of TASKS; a pair has what stands behind the +-. Most
# are read off graphs by Tianshou's examples/mujoco/README.md, which collects them; the
# others are rl-baselines3-zoo's benchmark.md and ChainerRL's examples/mujoco.
NOT = None
PUBLISHED = {
    ("TRPO", "PPO paper"): (0, 2100, 1100, 121, -115, 1000, 200, NOT),
    ("TRPO", "ACKTR paper"): (400, 1400, 550, 40, -8, 1000, 800, 0),
    ("TRPO", "Baselines"): (1350, 2200, 2350, 95, -5, 910, 7000, NOT),
    ("TRPO", "Spinning Up"): (850, 1200, 600, 85, NOT, NOT, NOT, 150),
    ("TRPO", "Tianshou"): (
        *((4471, 805), (2046, 1038), (3827, 783), (41, 20), (-5.1, 0.8)),
        *((1000, 0), (8435, 1073), (2867, 708)),
    ),
    ("TRPO", "RL Zoo"): (1785, 3618, 4933, 366, NOT, NOT, NOT, 4982),
    ("TRPO", "ChainerRL, 2M"): (
        *((1474, 112), (3056, 44), (3073, 59), (200, 25), NOT, NOT, NOT, NOT),
    ),
    ("TRPO", "Henderson, 2M"): (
        *((205, 256), (2828, 70), NOT, NOT, NOT, NOT, NOT, NOT),
    ),
    ("PPO", "PPO paper"): (1800, 2330, 3460, 108, -7, 1000, 8000, NOT),
    ("PPO", "Tianshou"): (
        *((5784, 1244), (2609, 701), (3589, 757), (67, 99), (-4.1, 0.3)),
        *((1000, 0), (9231, 270), (3258, 1079)),
    ),
    ("NPG", "Tianshou"): (
        *((3485, 717), (1915, 551), (2503, 963), (32, 8), (-4.5, 0.5)),
        *((1000, 0), (9243, 276), (2358, 518)),
    ),
    ("ARS", "RL Zoo"): (4815, 3344, 2994, 355, NOT, NOT, NOT, 2334),
}


def published(algorithm, source, env_id):
    """The published return without what stands behind its +-, or None."""
    value = PUBLISHED[algorithm, source][TASKS.index(env_id)]
    return value[0] if isinstance(value, tuple) else value


@cache
def runs_of(name):
    """Stored runs: robots, or robots_ and one of break, long, search, linear."""
    return Runs.stored(name)


@cache
def floors():
    """{env_id: (random motors, motors off)}, mean returns."""
    store = load("robots_floors")
    both = zip(store["random"].mean(1), store["still"].mean(1))
    return dict(zip(store["task"].tolist(), ((float(x), float(y)) for x, y in both)))


@cache
def load_films():
    return load("robots_films")


@cache
def film_of(env_id, when):
    """(the Film, the policy's mean return or None, the seed)."""
    store, prefix = load_films(), f"{env_id}/{when}/"
    found = {k[len(prefix) :]: v for k, v in store.items() if k.startswith(prefix)}
    score = float(found["score"]) if "score" in found else None
    return film.Film.from_arrays(found), score, int(store[f"{env_id}/seed"])


def average_action(mean, std, low, high):
    """E[clip(u, low, high)] of u ~ N(mean, std^2): what the motors get on average.

    mean [N, m], std [m], low and high [m] -> [N, m].
    """
    a, b = (low - mean) / std, (high - mean) / std
    below, above = _normal_cdf(a), _normal_cdf(-b)
    density = (np.exp(-(a**2) / 2) - np.exp(-(b**2) / 2)) / np.sqrt(2 * np.pi)
    return low * below + high * above + mean * (1 - below - above) + std * density


def _normal_cdf(x):
    return 0.5 + 0.5 * np.vectorize(erf)(x / np.sqrt(2))


def on_average(policy, box):
    """A function, observations [N, D] -> the average actions [N, m] within `box`."""
    return lambda seen: average_action(policy.mode(seen), policy.std, box.low, box.high)


def thirds(column):
    """Means [R, 3] over the first, middle and last third of each run [R, P]."""
    found = []
    for row in column:
        known = row[np.isfinite(row)]
        parts = np.array_split(known, 3)
        found.append([x.mean() if len(x) else np.nan for x in parts])
    return np.array(found)


def failed(scores, floor):
    """Which seeds [R] have less than half of what the median has above the floor."""
    return scores < floor + 0.5 * (np.median(scores) - floor)


def halves_apart(scores):
    """|median of five - median of the other five| for all ways to choose them."""
    n, apart = len(scores), []
    for chosen in combinations(range(n), n // 2):
        rest = np.delete(scores, chosen)
        apart.append(abs(np.median(scores[list(chosen)]) - np.median(rest)))
    return np.array(apart)


# --- pictures


def _median_and_band(axes, runs, i, alpha=0.16):
    """Median and middle half of the runs' returns over their steps."""
    steps, R = runs.on_a_grid()
    low, middle, high = np.nanpercentile(R, (25, 50, 75), axis=0)
    line = style.line(i)
    axes.fill_between(steps, low, high, color=line["color"], alpha=alpha, linewidth=0)
    axes.plot(steps, middle, **line)


def _task_panels(size, **options):
    """A panel for each of the eight tasks, with its name."""
    figure, cells = plots.figure(2, 4, size, **options)
    for axes, env_id in zip(cells.flat, TASKS):
        axes.set_title(SHORT[env_id], fontsize=12)
        axes.locator_params(axis="x", nbins=3)
        axes.locator_params(axis="y", nbins=4)
        axes.tick_params(labelsize=9.5)
        plots.thousands(axes.xaxis)
        plots.thousands(axes.yaxis)
    for axes in cells[:, 0]:
        axes.set_ylabel("mean return")
    for axes in cells[1]:
        axes.set_xlabel("steps")
    return figure, cells.flat


def draw_curves(runs):
    """Returns over environment steps, a panel a task, a colour an algorithm."""
    figure, cells = _task_panels((9.4, 5.4))
    for axes, env_id in zip(cells, TASKS):
        for i, algorithm in enumerate(ALGORITHMS):
            if algorithm == "trpo" or env_id in SEVEN:
                seeds = COMMON if env_id in SEVEN else None
                _median_and_band(axes, runs.of(env_id, algorithm, seeds=seeds), i)
        axes.axhline(max(floors()[env_id]), color=style.GREY, linewidth=1)
    lines = [
        cells[7].plot([], [], label=label, **style.line(i))[0]
        for i, label in enumerate(ALGORITHMS.values())
    ]
    words = [style.ink(line.get_color()) for line in lines]
    figure.legend(handles=lines, labelcolor=words, loc="outside upper left", ncols=5)
    return figure


def first_of(medians):
    """The name of {name: median} whose median is above all others, or "a tie"."""
    best = max(medians.values())
    first = [name for name, x in medians.items() if x == best]
    return first[0] if len(first) == 1 else "a tie"


def curves_words(runs):
    """What `draw_curves` shows, in words."""
    ends = []
    for env_id in SEVEN:
        last = {
            label: np.nanmedian(runs.of(env_id, a, seeds=COMMON).scores)
            for a, label in ALGORITHMS.items()
        }
        ends.append(f"{SHORT[env_id]} {first_of(last)}")
    return (
        "Eight panels, one a robot: median return over steps as lines for five "
        "algorithms, the middle half of the seeds as bands, a grey line for what "
        "needs no learning. The best at the end, by the evaluation's median: "
        f"{', '.join(ends)}."
    )


curves = Picture(draw_curves, curves_words)


def draw_seeds(runs):
    """TRPO's runs one by one; those that fail apart."""
    figure, cells = _task_panels((9.4, 5.2))
    for axes, env_id in zip(cells, TASKS):
        group = runs.of(env_id, "trpo")
        bad = failed(group.scores, max(floors()[env_id]))
        for steps, R, sick in zip(group["steps"], group["return_mean"], bad):
            seen = np.isfinite(R)
            look = dict(color=style.RED, linestyle="--", linewidth=1.5, zorder=3)
            fine = dict(color=style.BLUE, linestyle="-", linewidth=1.0)
            axes.plot(steps[seen], R[seen], **(look if sick else fine))
        axes.axhline(max(floors()[env_id]), color=style.GREY, linewidth=1)
    lines = [
        cells[7].plot([], [], "-", color=style.BLUE, label="a seed")[0],
        cells[7].plot([], [], "--", color=style.RED, label="a seed that fails")[0],
        cells[7].plot([], [], "-", color=style.GREY, label="without learning")[0],
    ]
    figure.legend(handles=lines, loc="outside upper left", ncols=3)
    return figure


def seeds_words(runs):
    """What `draw_seeds` shows, in words."""
    found = []
    for env_id in TASKS:
        group = runs.of(env_id, "trpo")
        bad = group["seed"][failed(group.scores, max(floors()[env_id]))]
        if len(bad):
            found.append(f"{SHORT[env_id]} {', '.join(map(str, bad))}")
    sick = "; ".join(found) or "none"
    return (
        "Eight panels, one a robot: TRPO's return over steps, a line for each seed. "
        f"Seeds that fail, drawn dashed: {sick}."
    )


seeds = Picture(draw_seeds, seeds_words)


def _few_ticks(axis):
    """1, 2, 5, 10, 20, ... on a log axis, as plain numbers; powers of 10 if many."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    low, high = axis.get_view_interval()
    subs = (1, 2, 5) if high < 300 * low else (1,)
    axis.set_major_locator(LogLocator(subs=subs))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))


def draw_limits(runs):
    """Left the largest KL over delta of each task, right promise over noise."""
    figure, (left, right) = plots.figure(1, 2, (9.0, 4.0), sharey=True)
    places = np.arange(len(TASKS))[::-1]
    names = {}
    for y, env_id in zip(places, TASKS):
        for algorithm, mark, color in (
            ("trpo", "o", style.BLUE),
            ("npg", "s", style.RED),
            ("ppo-clip", "^", style.VIOLET),
        ):
            if algorithm == "trpo" or env_id in SEVEN:
                worst = runs.of(env_id, algorithm)["worst_share"]
                look = dict(color=color, linestyle="none", markersize=5, alpha=0.7)
                names[algorithm] = left.plot(worst, [y] * len(worst), mark, **look)[0]
        begin, middle, end = np.nanmedian(
            thirds(runs.of(env_id, "trpo")["over_noise"]), axis=0
        )
        right.plot([begin, middle, end], [y] * 3, "-", color=style.GREY, linewidth=1)
        right.plot(begin, y, "o", color=style.BLUE, markerfacecolor="white")
        right.plot(middle, y, "|", color=style.BLUE, markersize=10)
        right.plot(end, y, "o", color=style.BLUE)
    for axes, label in (
        (left, "largest KL / δ of a run"),
        (right, "promise / promise of noise"),
    ):
        axes.axvline(1, color=style.INK, linewidth=1.2, linestyle="--")
        axes.set(xscale="log", xlabel=label)
        _few_ticks(axes.xaxis)
    left.set_yticks(places, [SHORT[env_id] for env_id in TASKS])
    plots.words_above(
        left,
        ("●  TRPO", style.BLUE),
        ("■  NPG", style.RED),
        ("▲  PPO-clip, in units of TRPO's δ", style.VIOLET),
    )
    plots.words_above(
        right,
        ("○  first third of the updates", style.BLUE),
        ("|  middle", style.BLUE),
        ("●  last", style.BLUE),
    )
    return figure


def limits_words(runs):
    """What `draw_limits` shows, in words."""
    worst = {
        algorithm: np.max([runs.of(x, algorithm)["worst_share"].max() for x in SEVEN])
        for algorithm in ("trpo", "npg", "ppo-clip")
    }
    ends = [
        np.nanmedian(thirds(runs.of(x, "trpo")["over_noise"]), axis=0) for x in TASKS
    ]
    first, last = np.array(ends)[:, 0], np.array(ends)[:, 2]
    return (
        "Left, for each robot, the largest KL over delta of each run: TRPO at most "
        f"{worst['trpo']:.2f}, NPG at most {worst['npg']:.2g}, PPO-clip at most "
        f"{worst['ppo-clip']:.2g}. Right the promise over that of noise: in the first "
        f"third of the updates {np.min(first):.2g} to {np.max(first):.2g}, in the last "
        f"{np.min(last):.2g} to {np.max(last):.2g}."
    )


limits = Picture(draw_limits, limits_words)


def draw_best(rows, scores):
    """Expected best and median of n seeds, over n, and the ten seeds -> Figure.

    rows : (n, coverage, expected best, expected median) each.
    """
    n, _, best, middle = np.transpose(rows)
    figure, axes = plots.figure(size=(6.6, 3.4))
    axes.plot(n, best, "--s", color=style.RED, markersize=5)
    axes.plot(n, middle, "-o", color=style.BLUE, markersize=5)
    spread = np.full(len(scores), n.max() + 0.9)
    axes.plot(spread, scores, "_", color=style.INK, markersize=11)
    axes.set(xlabel="seeds tried, n", ylabel="return", xlim=(0.7, n.max() + 1.4))
    plots.words_above(
        axes,
        ("– –  the best of n, on average", style.RED),
        ("──  the median of n, on average", style.BLUE),
        ("—  the ten seeds", style.INK),
    )
    return figure


def best_words(rows, scores):
    """What `draw_best` shows, in words."""
    n, _, best, middle = np.transpose(rows)
    return (
        "Average result over the number of seeds tried. The best of n rises from "
        f"{best[0]:.0f} with one to {best[-1]:.0f} with {n[-1]:.0f}; the median stays "
        f"between {middle.min():.0f} and {middle.max():.0f}. At the right the seeds, "
        f"from {np.min(scores):.0f} to {np.max(scores):.0f}."
    )


best = Picture(draw_best, best_words)


STRIP = 8.6  # inches that a row of frames is wide


def draw_strip(robots, whens=("end",), count=6):
    """Films as strips: a row for each robot and each time, `count` frames -> Figure."""
    rows = [(env_id, when) for env_id in robots for when in whens]
    boxes = {
        x: _with_room(film.window([film_of(x, w)[0] for w in whens]), count)
        for x in robots
    }
    tall = [np.subtract(*boxes[x][:1:-1]) / _width(boxes[x]) for x, _ in rows]
    size = STRIP, STRIP / count * sum(tall) + 0.45 * len(rows) + 0.2
    figure, cells = plots.figure(len(rows), 1, size, squeeze=False, height_ratios=tall)
    for axes, (env_id, when) in zip(cells[:, 0], rows):
        shown, score, _ = film_of(env_id, when)
        film.draw_row(axes, shown, boxes[env_id], count)
        axes.set_title(_caption(env_id, when, score, shown), fontsize=11)
    return figure


def _width(box):
    return box[1] - box[0]


def _with_room(box, count, inches=0.2):
    """The box with a higher top, for the seconds above each figure of a strip."""
    *sides, high = box
    return *sides, high + inches / STRIP * count * _width(box)


def _caption(env_id, when, score, shown):
    """A film's line of words."""
    name = {"start": "before training, random", "half-way": "half-way"}
    said = f"{SHORT[env_id]}, {name.get(when, 'after training')}"
    said += f": mean return {number(score, '.0f')}" if score is not None else ""
    return said + ("; falls" if shown.fell else "")


def strip_words(robots, whens=("end",), count=6):
    """What `draw_strip` shows, in words."""
    said = []
    for env_id in robots:
        for when in whens:
            shown, score, _ = film_of(env_id, when)
            way = shown.camera[-1, 0] - shown.camera[0, 0]
            seconds = (len(shown) - 1) * shown.interval
            text = f"{_caption(env_id, when, score, shown)} after {seconds:.1f} s"
            text = text if shown.fell else f"{_caption(env_id, when, score, shown)}"
            moves = f", moves {way:.1f} m in {seconds:.1f} s" if way else ""
            said.append(text + moves)
    return f"Stick figures, {count} frames in a row. " + ". ".join(said) + "."


strip = Picture(draw_strip, strip_words)


def _each_seed(axes, runs, others):
    """Returns over steps, a line a seed; those of the `others` dashed and red."""
    for group, look in (
        (runs, dict(color=style.BLUE, linestyle="-")),
        (others, dict(color=style.RED, linestyle="--")),
    ):
        for steps, R in zip(group["steps"], group["return_mean"]):
            seen = np.isfinite(R)
            axes.plot(steps[seen], R[seen], linewidth=1.2, **look)


def draw_against(runs, broken, pairs):
    """Returns over steps, sound and with something wrong, a panel a pair -> Figure.

    pairs : (env_id, label of the broken runs).
    """
    size = 0.4 + min(3.4, 8.6 / len(pairs)) * len(pairs), 3.3
    figure, cells = plots.figure(1, len(pairs), size, squeeze=False)
    for axes, (env_id, label) in zip(cells[0], pairs):
        group = broken.of(env_id, "trpo", label)
        _each_seed(axes, runs.of(env_id, "trpo", seeds=group["seed"]), group)
        axes.set(xlabel="steps")
        axes.locator_params(axis="x", nbins=3)
        plots.thousands(axes.xaxis)
        plots.words_above(
            axes,
            (f"──  {SHORT[env_id]}", style.BLUE),
            (f"– –  {label}", style.RED),
        )
    cells[0][0].set_ylabel("mean return")
    return figure


def against_words(runs, broken, pairs):
    """What `draw_against` shows, in words."""
    said = []
    for env_id, label in pairs:
        group = broken.of(env_id, "trpo", label)
        fine = runs.of(env_id, "trpo", seeds=group["seed"])
        both = np.median(fine.scores), np.median(group.scores)
        words = f"{SHORT[env_id]} {both[0]:.0f}, with {label} {both[1]:.0f}"
        said.append(words)
    return (
        "Returns over steps, a line for each seed: as it should be, and with something "
        f"wrong. Medians at the end: {'; '.join(said)}."
    )


against = Picture(draw_against, against_words)


def _millions(runs):
    return f"{runs.settings[0]['steps'] / 1e6:g}"


def draw_longer(runs, others):
    """Returns over steps of one robot's runs and of those with more steps."""
    figure, axes = plots.figure(1, 1, (7.4, 3.8))
    _each_seed(axes, runs, others)
    axes.set(xlabel="steps", ylabel="mean return")
    plots.thousands(axes.xaxis)
    words = (
        f"{mark}  {_millions(group)}M steps: {np.median(group.scores):.0f}"
        for mark, group in (("──", runs), ("– –", others))
    )
    plots.words_above(axes, *zip(words, (style.BLUE, style.RED)))
    return figure


def longer_words(runs, others):
    """What `draw_longer` shows, in words."""
    said = [
        f"{_millions(x)}M steps, median score {np.median(x.scores):.0f}, "
        f"from {x.scores.min():.0f} to {x.scores.max():.0f}"
        for x in (runs, others)
    ]
    return f"Returns over steps, a line for each seed. {'; dashed: '.join(said)}."


longer = Picture(draw_longer, longer_words)


def draw_tried(store):
    """Ten policies of each run tried, the last and the best played again -> Figure."""
    labels = store["label"].tolist()
    figure, cells = plots.figure(1, len(labels), (9.4, 3.8), sharey=True)
    x = np.arange(len(store["seed"]))
    for i, (axes, label) in enumerate(zip(cells, labels)):
        look = dict(color=style.INK, markersize=4, fillstyle="none", alpha=0.5)
        tries = axes.plot(x, store["trial"][i], "o", **look)
        last = axes.plot(x, store["last"][i].mean(-1), "_", color=style.RED,
                         markersize=12, markeredgewidth=2.5)  # fmt: skip
        best = axes.plot(x, store["best"][i].mean(-1), "D", color=style.BLUE)
        axes.set_title(label, fontsize=12)
        axes.set_xticks(x[::3], store["seed"][::3])
        axes.set(xlabel="seed")
    cells[0].set(ylabel="mean return", ylim=(0, None))
    words = "ten policies, five episodes each", "the last one again", "the best again"
    handles = tries[0], last[0], best[0]
    figure.legend(handles, words, loc="outside upper center", ncols=3)
    return figure


def tried_words(store):
    """What `draw_tried` shows, in words."""
    said = []
    for i, label in enumerate(store["label"]):
        last, best = (np.median(store[x][i].mean(-1)) for x in ("last", "best"))
        apart = np.median(np.ptp(store["trial"][i], -1))
        said.append(
            f"{label}: the ten policies of a run are {apart:.0f} apart (the median "
            f"run), the median of the last ones is {last:.0f}, of the best {best:.0f}"
        )
    return f"Three panels, a column of policies for each seed. {'; '.join(said)}."


tried = Picture(draw_tried, tried_words)


def draw_lots(store):
    """Scores of settings drawn by lot, and of the best of them with fresh seeds."""
    figure, cells = _task_panels((9.4, 5.6))
    for axes, score, best, fresh in zip(
        cells, store["score"], store["best"], store["fresh"]
    ):
        for i, chosen in enumerate(best):
            color = style.line(i)["color"]
            axes.plot(np.full(len(score[i]), i - 0.2), score[i], "o", color=color,
                      markersize=4, fillstyle="none")  # fmt: skip
            axes.plot(i - 0.2, score[i, chosen], "D", color=color, markersize=6)
            axes.plot(np.full(len(fresh[i]), i + 0.2), fresh[i], "_", color=color,
                      markersize=8)  # fmt: skip
            axes.hlines(np.median(fresh[i]), i, i + 0.4, color=color, linewidth=3.5)
        axes.set_xticks(range(len(best)), range(1, len(best) + 1))
        axes.set_xlabel("")
    keys = "○  a setting drawn\n◆  the best of them\n–   it again, fresh seeds\n"
    keys, corner = f"{keys}▬  their median", cells[7].transAxes
    cells[7].text(-0.1, 0.5, keys, va="center", linespacing=1.8, transform=corner)
    cells[7].set_axis_off()
    cells[7].set(title="", xlabel="")
    labels = [f"{i} {name}" for i, name in enumerate(ALGORITHMS.values(), 1)]
    lines = [
        cells[7].plot([], [], "o", color=style.line(i)["color"], label=label)[0]
        for i, label in enumerate(labels)
    ]
    words = [style.ink(line.get_color()) for line in lines]
    figure.legend(handles=lines, labelcolor=words, loc="outside upper left", ncols=5)
    return figure


def lots_words(store):
    """What `draw_lots` shows, in words."""
    said = []
    for env_id, fresh in zip(store["task"].tolist(), store["fresh"]):
        medians = dict(zip(ALGORITHMS.values(), np.median(fresh, 1)))
        said.append(f"{SHORT[env_id]} {first_of(medians)}")
    return (
        "Seven panels, one a robot, five columns in each, one an algorithm: the scores "
        "of ten settings drawn by lot, the best of them marked, and beside these the "
        "scores of its settings with five fresh seeds and their median. The largest of "
        f"these medians: {', '.join(said)}."
    )


lots = Picture(draw_lots, lots_words)


def swimmer(label, seed):
    """(poses [T, 5], above [2], held [2, 2]) of a stored TRPO run's swimmer.

    poses : each .16 s of an episode by the average action, metres and radians from
        where it starts
    above : share of sampled actions above 0 in the second half, by motor
    held : metres that the centre of mass gets forward if motor i is held at -1, at 1
    """
    store, key = load("robots_break" if label else "robots"), f"path/{label}/{seed}"
    poses = store[key] / 1000
    poses[:, :2] -= poses[0, :2]
    return poses, store[f"{key}/above"], store[f"{key}/held"].astype(float)


PAUSE = 0.16  # seconds between two stored poses


def joints_of(poses):
    """[T, 4, 2] where the front end, the two joints and the tail are, metres.

    Links are 1 m long. A pose is (x, y, heading, two joint angles); its x and y are
    half a metre behind the first joint, in line with the front link.
    """
    angles = np.cumsum(poses[:, 2:].T, axis=0)
    front, middle, rear = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    first = poses[:, :2] + 0.5 * front
    second = first - middle
    return np.stack([first + front, first, second, second - rear], axis=1)


def centre_of(poses):
    """[T, 2] the centre of mass: three links weigh the same."""
    joints = joints_of(poses)
    return (joints[:, :-1] + joints[:, 1:]).mean(1) / 2


def forward(poses):
    """Metres forward: (of the paid point, of the centre of mass)."""
    x = np.stack([poses[:, 0], centre_of(poses)[:, 0]])
    return tuple(x[:, -1] - x[:, 0])


def draw_paths(swimmers):
    """Two swimmers from above, and a third one below in a strip -> Figure.

    swimmers : {title: (label, seed, seconds at which it is drawn)}. The paid point's
    way is drawn from the first of these to the last.
    """
    figure, cells = plots.figure(2, 2, (9.0, 6.1), height_ratios=(3.6, 1))
    for axes in cells[1]:
        axes.remove()
    strip = figure.add_subplot(cells[1, 0].get_gridspec()[1, :])
    for axes, (title, swam) in zip((*cells[0], strip), swimmers.items()):
        _draw_swimmer(axes, *swam)
        axes.set_title(title, fontsize=12)
    for axes in cells[0]:  # as much of the water in both
        x, y = np.mean(axes.dataLim.get_points(), axis=0)
        axes.set(xlim=(x - 1.9, x + 1.9), ylim=(y - 1.45, y + 1.45))
    strip.set(xlim=(-1.8, 16.8), ylim=(-1.1, 1.2), xlabel="forward [m]")
    cells[0, 0].set_ylabel("to the side [m]")
    for line, color, name in (
        ("-", style.BLUE, "centre of mass"),
        (":", style.RED, "the point that is paid"),
        ("o-", style.INK, "three links and their front end"),
    ):
        strip.plot([], [], line, color=color, label=name)
    figure.legend(loc="outside upper center", ncols=3)
    return figure


def _draw_swimmer(axes, label, seed, seconds):
    """Its ways and some of its poses, the last one darkest."""
    poses, _, _ = swimmer(label, seed)
    frames = np.round(np.array(seconds) / PAUSE).astype(int)
    axes.plot(*poses[frames[0] : frames[-1] + 1, :2].T, ":", color=style.RED)
    axes.plot(*centre_of(poses).T, "-", color=style.BLUE, linewidth=3)
    shades = np.linspace(0.35, 1, len(seconds))
    for joints, when, alpha in zip(joints_of(poses[frames]), seconds, shades):
        ink = {"color": style.INK, "alpha": alpha, "solid_joinstyle": "round"}
        axes.plot(*joints.T, "-", linewidth=3, **ink)
        axes.plot(*joints[0], "o", markersize=9, **ink)
        axes.annotate(
            f"{when:g} s",
            joints[0],
            (7, -13),
            textcoords="offset points",
            bbox={"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 1},
        )
    axes.set_aspect("equal")


def paths_words(swimmers):
    """What `draw_paths` shows, in words."""
    said = []
    for title, (label, seed, _) in swimmers.items():
        paid, mass = (number(x, ".1f") for x in forward(swimmer(label, seed)[0]))
        said.append(f"{title}: the paid point {paid} m, the centre of mass {mass} m")
    return (
        "Swimmers of three links seen from above at some moments, with the ways of "
        f"their centre of mass and of the point that is paid. Forward in 40 s: "
        f"{'; '.join(said)}."
    )


paths = Picture(draw_paths, paths_words)


def draw_linear(pairs):
    """Returns with either kind of features, and Pendulum's torque -> Figure.

    pairs : {task: (runs of a linear policy, runs of one with waves)}.
    """
    figure, cells = plots.figure(2, 3, (9.4, 6.0))
    for axes, (task, both) in zip(cells[0], pairs.items()):
        for i, runs in enumerate(both):
            _median_and_band(axes, runs, i)
        axes.set(xlabel="steps", title=task)
        axes.locator_params(axis="x", nbins=3)
        plots.thousands(axes.xaxis)
    cells[0][0].set_ylabel("mean return")
    store = load("robots_linear")
    angle, torques = store["map/angle"], store["map/torque"].astype(float).clip(-2, 2)
    titles = "linear: torque [N m]", "waves: torque [N m]"
    for axes, torque, title in zip(cells[1], torques, titles):
        image = axes.imshow(
            torque.T, origin="lower", aspect="auto", cmap="RdBu",
            extent=(-180, 180, -8, 8), vmin=-2, vmax=2,
        )  # fmt: skip
        axes.set(xlabel="angle from upright [°]", ylabel="speed [rad/s]", title=title)
        axes.set_xticks((-180, 0, 180))
        axes.grid(False)
    bar = figure.colorbar(image, ax=cells[1][1], shrink=0.9, pad=0.02)
    bar.outline.set_visible(False)
    rest = cells[1][2]
    for i, torque in enumerate(torques):
        rest.plot(angle, torque[:, torque.shape[1] // 2], **style.line(i))
    rest.set(xlabel="angle from upright [°]", title="at rest [N m]")
    rest.set_xticks((-180, 0, 180))
    for axes in (cells[0][0], rest):
        plots.words_above(
            axes,
            ("──  linear", style.line(0)["color"]),
            ("– –  waves", style.line(1)["color"]),
            ("", style.INK),
        )
    return figure


def linear_words(pairs):
    """What `draw_linear` shows, in words."""
    medians = [
        f"{task} {np.median(one.scores):.4g} and {np.median(other.scores):.4g}"
        for task, (one, other) in pairs.items()
    ]
    return (
        "Above, returns over steps with a policy linear in the observation and with "
        f"one linear in waves of it; medians at the end: {', '.join(medians)}. "
        "Below, the Pendulum's torque over angle and speed: one wave over the angle, "
        "shifted with the speed, for the linear policy; a winding pattern for the "
        "waves; and both at rest, over the angle."
    )


linear = Picture(draw_linear, linear_words)


def draw_cost(store):
    """Where a step's time goes, and what an update costs, over sizes -> Figure."""
    figure, cells = plots.figure(2, 2, (8.6, 6.4))
    bars, batch, parameters, side = cells.flat
    parts = (
        ("simulator", style.GREY),
        ("acting", style.BLUE),
        ("learning", style.RED),
    )
    left, places = np.zeros(len(store["task"])), np.arange(len(store["task"]))[::-1]
    for name, color in parts:
        width = 1e6 * np.maximum(store[name], 0)
        bars.barh(places, width, left=left, color=color, height=0.7)
        left = left + width
    bars.set_yticks(places, [SHORT[x] for x in store["task"].tolist()], fontsize=10)
    bars.set(xlabel="time of a step [µs]", ylabel="robot")
    bars.grid(axis="y", visible=False)
    plots.words_above(
        bars,
        ("■  simulator", style.GREY),
        ("■  acting", style.BLUE),
        ("■  learning", style.RED),
    )
    for axes, x, label in (
        (batch, "batch", "steps in the batch"),
        (parameters, "parameters", "parameters"),
    ):
        axes.plot(store[x], 1e3 * store[f"update_of_{x}"], "-o", color=style.RED)
        axes.set(xscale="log", yscale="log", xlabel=label, ylabel="an update [ms]")
    side.plot(store["environments"], 1e6 * store["collecting"], "-o", color=style.BLUE)
    side.plot(store["environments"], 1e6 * store["stepping"], "--s", color=style.INK)
    side.set(xscale="log", yscale="log", xlabel="environments side by side")
    side.set_ylabel("time of a step [µs]")
    _few_ticks(side.yaxis)
    _few_ticks(side.xaxis)
    plots.words_above(
        side,
        ("──  collecting, HalfCheetah", style.BLUE),
        ("– –  its simulator alone", style.INK),
    )
    return figure


def cost_words(store):
    """What `draw_cost` shows, in words."""
    parts = np.array([store[x] for x in ("simulator", "acting", "learning")])
    share = parts[0] / parts.sum(0)
    growth = {
        x: store[f"update_of_{x}"][-1] / store[f"update_of_{x}"][0]
        for x in ("batch", "parameters")
    }
    alone = store["stepping"] / store["collecting"]
    return (
        "Four panels. Bars: of a step's time the simulator takes "
        f"{share.min():.0%} to {share.max():.0%}, by robot. Lines on log axes: an "
        f"update costs {growth['batch']:.0f} times as much with "
        f"{store['batch'][-1] / store['batch'][0]:.0f} times the batch, and "
        f"{growth['parameters']:.0f} times as much with "
        f"{store['parameters'][-1] / store['parameters'][0]:.0f} times the "
        "parameters. Of the time of collecting a step, the simulator alone takes "
        f"{alone[0]:.0%} with one environment and {alone[-1]:.0%} with "
        f"{store['environments'][-1]}."
    )


cost = Picture(draw_cost, cost_words)

# --- widgets


def _named(source):
    """A source's name with its number of steps, 1M if it says no other."""
    return source if "," in source else f"{source}, 1M"


def _trpos(env_id):
    """[(source, return, half width or 0)] of all that is called TRPO, by return."""
    found = []
    for (algorithm, source), values in PUBLISHED.items():
        value = values[TASKS.index(env_id)]
        if algorithm == "TRPO" and value is not None:
            pair = value if isinstance(value, tuple) else (value, 0)
            found.append((_named(source), *pair))
    return sorted(found, key=lambda row: row[1])


def draw_which(robot):
    """Everything that is called TRPO on one robot -> Figure."""
    env_id = next(x for x in TASKS if SHORT[x] == robot)
    group, rows = runs_of("robots").of(env_id, "trpo"), _trpos(env_id)
    figure, axes = plots.figure(size=(7.4, 3.9))
    places = np.arange(1, len(rows) + 1)
    for y, (_, value, half) in zip(places, rows):
        axes.plot([value - half, value + half], [y, y], "-", color=style.GREY)
        axes.plot(value, y, "D", color=style.INK, markersize=7)
    axes.plot(group.scores, np.zeros(len(group)), "|", color=style.BLUE, markersize=16)
    axes.plot(np.median(group.scores), 0, "o", color=style.BLUE, markersize=8)
    axes.axvline(max(floors()[env_id]), color=style.RED, linewidth=1.3, linestyle=":")
    names = ["this page", *(source for source, *_ in rows)]
    axes.set_yticks(np.arange(len(names)), names)
    axes.set(xlabel=f"{robot}: return", ylabel="source", ylim=(-0.7, 8.5))
    plots.words_above(
        axes,
        ("◆  published as TRPO, grey: its ±", style.INK),
        ("●  median of our seeds, | each of them", style.BLUE),
        ("···  without learning", style.RED),
    )
    return figure


def which_words(robot):
    """What `draw_which` shows, in words."""
    env_id = next(x for x in TASKS if SHORT[x] == robot)
    said = [f"{source}: {value:g}" for source, value, _ in _trpos(env_id)]
    scores = runs_of("robots").of(env_id, "trpo").scores
    return (
        f"Returns on {robot} that were all published as TRPO. {'; '.join(said)}. The "
        f"policies of this page: median {np.median(scores):.0f}, seeds from "
        f"{scores.min():.0f} to {scores.max():.0f}. Without learning: "
        f"{number(max(floors()[env_id]), '.0f')}."
    )


which = Widget(
    draw_which,
    which_words,
    {"robot": Choice("robot", tuple(SHORT.values()), "HalfCheetah")},
)


@cache
def _box(env_id):
    """The picture's limits, the same for all films of a robot."""
    return film.window([film_of(env_id, when)[0] for when in WHEN])


def _at(robot, when, frame):
    env_id = next(x for x in TASKS if SHORT[x] == robot)
    shown, score, _ = film_of(env_id, when)
    return env_id, shown, score, min(frame, len(shown) - 1)


def draw_gait(robot, when, frame):
    """One frame of a film -> Figure."""
    env_id, shown, score, frame = _at(robot, when, frame)
    figure, axes = plots.figure(size=(6.8, 4.2))
    film.draw_alone(axes, shown, frame, _box(env_id))
    x = shown.camera[frame, 0] - shown.camera[0, 0]
    plots.words_above(
        axes,
        (_caption(env_id, when, score, shown), style.INK),
        (
            f"{frame * shown.interval:.2f} s, {number(x, '.2f')} m forward, "
            f"return so far {number(float(shown.rewards[frame]), '.1f')}",
            style.INK,
        ),
    )
    return figure


def gait_words(robot, when, frame):
    """What `draw_gait` shows, in words."""
    env_id, shown, score, frame = _at(robot, when, frame)
    x = shown.camera[frame, 0] - shown.camera[0, 0]
    return (
        f"A stick figure. {_caption(env_id, when, score, shown)}. Frame {frame} of "
        f"{len(shown) - 1}, {frame * shown.interval:.2f} s after the start, "
        f"{number(x, '.2f')} m forward, return so far "
        f"{number(float(shown.rewards[frame]), '.1f')}."
    )


gait = Widget(
    draw_gait,
    gait_words,
    {
        "robot": Choice("robot", tuple(SHORT.values()), "HalfCheetah"),
        "when": Choice("policy", WHEN, "end"),
        "frame": Frames("frame", 101),
    },
)


def draw_horizon(robot, gamma):
    """What a reward weighs that comes later, over seconds -> Figure."""
    env_id = next(x for x in TASKS if SHORT[x] == robot)
    dt = STEP[env_id]
    figure, axes = plots.figure(size=(6.8, 3.3))
    seconds = np.linspace(0, 8, 200)
    axes.plot(seconds, gamma ** (seconds / dt), "-", color=style.BLUE)
    horizon = dt / (1 - gamma)
    if horizon <= 8:
        axes.plot([horizon] * 2, [0, 1], "--", color=style.RED)
    axes.set(xlabel="seconds later", ylabel="weight of a reward [1]")
    axes.set(xlim=(0, 8), ylim=(0, 1.02))
    plots.words_above(
        axes,
        (f"──  {robot}, γ = {gamma:g}, a step is {dt:g} s", style.BLUE),
        (f"– –  1 / (1 − γ) steps: {horizon:.3g} s", style.RED),
    )
    return figure


def horizon_words(robot, gamma):
    """What `draw_horizon` shows, in words."""
    dt = STEP[next(x for x in TASKS if SHORT[x] == robot)]
    return (
        f"The weight of a reward over the seconds until it comes, for {robot} with "
        f"gamma {gamma:g} and steps of {dt:g} s: {gamma ** (1 / dt):.2g} after one "
        f"second, {gamma ** (5 / dt):.2g} after five. The horizon 1 / (1 - gamma) is "
        f"{dt / (1 - gamma):.3g} s."
    )


horizon = Widget(
    draw_horizon,
    horizon_words,
    {
        "robot": Choice("robot", tuple(SHORT.values()), "Swimmer"),
        "gamma": Steps(
            "discount γ", (0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 0.9995, 0.9999), 0.99
        ),
    },
)

# --- exercises


def gamma_for_stub(seconds, weight, dt):
    """The discount by which a reward `seconds` later counts `weight`.

    A step lasts dt seconds.
    """
    gamma = ...  # your line
    return gamma


def gamma_for_reference(seconds, weight, dt):
    """The discount by which a reward `seconds` later counts `weight`."""
    gamma = weight ** (dt / seconds)
    return gamma


def horizon_only(seconds, weight, dt):
    return 1 - dt / seconds


def in_seconds(seconds, weight, dt):
    return weight ** (1 / seconds)


def root_and_power(seconds, weight, dt):
    return weight ** (seconds / dt)


def power_first(seconds, weight, dt):
    return weight**dt / seconds


def straight_line(seconds, weight, dt):
    return 1 - (1 - weight) * dt / seconds


def gamma_cases(rng):
    return [
        (1.5, 0.5, 0.04),
        (rng.uniform(0.5, 3), rng.uniform(0.1, 0.3), 0.008),
        (rng.uniform(3, 8), rng.uniform(0.6, 0.9), 0.05),
        (rng.uniform(0.2, 0.4), rng.uniform(0.02, 0.1), 0.02),
    ]


gamma_for = Exercise(
    name="gamma_for",
    minutes=4,
    difficulty=1,
    stub=gamma_for_stub,
    reference=gamma_for_reference,
    mistakes={
        "this makes 1 / (1 - gamma) that long, where the weight is about 1/e whatever "
        "`weight` says": horizon_only,
        "gamma counts once a step, not once a second": in_seconds,
        "that many steps of gamma must give `weight`: take the root, not the power": (
            root_and_power
        ),
        "weights fall geometrically, not along a straight line": straight_line,
        "brackets: ** comes before /": power_first,
    },
    hints=(
        "How many steps are that many seconds? What is gamma to that power?",
        "gamma ** (seconds / dt) = weight. Solve for gamma.",
        "gamma = weight ** (dt / seconds)",
    ),
    cases=gamma_cases,
)


def read_log_stub(R, share, over_noise, entropy):
    """One word for the end of a run, each argument an array [K]."""
    ...  # your code


def read_log_reference(R, share, over_noise, entropy):
    """One word for the end of a run, each argument an array [K]."""
    if np.median(share) < 0.1:
        return "frozen"
    early, late = R[: len(R) // 2], R[len(R) // 2 :]
    error = np.sqrt(np.var(early) / len(early) + np.var(late) / len(late))
    if np.mean(late) - np.mean(early) > 2 * error:
        return "learning"
    if entropy[0] - entropy[-1] > 1:
        return "collapsed"
    return "noise" if np.median(over_noise) < 2 else "misled"


def log_with(
    share=np.median,
    limit=0.1,
    rise=lambda late, early, error: late - early > 2 * error,
    first="frozen",
    falls=lambda entropy: entropy[0] - entropy[-1] > 1,
    little=2.0,
):
    """`read_log` with a rule exchanged."""

    def wrong(R, share_, over_noise, entropy):
        half = len(R) // 2
        early, late = R[:half], R[half:]
        error = np.sqrt(np.var(early) / len(early) + np.var(late) / len(late))
        rises = rise(np.mean(late), np.mean(early), error)
        if first == "learning" and rises:
            return "learning"
        if share(share_) < limit:
            return "frozen"
        if first == "collapsed" and falls(entropy):
            return "collapsed"
        if rises:
            return "learning"
        if falls(entropy):
            return "collapsed"
        return "noise" if np.median(over_noise) < little else "misled"

    return wrong


def log_cases(rng):
    """Each word several times, and each rule on both sides of its limit."""

    def log(share=0.8, rise=0.0, fall=0.0, noise=5.0, spoil=0.0, size=None):
        K = size or int(rng.integers(9, 16))
        half = K // 2
        R = rng.normal(100, 10, K)
        for part in (slice(None, half), slice(half, None)):
            R[part] -= R[part].mean()
        error = np.sqrt(np.var(R[:half]) / half + np.var(R[half:]) / (K - half))
        R[half:] += rise * error
        shares = np.full(K, share)
        shares[: (K - 1) // 2] = share * 20 if spoil else share
        noises = np.full(K, noise)
        noises[: (K - 1) // 2] = noise * 30 if spoil else noise
        entropy = 3.0 + rng.normal(0, 0.4, K)
        entropy[[0, -1]] = 3.0, 3.0 - fall
        order = rng.permutation(K)
        return 250 + R, shares[order], noises[order], entropy

    cases = [
        log(rise=4.0),
        log(share=0.02),
        log(fall=2.5),
        log(noise=1.2),
        log(noise=4.0),
        log(share=0.02, rise=5.0),  # frozen comes first
        log(rise=5.0, fall=3.0),  # learning comes before collapsed
        log(share=0.02, fall=3.0),
        log(fall=2.0, noise=1.0),  # collapsed comes before noise
        log(share=0.095, noise=1.0),
        log(share=0.105, noise=1.0),
        log(rise=1.9, noise=6.0),
        log(rise=2.1, noise=6.0),
        log(rise=-4.0, noise=6.0),
        log(fall=0.95),
        log(fall=1.05),
        log(fall=-2.0),
        log(noise=1.95),
        log(noise=2.05),
        log(share=0.04, noise=8.0, spoil=1),  # the median, not the mean
        log(noise=0.5, spoil=1),
        log(rise=1.9, size=13),
        log(rise=2.1, size=13),
    ]
    flat, rest = np.full(9, 64.0), np.linspace(3, 2, 9)
    step = np.array([-1.0, 0, 0, 1, 0, 1, 1, 2])  # up by twice its standard error
    half, nine = np.full(8, 0.5), (np.full(9, 0.5), np.full(9, 3.0), np.ones(9))
    cases += [
        (flat, np.full(9, 0.1), np.full(9, 2.0), rest),
        (step, half, 4 * half, np.ones(8)),
        (step + 0.01 * (np.arange(8) > 3), half, half, np.ones(8)),
        # of nine the middle one is in the last half, and decides
        (np.array([0.0, 1, 0, 1, 9, 1.2, 1.2, 1.2, 1.2]), *nine),
        (np.array([0.0, 1, 0, 1, 6, 2, 2, 2, 2]), *nine),
        # a dip in the middle, from which the entropy comes back
        (flat, nine[0], nine[1], np.array([3.0, 3, 2, 1, 0.5, 1, 2, 2.5, 2.8])),
    ]

    def wide(low, one, other, high):  # of ten, the two in the middle make the median
        return np.r_[np.full(4, low), one, other, np.full(4, high)]

    flat, rest = np.full(10, 64.0), np.linspace(3, 2.5, 10)
    cases += [
        (flat, wide(0.02, 0.06, 0.16, 0.8), np.full(10, 5.0), rest),
        (flat, wide(0.02, 0.08, 0.11, 0.8), np.full(10, 5.0), rest),
        (flat, np.full(10, 0.8), wide(0.5, 1.5, 2.7, 6.0), rest),
        (flat, np.full(10, 0.8), wide(0.5, 1.2, 2.6, 6.0), rest),
    ]
    return cases


read_log = Exercise(
    name="read_log",
    minutes=10,
    difficulty=2,
    stub=read_log_stub,
    reference=read_log_reference,
    mistakes={
        "a few large steps hide many tiny ones here: take the median of share": (
            log_with(share=np.mean)
        ),
        "any rise counts here; it must be more than twice its standard error": (
            log_with(rise=lambda late, early, error: late > early)
        ),
        "one standard error is not enough: noise reaches it in one of five logs": (
            log_with(rise=lambda late, early, error: late - early > error)
        ),
        "a fall of the return counts as learning: look at its sign": (
            log_with(rise=lambda late, early, error: abs(late - early) > 2 * error)
        ),
        "a run with tiny steps is frozen, whatever its return does by luck": (
            log_with(first="learning")
        ),
        "a falling entropy is healthy while the return rises: ask for that first": (
            log_with(first="collapsed")
        ),
        "collapsed is a *fall* of the entropy: first minus last": (
            log_with(falls=lambda entropy: abs(entropy[0] - entropy[-1]) > 1)
        ),
        "below twice noise's promise is noise; once is too strict": (
            log_with(little=1.0)
        ),
    },
    hints=(
        "Five rules in the order of the text; return at the first that holds.",
        "early, late = R[: len(R) // 2], R[len(R) // 2 :]; the standard error of the "
        "difference is np.sqrt(np.var(early) / len(early) + np.var(late) / len(late)).",
        "np.median(share) < 0.1: frozen. late - early > 2 * error: learning. "
        "entropy[0] - entropy[-1] > 1: collapsed. np.median(over_noise) < 2: noise.",
    ),
    cases=log_cases,
)


def median_interval_stub(scores, level):
    """(low, high): the narrowest such pair of scores, or (-inf, inf).

    level : the least probability that the true median lies between.
    """
    ...  # your code


def median_interval_reference(scores, level):
    """(low, high): the narrowest such pair of scores, or (-inf, inf)."""
    from math import comb

    x, n = np.sort(scores), len(scores)
    for k in range(n // 2, 0, -1):  # from the middle outwards
        beyond = sum(comb(n, j) for j in range(k)) / 2**n  # on one side
        if 1 - 2 * beyond >= level:
            return x[k - 1], x[n - k]
    return -np.inf, np.inf


def pairs_with(
    order=np.sort, tails=2, shift=0, outwards=True, enough=np.greater_equal, none=True
):
    """`median_interval` with a part exchanged."""

    def wrong(scores, level):
        x = order(np.asarray(scores))
        n = len(x)
        ks = range(n // 2, 0, -1)
        for k in ks if outwards else reversed(ks):
            beyond = sum(comb(n, j) for j in range(k + shift)) / 2**n
            if enough(1 - tails * beyond, level):
                return x[k - 1], x[n - k]
        return (-np.inf, np.inf) if none else (x[0], x[-1])

    return wrong


def interval_cases(rng):
    def scores(n):
        return rng.normal(2000, 600, n).round(1)

    return [
        (scores(10), 0.95),
        (scores(10), 0.8),
        (scores(10), 0.5),
        (scores(7), 0.5),
        (scores(21), 0.9),
        (scores(5), 0.95),  # not even the range
        (scores(5), 0.9375),  # exactly the range
        (scores(8), 0.7109375),  # exactly the third of eight
        (scores(4), 0.875),
        (scores(3), 0.7),
        (scores(1), 0.5),
        # seven of ten seeds reach the highest score there is
        (np.array([500.0, 431, 500, 500, 478, 500, 500, 497, 500, 500]), 0.95),
    ]


median_interval = Exercise(
    name="median_interval",
    minutes=15,
    difficulty=3,
    stub=median_interval_stub,
    reference=median_interval_reference,
    mistakes={
        "the scores must be sorted first": pairs_with(order=np.array),
        "equal scores count one by one, and np.unique keeps one of them": (
            pairs_with(order=np.unique)
        ),
        "the median can lie beyond either end: the tail counts twice": (
            pairs_with(tails=1)
        ),
        "one seed too many in the tail: the median is below x[k - 1] if fewer than k "
        "seeds are below it": pairs_with(shift=1),
        "this is the widest pair that is sure enough: begin in the middle": (
            pairs_with(outwards=False)
        ),
        "the level may be reached exactly": pairs_with(enough=np.greater),
        "if even the smallest and the largest are not sure enough, there is no pair: "
        "(-inf, inf)": pairs_with(none=False),
    },
    hints=(
        "Each seed lies below the true median with probability 1/2 (at most, if scores "
        "can tie), whatever the distribution. So the number of seeds below it is "
        "binomial.",
        "The pair of the k-th smallest and the k-th largest misses the median if fewer "
        "than k seeds are below it, or fewer than k above: each with probability "
        "sum(comb(n, j) for j in range(k)) / 2**n.",
        "for k in range(n // 2, 0, -1): if 1 - 2 * that >= level: return x[k - 1], "
        "x[n - k], with x = np.sort(scores).",
    ),
    cases=interval_cases,
)

pictures = (
    *(curves, seeds, limits, best, strip, against, longer, tried, lots, paths),
    linear,
    cost,
)
widgets = (which, gait, horizon)
exercises = (gamma_for, read_log, median_interval)
progress = Progress(exercises)
