"""Notebook 17: fourteen bugs beside the healthy functions, one line apart each."""

import difflib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from trpo_lite import lqr, mdp
from trpo_lite.course.engine import Exercise, Progress
from trpo_lite.course.widgets import Choice, Widget
from trpo_lite.style import BLUE, GREY, INK, RED, VIOLET

# The patient: a mass on a line, pushed; u ~ N(k1 position + k2 speed, sigma^2).
# theta = (k1, k2, log sigma). The position is counted in decimetres.

WORLD = lqr.LQR(
    dynamics=[[1, 1], [0, 1]],
    control=[[0], [0.1]],
    state_cost=[[0.01, 0], [0, 0.1]],
    action_cost=[[0.1]],
    noise=np.zeros((2, 2)),
    start=np.diag([100.0, 1.0]),
    gamma=0.95,
)
THETA = np.array([-0.05, -0.5, np.log(0.8)])
DELTA = 0.05
DAMPING = 1e-3


def policy(theta):
    """(gain [1, 2], std) of theta [3], as `trpo_lite.lqr` wants them."""
    return theta[None, :2], float(np.exp(theta[2]))


def performance(theta):
    """J, exactly."""
    return lqr.performance(WORLD, *policy(theta))


@dataclass(frozen=True)
class Batch:
    """What an endless batch of theta would tell: g, the states, and L of any policy."""

    theta: np.ndarray  #: [3], the policy that acted
    moment: np.ndarray  #: [2, 2], the mean of s s^T over its visits
    g: np.ndarray  #: [3], the gradient of L, per step

    def surrogate(self, new):
        """L at `new`, the mean over steps: (1 - gamma) times page 03's sum."""
        if not np.isfinite(np.exp(new)).all():
            return np.nan
        return (1 - WORLD.gamma) * lqr.surrogate(WORLD, policy(self.theta), policy(new))


def collect(theta):
    """The Batch of theta; ValueError if its gain is unstable."""
    share = 1 - WORLD.gamma
    slopes = lqr.gradient(WORLD, *policy(theta), parameter="log_std")
    g = share * np.concatenate([x.ravel() for x in slopes])
    moment = share * lqr.evaluate(WORLD, *policy(theta)).state_moment
    return Batch(theta, moment, g)


# The parts of an update. Healthy first, then the sick ones, one line apart each.


def kl(moment, old, new):
    """Mean KL(old || new) over states with the second moment `moment`."""
    gap = new[:2] - old[:2]
    far = gap @ moment @ gap
    var, new_var = np.exp(2 * old[2]), np.exp(2 * new[2])
    return new[2] - old[2] + (var + far) / (2 * new_var) - 0.5


def kl_reversed(moment, old, new):
    old, new = new, old
    gap = new[:2] - old[:2]
    far = gap @ moment @ gap
    var, new_var = np.exp(2 * old[2]), np.exp(2 * new[2])
    return new[2] - old[2] + (var + far) / (2 * new_var) - 0.5


def kl_bracket(moment, old, new):
    gap = new[:2] - old[:2]
    far = gap @ moment @ gap
    var, new_var = np.exp(2 * old[2]), np.exp(2 * new[2])
    return new[2] - old[2] + (var + far / (2 * new_var)) - 0.5


def cost(kl, batch, stale):
    """The function of theta whose Hessian is taken at the batch's theta."""
    return lambda x: kl(batch.moment, batch.theta, x)


def cost_unfrozen(kl, batch, stale):
    return lambda x: kl(batch.moment, x, x)


def cost_stale(kl, batch, stale):
    return lambda x: kl(batch.moment, stale, x)


def product(H, theta, v, damping=DAMPING):
    """(H + damping) v."""
    return H @ v + damping * v


def product_of_theta(H, theta, v, damping=DAMPING):
    return H @ v + damping * theta


def iterations():
    """How many conjugate gradients may take."""
    return 10


def iterations_early():
    return 1


def solve(product, g, iterations):
    """Conjugate gradients, the ten lines of page 10: they ask no questions."""
    x, r, p = np.zeros_like(g), g, g
    for _ in range(iterations):
        if r @ r < 1e-20 * (g @ g):
            break
        Fp = product(p)
        alpha = (r @ r) / (p @ Fp)
        x, new_r = x + alpha * p, r - alpha * Fp
        p, r = new_r + (new_r @ new_r) / (r @ r) * p, new_r
    return x


def search(evaluate, theta, step, delta, alpha=0.8, tries=11):
    """(theta_{k+1}, tries used)."""
    for j in range(tries):
        candidate = theta + alpha**j * step
        L, kl = evaluate(candidate)
        if L > 0 and kl <= delta:
            return candidate, j + 1
    return theta, tries


def search_not_restored(evaluate, theta, step, delta, alpha=0.8, tries=11):
    for j in range(tries):
        candidate = theta + alpha**j * step
        L, kl = evaluate(candidate)
        if L > 0 and kl <= delta:
            return candidate, j + 1
    return candidate, tries


def search_without_kl(evaluate, theta, step, delta, alpha=0.8, tries=11):
    for j in range(tries):
        candidate = theta + alpha**j * step
        L, kl = evaluate(candidate)  # noqa: RUF059
        if L > 0:
            return candidate, j + 1
    return theta, tries


def search_accumulating(evaluate, theta, step, delta, alpha=0.8, tries=11):
    for j in range(tries):
        candidate = theta + alpha**j * step
        L, kl = evaluate(candidate)
        if L > 0 and kl <= delta:
            theta = candidate
    return theta, tries


def taken(theta, step, found):
    """Where the update ends: where the search ended."""
    return found


def taken_overwritten(theta, step, found):
    return theta + step


def trained(g):
    """The gradient of all parameters."""
    return g * np.array([1.0, 1.0, 1.0])


def trained_without_log_std(g):
    return g * np.array([1.0, 1.0, 0.0])


@dataclass(frozen=True)
class Parts:
    """The replaceable parts of an update; the defaults are healthy."""

    kl: Callable = kl
    cost: Callable = cost
    product: Callable = product
    iterations: Callable = iterations
    search: Callable = search
    taken: Callable = taken
    trained: Callable = trained


HEALTHY = Parts()
BUGS = {
    "overwritten": Parts(taken=taken_overwritten),
    "not restored": Parts(search=search_not_restored),
    "reversed KL": Parts(kl=kl_reversed),
    "nothing frozen": Parts(cost=cost_unfrozen),
    "accumulating": Parts(search=search_accumulating),
    "no KL test": Parts(search=search_without_kl),
    "stale policy": Parts(cost=cost_stale),
    "damping of theta": Parts(product=product_of_theta),
    "CG too early": Parts(iterations=iterations_early),
    "no log-std": Parts(trained=trained_without_log_std),
    "bracket": Parts(kl=kl_bracket),
}


PATIENT = {  # numbered, so that the page doesn't give the answer away
    1: BUGS["overwritten"],
    2: BUGS["not restored"],
    3: BUGS["reversed KL"],
    4: BUGS["nothing frozen"],
}


def hessian(f, x, h=1e-3):
    """The Hessian [n, n] of f at x by central differences (page 08)."""
    steps = h * np.eye(len(x))
    return np.array(
        [
            [f(x + a + b) - f(x + a - b) - f(x - a + b) + f(x - a - b) for b in steps]
            for a in steps
        ]
    ) / (4 * h * h)


@dataclass(frozen=True)
class Log:
    """One update: where it went, and what it says of itself."""

    theta: np.ndarray  #: [3], the policy from now on
    kl: float  #: as the update computes it, where its search ended
    tries: int
    step: np.ndarray  #: [3], the full natural step
    promise: float  #: g.step


def update(parts, batch, delta=DELTA, turn=1.0, stale=None):
    """One TRPO update made of `parts`; `turn=-1` hands it the gradient of -L.

    `stale` is the policy that `cost_stale` compares with.
    """
    theta = batch.theta
    g = parts.trained(turn * batch.g)
    H = hessian(parts.cost(parts.kl, batch, theta if stale is None else stale), theta)

    def fvp(v):
        return parts.product(H, theta, v)

    def evaluate(new):
        return batch.surrogate(new), parts.kl(batch.moment, theta, new)

    with np.errstate(all="ignore"):
        x = solve(fvp, g, parts.iterations())
        step = np.sqrt(2 * delta / (x @ fvp(x))) * x
        found, tries = parts.search(evaluate, theta, step, delta)
        said = parts.kl(batch.moment, theta, found)
        new = parts.taken(theta, step, found)
    return Log(new, float(said), tries, step, float(g @ step))


def difference(healthy, sick):
    """The lines in which two functions differ: '-' healthy, '+' sick."""
    bodies = []
    for function in (healthy, sick):
        lines = inspect.getsource(function).splitlines()[1:]
        bodies.append([x for x in lines if not x.strip().startswith('"""')])
    bodies = [[x.split("  #")[0] for x in lines] for lines in bodies]
    changed = [x for x in difflib.ndiff(*bodies) if x[0] in "+-"]
    return "\n".join(f"{x[0]} {x[2:].strip()}" for x in changed)


@cache
def course(bug=None, updates=12):
    """A run from `THETA`: thetas [K+1, 3], KL logged [K], KL measured [K], tries [K].

    `stale policy` compares with the first policy of the run. Ends early where a gain
    is unstable.
    """
    parts = BUGS.get(bug, HEALTHY)
    thetas, said, measured, tries = [THETA], [], [], []
    for _ in range(updates):
        batch = collect(thetas[-1])
        log = update(parts, batch, stale=THETA)
        thetas.append(log.theta)
        said.append(log.kl)
        measured.append(kl(batch.moment, batch.theta, log.theta))
        tries.append(log.tries)
        if not np.isfinite(performance(log.theta)):
            break
    return np.array(thetas), np.array(said), np.array(measured), np.array(tries)


# Rows of a batch: what `done` means, and which rows are steps at all.


@dataclass(frozen=True)
class Rows:
    """A few steps, written by hand: every array [M]."""

    rewards: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray


def td_errors(rows, v, next_v, gamma):
    """r + gamma v(s') - v(s): GAE at lambda = 0."""
    done = rows.terminated
    return rows.rewards + gamma * next_v * ~done - v


def td_errors_time_is_up(rows, v, next_v, gamma):
    done = rows.terminated | rows.truncated
    return rows.rewards + gamma * next_v * ~done - v


def td_errors_never_over(rows, v, next_v, gamma):
    done = np.zeros(len(v), bool)
    return rows.rewards + gamma * next_v * ~done - v


ERRORS = {
    "healthy": td_errors,
    "patient 5a": td_errors_time_is_up,
    "patient 5b": td_errors_never_over,
}
ACTIONS = "wait", "wait", "wait", "wait", "wait", "finish"


def errand(gamma=0.9, p_finish=0.2):
    """(Rows, v) of two episodes: three waits to the time limit; two waits, finish.

    One state, -1 a step; `finish` ends the episode. v is the exact value of the policy
    that finishes with probability `p_finish`.
    """
    terminated = np.array([False] * 5 + [True])
    truncated = np.array([False, False, True, False, False, False])
    v = -1 / (1 - gamma * (1 - p_finish))
    return Rows(-np.ones(6), terminated, truncated), v


def steps_only(done):
    """Which cells of a grid [T, N] are steps, if the step after an end only resets."""
    valid = np.ones(done.shape, bool)
    valid[1:] = ~done[:-1]
    return valid


def steps_and_resets(done):
    valid = np.ones(done.shape, bool)
    return valid


@cache
def cartpole_grid(steps=64, seed=0):
    """Four CartPoles under a coin: pole angle in degrees [T+1, 4], reward, done."""
    from trpo_lite.environments import make_environment

    env, rng = make_environment("CartPole-v1", 4), np.random.default_rng(seed)
    seen, rewards, done = [env.reset(seed=seed)[0].copy()], [], []
    for _ in range(steps):
        now, reward, terminated, truncated, _ = env.step(rng.integers(2, size=4))
        seen.append(now.copy())
        rewards.append(reward.copy())
        done.append(terminated | truncated)
    env.close()
    return np.degrees(np.array(seen)[:, :, 2]), np.array(rewards), np.array(done)


# The clipped objective on the road, exactly (page 14).


def terms(r, A, clip=0.2):
    """The terms of L_CLIP."""
    bounded = np.clip(r, 1 - clip, 1 + clip)
    return np.minimum(r * A, bounded * A)


def terms_with_max(r, A, clip=0.2):
    bounded = np.clip(r, 1 - clip, 1 + clip)
    return np.maximum(r * A, bounded * A)


def terms_too_soon(r, A, clip=0.2):
    bounded = np.clip(r, 1 - clip, 1 + clip)
    return np.minimum(r, bounded) * A


TERMS = {
    "healthy": terms,
    "patient 6a": terms_with_max,
    "patient 6b": terms_too_soon,
}


@cache
def road(p=0.1):
    """The Evaluation of `road_and_ice` at p, and p A of each state and action."""
    old = mdp.evaluate(mdp.road_and_ice(), mdp.shared_policy(p))
    return old, old.visitation[:, None] * old.pi


def climb(terms, steps, p_old=0.1, stride=0.05):
    """p after so many steps of `stride` in log-odds, uphill, until a top."""
    old, weight = road(p_old)

    def objective(z):
        pi = mdp.shared_policy(1 / (1 + np.exp(-z)))
        return (weight * terms(pi / old.pi, old.advantage)).sum()

    z = np.log(p_old / (1 - p_old))
    for _ in range(steps):
        best = max((z - stride, z + stride), key=objective)
        if objective(best) <= objective(z):
            break
        z = best
    return float(1 / (1 + np.exp(-z)))


def road_gain(p, p_old=0.1):
    """J(p) - J(p_old) on `road_and_ice`."""
    new = mdp.evaluate(mdp.road_and_ice(), mdp.shared_policy(p))
    return new.performance - road(p_old)[0].performance


# figures


@cache
def returns(bug=None, updates=12):
    """J of the policies of a run, [K+1]."""
    return np.array([performance(theta) for theta in course(bug, updates)[0]])


def draw_returns():
    """J over updates of the healthy run and three sick ones -> Figure."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 3.7), layout="constrained")
    axes = figure.subplots()
    axes.plot(returns(), "-", color=GREY, linewidth=6, alpha=0.6)
    axes.plot(returns("not restored"), "-.", color=BLUE)
    axes.plot(returns("overwritten"), "--", color=RED)
    axes.plot(returns("CG too early"), ":", color=VIOLET)
    axes.text(1.9, -11.3, "overwritten", color=RED, ha="right")
    axes.text(3.4, -13.9, "healthy (grey) and not restored: one line", color=BLUE)
    axes.text(6.4, -17.2, "CG too early", color=VIOLET)
    axes.set(xlabel="update", ylabel="J (expected discounted return)", xlim=(0, 12))
    return figure


WARD = {
    "A": "no KL test",
    "B": "CG too early",
    "C": "reversed KL",
    "D": "nothing frozen",
    "E": "no log-std",
    "F": "overwritten",
    "G": "stale policy",
    "H": "bracket",
    "I": "accumulating",
    "J": None,
}
LOW, HIGH = -0.3, 2.3


@cache
def _patient_figure():
    """(figure, what moves in it): built once, as that takes longest; all runs, too."""
    from matplotlib.figure import Figure

    for bug in WARD.values():
        returns(bug)
    figure = Figure(figsize=(7.5, 3.8))  # a constrained layout takes twice as long
    left, right = figure.subplots(1, 2)
    figure.subplots_adjust(0.095, 0.145, 0.985, 0.915, 0.34)
    left.plot(returns(), "--", color=INK, linewidth=1.5)
    left.set(xlim=(0, 12), ylim=(-22, -9.5), xlabel="update")
    left.set_ylabel("J (expected discounted return)")
    left.text(6.2, -20.4, "dashed: healthy")
    right.axhline(1, color=GREY, linewidth=2)
    ring = dict(marker="o", markersize=10, fillstyle="none")
    cross = dict(marker="x", markersize=7, markeredgewidth=2)
    right.set(xlim=(0, 12.8), ylim=(-0.45, 2.45), xlabel="update")
    right.set_ylabel("mean KL / δ", labelpad=1)
    for axes in (left, right):
        axes.set_xticks([0, 4, 8, 12])
    right.set_yticks([LOW, 0, 1, 2, HIGH], ["below", "0", "1", "2", "above"])
    right.text(0.4, 1.8, "× as logged", color=BLUE)
    right.text(0.4, 1.6, "○ as measured", color=RED)
    above = dict(fontsize=13, va="bottom")
    return figure, {
        "J": left.plot([], [], "-", color=RED)[0],
        "measured": right.plot([], [], linestyle="none", color=RED, **ring)[0],
        "said": right.plot([], [], linestyle="none", color=BLUE, **cross)[0],
        "sigma": left.text(0, -9.2, "", **above),
        "tries": right.text(0, 2.5, "", **above),
    }


def draw_patient(patient):
    """Left J over updates beside the healthy run, right KL / delta -> the one Figure.

    Numbers below 0 and above 2.3 stand at the edges, at `LOW` and at `HIGH`.
    """
    thetas, said, measured, tries = course(WARD[patient])
    figure, parts = _patient_figure()
    k = np.arange(len(thetas))
    parts["J"].set_data(k, returns(WARD[patient]))
    parts["measured"].set_data(k[1:], at_edges(measured))
    parts["said"].set_data(k[1:], at_edges(said))
    sigma = np.exp(thetas[[0, -1], 2])
    parts["sigma"].set_text(f"σ from {sigma[0]:.2f} to {sigma[1]:.2f}")
    few, many = tries.min(), tries.max()
    span = f"{few} to {many}" if many > few else f"{few}"
    parts["tries"].set_text(f"tries {span} of 11")
    return figure


def at_edges(kl):
    """KL over delta, with what is below 0 or above 2.3 put at the picture's edges."""
    share = kl / DELTA
    return np.where(share < -1e-9, LOW, np.minimum(share, HIGH))


ward = Widget(
    draw_patient,
    "Left: J over twelve updates, the patient's beside the healthy run. Right: the "
    "mean KL of each update over delta, crosses as the code logs it and rings as "
    "measured from outside, with the limit at 1. For patient C the rings lie above 1, "
    "the crosses at or below it.",
    {"patient": Choice("patient", tuple(WARD), "C")},
)


def draw_checkup(results):
    """Which test catches which bug; results: bug -> test -> passed -> Figure."""
    from matplotlib.figure import Figure

    bugs, tests = list(results), list(next(iter(results.values())))
    failed = np.array([[not results[b][t] for t in tests] for b in bugs])
    figure = Figure(figsize=(7.5, 4.9), layout="constrained")
    axes = figure.subplots()
    y, x = np.nonzero(~failed)
    axes.plot(x, y, "o", color=GREY, markersize=4, linestyle="none")
    y, x = np.nonzero(failed)
    axes.plot(x, y, "X", color=RED, markersize=12, linestyle="none")
    axes.set_xticks(range(len(tests)), [t.replace(" | ", "\n") for t in tests])
    axes.set_yticks(range(len(bugs)), bugs)
    axes.tick_params(length=0, labeltop=True, labelbottom=False)
    axes.tick_params(axis="x", labelsize=11)
    axes.set(xlim=(-0.5, len(tests) - 0.5), ylim=(len(bugs) - 0.5, -0.5))
    return figure


# exercises


def gaussian_kl_stub(mean, std, new_mean, new_std):
    """KL(N(mean, std^2) || N(new_mean, new_std^2)), old first, [N]."""
    gap = (mean - new_mean) ** 2
    return np.log(new_std / std) + (std**2 + gap / (2 * new_std**2)) - 0.5


def gaussian_kl_reference(mean, std, new_mean, new_std):
    """KL(N(mean, std^2) || N(new_mean, new_std^2)), old first, [N]."""
    gap = (mean - new_mean) ** 2
    return np.log(new_std / std) + (std**2 + gap) / (2 * new_std**2) - 0.5


def kl_new_first(mean, std, new_mean, new_std):
    return gaussian_kl_reference(new_mean, new_std, mean, std)


def kl_gap_not_squared(mean, std, new_mean, new_std):
    gap = np.abs(mean - new_mean)
    return np.log(new_std / std) + (std**2 + gap) / (2 * new_std**2) - 0.5


def kl_divided_by_old(mean, std, new_mean, new_std):
    gap = (mean - new_mean) ** 2
    return np.log(new_std / std) + (std**2 + gap) / (2 * std**2) - 0.5


def kl_without_half(mean, std, new_mean, new_std):
    gap = (mean - new_mean) ** 2
    return np.log(new_std / std) + (std**2 + gap) / (2 * new_std**2)


def kl_log_turned(mean, std, new_mean, new_std):
    gap = (mean - new_mean) ** 2
    return np.log(std / new_std) + (std**2 + gap) / (2 * new_std**2) - 0.5


def kl_var_only(mean, std, new_mean, new_std):
    gap = (mean - new_mean) ** 2
    return np.log(new_std / std) + std**2 / (2 * new_std**2) + gap - 0.5


def gaussian_cases(rng):
    cases = []
    for n in (1, 4, 6):
        mean, new_mean = rng.normal(size=(2, n))
        std, new_std = rng.uniform(0.3, 2, (2, n))
        cases.append((mean, std, new_mean, new_std))
    mean, std = rng.normal(size=5), rng.uniform(0.3, 2, 5)
    return [*cases, (mean, std, mean + 0.1, std + 0.0)]


gaussian_kl = Exercise(
    name="gaussian_kl",
    minutes=4,
    difficulty=1,
    stub=gaussian_kl_stub,
    reference=gaussian_kl_reference,
    mistakes={
        "this is KL(new || old): the old policy comes first": kl_new_first,
        "the distance of the means is not squared": kl_gap_not_squared,
        "the bracket is divided by the old variance, not the new one": (
            kl_divided_by_old
        ),
        "not 0 for two equal policies: where is the - 1/2?": kl_without_half,
        "the logarithm is upside down: new_std / std": kl_log_turned,
        "now the distance of the means is not divided at all": kl_var_only,
    },
    hints=(
        "Put in two equal policies. What should come out, and what does?",
        "Both std**2 and gap belong over the 2 * new_std**2. Look at the brackets.",
        "(std**2 + gap) / (2 * new_std**2)",
    ),
    cases=gaussian_cases,
)


def usable_stub(terminated, truncated):
    """Which cells [T, N] are real steps, bool; resets follow an end."""
    return ~(terminated | truncated)


def usable_reference(terminated, truncated):
    """Which cells [T, N] are real steps, bool; resets follow an end."""
    valid = np.ones(terminated.shape, dtype=bool)
    valid[1:] = ~(terminated | truncated)[:-1]
    return valid


def all_usable(terminated, truncated):
    return np.ones(terminated.shape, dtype=bool)


def after_termination_only(terminated, truncated):
    valid = np.ones(terminated.shape, dtype=bool)
    valid[1:] = ~terminated[:-1]
    return valid


def step_before(terminated, truncated):
    valid = np.ones(terminated.shape, dtype=bool)
    valid[:-1] = ~(terminated | truncated)[1:]
    return valid


def next_environment(terminated, truncated):
    valid = np.ones(terminated.shape, dtype=bool)
    valid[:, 1:] = ~(terminated | truncated)[:, :-1]
    return valid


def wrapped_around(terminated, truncated):
    return ~np.roll(terminated | truncated, 1, axis=0)


def both_gone(terminated, truncated):
    return usable_reference(terminated, truncated) & ~(terminated | truncated)


def the_resets(terminated, truncated):
    return ~usable_reference(terminated, truncated)


def usable_cases(rng):
    cases = []
    for shape in ((6, 3), (9, 2), (5, 5)):
        end = rng.random(shape) < 0.4
        end[1:] &= ~end[:-1]  # the reset itself ends nothing
        end[-1, 0], end[-2, 0] = True, False
        cut = rng.random(shape) < 0.5
        cases.append((end & ~cut, end & cut))
    return cases


usable = Exercise(
    name="usable",
    minutes=6,
    difficulty=2,
    stub=usable_stub,
    reference=usable_reference,
    mistakes={
        "every row is kept, the resets too": all_usable,
        "a truncated episode is followed by a reset as well": after_termination_only,
        "shifted the wrong way: the step before the end is dropped": step_before,
        "shifted along the environments: time is the first axis": next_environment,
        "np.roll carries the last row's ends over into the first row": wrapped_around,
        "the resets are gone, but so are the last steps of the episodes": both_gone,
        "upside down: True stands for a real step": the_resets,
    },
    hints=(
        "In the step with done = True something real happened, the fall for instance.",
        "The reset is one row later, in the same column. The first row is a step.",
        "valid = np.ones(terminated.shape, dtype=bool), then valid[1:] from done[:-1].",
    ),
    cases=usable_cases,
)


def fisher_product_stub(fisher, theta, v, damping):
    """(F + damping I) v; fisher [n, n], theta and v [n]."""
    return fisher @ v + damping * theta


def fisher_product_reference(fisher, theta, v, damping):
    """(F + damping I) v; fisher [n, n], theta and v [n]."""
    return fisher @ v + damping * v


def undamped(fisher, theta, v, damping):
    return fisher @ v


def damped_twice(fisher, theta, v, damping):
    return fisher @ v + damping * (theta + v)


def damped_by_one(fisher, theta, v, damping):
    return fisher @ v + damping


def damped_away(fisher, theta, v, damping):
    return fisher @ v - damping * v


def damped_fisher(fisher, theta, v, damping):
    return fisher @ v + damping * (fisher @ v)


def damped_everywhere(fisher, theta, v, damping):
    return (fisher + damping) @ v


def fisher_cases(rng):
    cases = []
    for n, damping in ((2, 0.1), (5, 0.01), (8, 1.0)):
        root = rng.standard_normal((n, n))
        theta, v = rng.standard_normal((2, n))
        cases.append((root @ root.T, theta, v, damping))
    return cases


fisher_product = Exercise(
    name="fisher_product",
    minutes=3,
    difficulty=1,
    stub=fisher_product_stub,
    reference=fisher_product_reference,
    mistakes={
        "the damping is gone": undamped,
        "theta is still there": damped_twice,
        "damping is added to every entry: it multiplies v": damped_by_one,
        "the sign: damping makes the eigenvalues larger": damped_away,
        "this multiplies F by 1 + damping: no eigenvalue gains on another": (
            damped_fisher
        ),
        "damping is added to all of F's entries: I has ones on the diagonal only": (
            damped_everywhere
        ),
    },
    hints=(
        "A matrix times 2 v is twice the matrix times v. Is it, here?",
        "(F + damping I) v = F v + damping I v. What is I v?",
        "fisher @ v + damping * v",
    ),
    cases=fisher_cases,
)

NAMES = (
    "KL formula",
    "overwritten",
    "reversed KL",
    "no KL test",
    "not restored",
    "healthy",
)


def diagnose_stub(home, logged, measured, delta, moved):
    """The name of the bug, one of `lesson.NAMES`."""
    ...  # your code


def diagnose_reference(home, logged, measured, delta, moved):
    """The name of the bug, one of `lesson.NAMES`."""
    if abs(home) > 1e-9:
        return "KL formula"
    if abs(logged - measured) > 1e-6 * delta:
        return "overwritten" if moved else "reversed KL"
    if measured > delta:
        return "no KL test"
    return "not restored" if moved else "healthy"


def exact_zero(home, logged, measured, delta, moved):
    if home != 0:
        return "KL formula"
    return diagnose_reference(0.0, logged, measured, delta, moved)


def exact_log(home, logged, measured, delta, moved):
    if abs(home) > 1e-9:
        return "KL formula"
    if logged != measured:
        return "overwritten" if moved else "reversed KL"
    return diagnose_reference(home, logged, logged, delta, moved)


def formula_above_only(home, logged, measured, delta, moved):
    if home > 1e-9:
        return "KL formula"
    return diagnose_reference(0.0, logged, measured, delta, moved)


def limit_first(home, logged, measured, delta, moved):
    if abs(home) > 1e-9:
        return "KL formula"
    if measured > delta:
        return "no KL test"
    return diagnose_reference(home, logged, measured, delta, moved)


def moved_first(home, logged, measured, delta, moved):
    if abs(home) > 1e-9:
        return "KL formula"
    if moved:
        return "not restored"
    return diagnose_reference(home, logged, measured, delta, moved)


def two_exchanged(home, logged, measured, delta, moved):
    name = diagnose_reference(home, logged, measured, delta, moved)
    other = {"overwritten": "reversed KL", "reversed KL": "overwritten"}
    return other.get(name, name)


def believes_the_log(home, logged, measured, delta, moved):
    return diagnose_reference(home, logged, logged, delta, moved)


def home_last(home, logged, measured, delta, moved):
    name = diagnose_reference(0.0, logged, measured, delta, moved)
    return "KL formula" if name == "healthy" and abs(home) > 1e-9 else name


@cache
def readings():
    """(home, logged, measured, delta, moved) of some patients, with their bugs' names.

    `home` is the KL of the policy with itself; `moved` says whether the update moved
    when it was handed the gradient of -L.
    """
    name = {
        None: "healthy",
        "overwritten": "overwritten",
        "reversed KL": "reversed KL",
        "no KL test": "no KL test",
        "not restored": "not restored",
        "bracket": "KL formula",
    }
    path, rows = course()[0], []
    for bug, called in name.items():
        parts = BUGS.get(bug, HEALTHY)
        for theta in (path[0], path[4], path[9]):
            batch = collect(theta)
            home = parts.kl(batch.moment, theta, theta)
            log = update(parts, batch)
            wrong = update(parts, batch, turn=-1.0)
            measured = kl(batch.moment, theta, log.theta)
            moved = not np.array_equal(wrong.theta, theta)
            rows.append((called, float(home), log.kl, float(measured), DELTA, moved))
    return tuple(rows)


def diagnose_cases(rng):
    """The patients' readings, and some with round-off."""
    cases = [row[1:] for row in readings()]
    cases.append((2e-17, 0.04, 0.04, 0.05, False))
    cases.append((0.0, 0.04, 0.04 + 1e-17, 0.05, True))
    cases.append((0.0, 0.04, 0.04 * (1 + 1e-13), 0.05, False))
    cases.append((-0.25, 0.04, 0.04, 0.05, False))
    order = rng.permutation(len(cases))
    return [cases[i] for i in order]


diagnose = Exercise(
    name="diagnose",
    minutes=12,
    difficulty=3,
    stub=diagnose_stub,
    reference=diagnose_reference,
    mistakes={
        "home may be 1e-17: compare with a small number, not with 0": exact_zero,
        "logged and measured may differ by rounding: allow for a little": exact_log,
        "home may be negative as well": formula_above_only,
        "a KL above delta can also be a log that lies: ask that first": limit_first,
        "an overwritten search moves, too: ask first whether the log is true": (
            moved_first
        ),
        "exchanged: reversed KL refuses the gradient of -L, overwritten moves": (
            two_exchanged
        ),
        "the log is believed: compare it with what was measured": believes_the_log,
        "a wrong formula spoils every other reading: ask for home first": home_last,
    },
    hints=(
        "Which reading makes all others worthless if it is wrong? Start there.",
        "Then: is the log true? If not, `moved` tells the two suspects apart.",
        "abs(home) > 1e-9; abs(logged - measured) > 1e-6 * delta; measured > delta; "
        "moved; else healthy.",
    ),
    cases=diagnose_cases,
)

exercises = (gaussian_kl, fisher_product, usable, diagnose)
progress = Progress(exercises)
widgets = (ward,)
