"""Notebook 17: fourteen bugs beside the healthy functions, one line apart each."""

import difflib
import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cache

import numpy as np

from trpo_lite import lqr, mdp, plots
from trpo_lite.course.engine import Exercise, Progress
from trpo_lite.course.table import number, table
from trpo_lite.course.widgets import Choice, Picture, Widget
from trpo_lite.style import BLUE, GREY, INK, RED, VIOLET, ink

# --- worlds

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


def gain_and_std(theta):
    """(gain [1, 2], std) of theta [3], as `trpo_lite.lqr` wants them."""
    return theta[None, :2], float(np.exp(theta[2]))


def performance(theta):
    """J, exactly."""
    return lqr.performance(WORLD, *gain_and_std(theta))


@dataclass(frozen=True)
class ExactBatch:
    """What an endless batch of theta would tell: g, the states, and L of any policy."""

    theta: np.ndarray  #: [3], the policy that acted
    moment: np.ndarray  #: [2, 2], the mean of s s^T over its visits
    g: np.ndarray  #: [3], the gradient of L, per step
    sign: float = 1.0  #: of the advantages; -1 only in `turned`

    def surrogate(self, new):
        """L at `new`, the mean over steps: (1 - gamma) times page 03's sum."""
        if not np.isfinite(np.exp(new)).all():
            return np.nan
        L = lqr.surrogate(WORLD, gain_and_std(self.theta), gain_and_std(new))
        return self.sign * (1 - WORLD.gamma) * L

    def mean_kl(self, new):
        """The mean KL(theta || new), by the healthy formula."""
        return mean_kl(self.moment, self.theta, new)

    def evaluate(self, new):
        """(L, mean KL) at `new`."""
        return self.surrogate(new), self.mean_kl(new)

    def gain(self, new):
        """J(new) - J(theta), exactly."""
        return performance(new) - performance(self.theta)


def exact_batch(theta):
    """The ExactBatch of theta; ValueError if its gain is unstable."""
    share = 1 - WORLD.gamma
    slopes = lqr.gradient(WORLD, *gain_and_std(theta), parameter="log_std")
    g = share * np.concatenate([x.ravel() for x in slopes])
    moment = share * lqr.evaluate(WORLD, *gain_and_std(theta)).state_moment
    return ExactBatch(theta, moment, g)


def turned(batch):
    """The batch with -A for A: g and L change their signs together."""
    return replace(batch, g=-batch.g, sign=-batch.sign)


# The parts of an update. Healthy first, then the sick ones, one line apart each.


def mean_kl(moment, old, new):
    """Mean KL(old || new) over states with the second moment `moment`."""
    gap = new[:2] - old[:2]
    far = gap @ moment @ gap
    var, new_var = np.exp(2 * old[2]), np.exp(2 * new[2])
    return new[2] - old[2] + (var + far) / (2 * new_var) - 0.5


def mean_kl_reversed(moment, old, new):
    old, new = new, old
    gap = new[:2] - old[:2]
    far = gap @ moment @ gap
    var, new_var = np.exp(2 * old[2]), np.exp(2 * new[2])
    return new[2] - old[2] + (var + far) / (2 * new_var) - 0.5


def mean_kl_bracket(moment, old, new):
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


def damped(H, theta, v, damping=DAMPING):
    """(H + damping) v."""
    return H @ v + damping * v


def damped_theta(H, theta, v, damping=DAMPING):
    return H @ v + damping * theta


def iterations():
    """How many conjugate gradients may take."""
    return 10


def iterations_early():
    return 1


def solve(matvec, g, iterations):
    """Conjugate gradients, the ten lines of page 10: they ask no questions."""
    x, r, p = np.zeros_like(g), g, g
    for _ in range(iterations):
        if r @ r < 1e-20 * (g @ g):
            break
        Fp = matvec(p)
        alpha = (r @ r) / (p @ Fp)
        x, new_r = x + alpha * p, r - alpha * Fp
        p, r = new_r + (new_r @ new_r) / (r @ r) * p, new_r
    return x


def search(evaluate, theta, step, delta, backtrack=0.8, max_backtracks=10):
    """(theta_{k+1}, tries used)."""
    for j in range(max_backtracks + 1):
        candidate = theta + backtrack**j * step
        L, kl = evaluate(candidate)
        if L > 0 and kl <= delta:
            return candidate, j + 1
    return theta, j + 1


def search_not_restored(evaluate, theta, step, delta, backtrack=0.8, max_backtracks=10):
    for j in range(max_backtracks + 1):
        candidate = theta + backtrack**j * step
        L, kl = evaluate(candidate)
        if L > 0 and kl <= delta:
            return candidate, j + 1
    return candidate, j + 1


def search_without_kl(evaluate, theta, step, delta, backtrack=0.8, max_backtracks=10):
    for j in range(max_backtracks + 1):
        candidate = theta + backtrack**j * step
        L, kl = evaluate(candidate)  # noqa: RUF059
        if L > 0:
            return candidate, j + 1
    return theta, j + 1


def search_accumulating(evaluate, theta, step, delta, backtrack=0.8, max_backtracks=10):
    for j in range(max_backtracks + 1):
        candidate = theta + backtrack**j * step
        L, kl = evaluate(candidate)
        if L > 0 and kl <= delta:
            theta = candidate
    return theta, j + 1


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

    kl: Callable = mean_kl
    cost: Callable = cost
    fisher_product: Callable = damped
    iterations: Callable = iterations
    search: Callable = search
    taken: Callable = taken
    trained: Callable = trained


HEALTHY = Parts()
PATIENTS = {  # numbered, so that the page doesn't give the answer away
    None: HEALTHY,
    1: Parts(taken=taken_overwritten),
    2: Parts(search=search_not_restored),
    3: Parts(kl=mean_kl_reversed),
    4: Parts(cost=cost_unfrozen),
    7: Parts(search=search_accumulating),
    8: Parts(search=search_without_kl),
    9: Parts(cost=cost_stale),
    10: Parts(fisher_product=damped_theta),
    11: Parts(iterations=iterations_early),
    12: Parts(trained=trained_without_log_std),
    13: Parts(kl=mean_kl_bracket),
}
DIAGNOSES = {
    None: "healthy",
    1: "overwritten",
    2: "not restored",
    3: "reversed KL",
    4: "nothing frozen",
    7: "accumulating",
    8: "no KL test",
    9: "stale policy",
    10: "damping of theta",
    11: "CG too early",
    12: "no log-std",
    13: "bracket",
}


def called(patient):
    """ "healthy" or "patient 7": what a table says before the diagnosis."""
    return "healthy" if patient is None else f"patient {patient}"


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


def one_update(parts, batch, delta=DELTA, turn=1.0, stale=None):
    """One TRPO update made of `parts`; `turn=-1` hands it the gradient of -L.

    `stale` is the policy that `cost_stale` compares with.
    """
    theta = batch.theta
    g = parts.trained(turn * batch.g)
    H = hessian(parts.cost(parts.kl, batch, theta if stale is None else stale), theta)

    def fisher_product(v):
        return parts.fisher_product(H, theta, v)

    def evaluate(new):
        return batch.surrogate(new), parts.kl(batch.moment, theta, new)

    with np.errstate(all="ignore"):
        x = solve(fisher_product, g, parts.iterations())
        step = np.sqrt(2 * delta / (x @ fisher_product(x))) * x
        found, tries = parts.search(evaluate, theta, step, delta)
        said = parts.kl(batch.moment, theta, found)
        new = parts.taken(theta, step, found)
    return Log(new, float(said), tries, step, float(g @ step))


def changed_line(patient):
    """The line in which a patient differs: '-' healthy, '+' sick."""
    if patient in OTHERS:
        return difference(*OTHERS[patient])
    pairs = [[getattr(p, f.name) for p in (HEALTHY, PATIENTS[patient])] for f in PARTS]
    return difference(*next(pair for pair in pairs if pair[0] is not pair[1]))


def chart(*rows):
    """Show the page's chart: one reading a row."""
    head = "patient | KL/δ\nlogged | KL/δ\nmeasured | tries | L | J gains"
    formats = "", ".2f", ".2f", "d", ".3f", "+.2f", "+.2f"
    table(f"{head} | J gains\non -g", rows, formats)


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
def run_of(patient=None, updates=12):
    """A run from `THETA`: thetas [K+1, 3], KL logged [K], KL measured [K], tries [K].

    Patient 9 compares with the first policy of the run. Ends early where a gain is
    unstable.
    """
    thetas, said, measured, tries = [THETA], [], [], []
    for _ in range(updates):
        batch = exact_batch(thetas[-1])
        log = one_update(PATIENTS[patient], batch, stale=THETA)
        thetas.append(log.theta)
        said.append(log.kl)
        measured.append(batch.mean_kl(log.theta))
        tries.append(log.tries)
        if not np.isfinite(performance(log.theta)):
            break
    return np.array(thetas), np.array(said), np.array(measured), np.array(tries)


@cache
def returns(patient=None, updates=12):
    """J of the policies of a run, [K+1]."""
    return np.array([performance(theta) for theta in run_of(patient, updates)[0]])


# What `done` means, and which cells of a grid are steps at all.


@dataclass(frozen=True)
class FewSteps:
    """A few steps, written by hand: every array [M]."""

    rewards: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray


def td_errors(steps, v, next_v, gamma):
    """r + gamma v(s') - v(s): GAE at lambda = 0."""
    done = steps.terminated
    return steps.rewards + gamma * next_v * ~done - v


def td_errors_time_is_up(steps, v, next_v, gamma):
    done = steps.terminated | steps.truncated
    return steps.rewards + gamma * next_v * ~done - v


def td_errors_never_over(steps, v, next_v, gamma):
    done = np.zeros(len(v), bool)
    return steps.rewards + gamma * next_v * ~done - v


ACTIONS = "wait", "wait", "wait", "wait", "wait", "finish"


FLAGS = "", "", "truncated", "", "", "terminated"


def errand(gamma=0.9, p_finish=0.2):
    """(FewSteps, v) of two episodes: three waits to the time limit; two waits, finish.

    One state, -1 a step; `finish` ends the episode. v is the exact value of the policy
    that finishes with probability `p_finish`.
    """
    terminated = np.array([False] * 5 + [True])
    truncated = np.array([False, False, True, False, False, False])
    v = -1 / (1 - gamma * (1 - p_finish))
    return FewSteps(-np.ones(6), terminated, truncated), v


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


PARTS = fields(Parts)
OTHERS = {  # (healthy, sick) of the bugs that sit in the data and in PPO
    "5a": (td_errors, td_errors_time_is_up),
    "5b": (td_errors, td_errors_never_over),
    "6a": (terms, terms_with_max),
    "6b": (terms, terms_too_soon),
    14: (steps_only, steps_and_resets),
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


# --- pictures


def draw_careers():
    """J over updates of the healthy run and three sick ones -> Figure."""
    figure, axes = plots.figure(size=(7.2, 3.7))
    axes.plot(returns(), "-", color=GREY, linewidth=6, alpha=0.6)
    axes.plot(returns(2), "-.", color=BLUE)
    axes.plot(returns(1), "--", color=RED)
    axes.plot(returns(11), ":", color=VIOLET)
    axes.text(1.9, -11.3, "patient 1", color=ink(RED), ha="right")
    axes.text(3.4, -13.9, "healthy (grey) and patient 2: one line", color=ink(BLUE))
    axes.text(6.4, -17.2, "patient 11", color=ink(VIOLET))
    axes.set(xlabel="update", ylabel="J (expected discounted return)", xlim=(0, 12))
    return figure


careers = Picture(
    draw_careers,
    "J over twelve updates. Patient 1 is above the healthy run, patient 2 on the same "
    "line as the healthy run, patient 11 far below.",
)


def draw_checkup(results):
    """Which test catches which bug; results: bug -> test -> passed -> Figure."""
    bugs, tests = list(results), list(next(iter(results.values())))
    failed = np.array([[not results[b][t] for t in tests] for b in bugs])
    figure, axes = plots.figure(size=(7.5, 4.9))
    y, x = np.nonzero(~failed)
    axes.plot(x, y, "o", color=GREY, markersize=4, linestyle="none")
    y, x = np.nonzero(failed)
    axes.plot(x, y, "X", color=RED, markersize=12, linestyle="none")
    axes.set_xticks(range(len(tests)), [t.replace(" | ", "\n") for t in tests])
    axes.set_yticks(range(len(bugs)), bugs)
    axes.tick_params(length=0, labeltop=True, labelbottom=False)
    axes.tick_params(axis="x", labelsize=11)
    axes.set_xlabel("a red cross: the test fails; a grey dot: it passes")
    axes.set(xlim=(-0.5, len(tests) - 0.5), ylim=(len(bugs) - 0.5, -0.5))
    return figure


def checkup_words(results):
    """Each bug with the number of tests that it fails."""
    counts = {bug: len(told) - sum(told.values()) for bug, told in results.items()}
    said = ", ".join(f"{bug} {count}" for bug, count in counts.items())
    return f"A table of bugs and tests, a red cross where a test fails: {said}."


checkup = Picture(draw_checkup, checkup_words)

# --- widgets

WARD = dict(zip("ABCDEFGHIJ", (8, 11, 3, 4, 12, 1, 9, 13, 7, None), strict=True))
LOW, HIGH = -0.3, 2.3


@cache
def _patient_figure():
    """(figure, what moves in it): built once, as that takes longest; all runs, too."""
    for bug in WARD.values():
        returns(bug)
    figure, (left, right) = plots.figure(cols=2, size=(7.5, 3.8), layout=None)
    # a constrained layout takes twice as long
    figure.subplots_adjust(0.095, 0.145, 0.985, 0.915, 0.34)
    left.plot(returns(), "--", color=INK, linewidth=1.5)
    left.set(xlim=(0, 12), ylim=(-22, -9.5), xlabel="update")
    left.set_ylabel("J (expected discounted return)")
    left.text(6.2, -20.4, "dashed: healthy")
    left.text(6.2, -21.3, "solid: patient", color=ink(RED))
    right.axhline(1, color=GREY, linewidth=2)
    right.text(0.15, 1.04, "δ", color=ink(GREY))
    ring = dict(marker="o", markersize=10, fillstyle="none")
    cross = dict(marker="x", markersize=7, markeredgewidth=2)
    right.set(xlim=(0, 12.8), ylim=(-0.45, 2.45), xlabel="update")
    right.set_ylabel("mean KL / δ", labelpad=1)
    for axes in (left, right):
        axes.set_xticks([0, 4, 8, 12])
    right.set_yticks([LOW, 0, 1, 2, HIGH], ["below", "0", "1", "2", "above"])
    right.text(0.4, 1.8, "× as logged", color=ink(BLUE))
    right.text(0.4, 1.6, "○ as measured", color=ink(RED))
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
    thetas, said, measured, tries = run_of(WARD[patient])
    figure, parts = _patient_figure()
    k = np.arange(len(thetas))
    parts["J"].set_data(k, returns(WARD[patient]))
    parts["measured"].set_data(k[1:], at_edges(measured))
    parts["said"].set_data(k[1:], at_edges(said))
    sigma = np.exp(thetas[[0, -1], 2])
    parts["sigma"].set_text(f"σ from {sigma[0]:.2f} to {sigma[1]:.2f}")
    parts["tries"].set_text(f"tries {_span(tries, 'd')} of 11")
    return figure


def at_edges(kl):
    """KL over delta, with what is below 0 or above 2.3 put at the picture's edges."""
    share = kl / DELTA
    return np.where(share < -1e-9, LOW, np.minimum(share, HIGH))


def _span(values, form):
    few, many = (number(x, form) for x in (values.min(), values.max()))
    return few if few == many else f"{few} to {many}"


def patient_words(patient):
    _, said, measured, tries = run_of(WARD[patient])
    J = returns(WARD[patient])
    return (
        f"Patient {patient}. Left: J over twelve updates, from {J[0]:.2f} to "
        f"{J[-1]:.2f}, beside the healthy run, which ends at {returns()[-1]:.2f}. "
        f"Right: the mean KL of each update over delta, logged (crosses) "
        f"{_span(said / DELTA, '.2f')}, measured (rings) "
        f"{_span(measured / DELTA, '.2f')}, with the limit at 1. "
        f"Tries {_span(tries, 'd')} of 11."
    )


ward = Widget(
    draw_patient, patient_words, {"patient": Choice("patient", tuple(WARD), "C")}
)

# --- exercises


def gaussian_kl_stub(mean, std, new_mean, new_std):
    """KL(old || new) of Gaussians of m components, [N, m] each -> [N]."""
    gap = (mean - new_mean) ** 2
    each = np.log(new_std / std) + (std**2 + gap) / (2 * new_std**2) - 0.5
    return each.mean(axis=-1)


def gaussian_kl_reference(mean, std, new_mean, new_std):
    """KL(old || new) of Gaussians of m components, [N, m] each -> [N]."""
    gap = (mean - new_mean) ** 2
    each = np.log(new_std / std) + (std**2 + gap) / (2 * new_std**2) - 0.5
    return each.sum(axis=-1)


def kl_new_first(mean, std, new_mean, new_std):
    return gaussian_kl_reference(new_mean, new_std, mean, std)


def kl_gap_not_squared(mean, std, new_mean, new_std):
    gap = np.abs(mean - new_mean)
    each = np.log(new_std / std) + (std**2 + gap) / (2 * new_std**2) - 0.5
    return each.sum(axis=-1)


def kl_without_half(mean, std, new_mean, new_std):
    gap = (mean - new_mean) ** 2
    each = np.log(new_std / std) + (std**2 + gap) / (2 * new_std**2)
    return each.sum(axis=-1)


def kl_half_taken_once(mean, std, new_mean, new_std):
    gap = (mean - new_mean) ** 2
    each = np.log(new_std / std) + (std**2 + gap) / (2 * new_std**2)
    return each.sum(axis=-1) - 0.5


def kl_of_the_worst(mean, std, new_mean, new_std):
    gap = (mean - new_mean) ** 2
    each = np.log(new_std / std) + (std**2 + gap) / (2 * new_std**2) - 0.5
    return each.max(axis=-1)


def kl_mean_over_rows(mean, std, new_mean, new_std):
    rows = gaussian_kl_reference(mean, std, new_mean, new_std)
    return np.full(len(mean), rows.mean())


def gaussian_cases(rng):
    cases = []
    for shape in ((5, 2), (4, 3), (6, 5), (1, 4)):
        mean, new_mean = rng.normal(size=(2, *shape))
        std, new_std = rng.uniform(0.3, 2, (2, *shape))
        cases.append((mean, std, new_mean, new_std))
    return cases


gaussian_kl = Exercise(
    name="gaussian_kl",
    minutes=4,
    difficulty=1,
    stub=gaussian_kl_stub,
    reference=gaussian_kl_reference,
    mistakes={
        "this is KL(new || old): the old policy comes first": kl_new_first,
        "the distance of the means is not squared": kl_gap_not_squared,
        "not 0 for two equal policies: the - 1/2 is missing": kl_without_half,
        "each component has its - 1/2: take it off before the sum": kl_half_taken_once,
        "the largest component's KL is not that of all": kl_of_the_worst,
        "averaged over the rows: the rows stay, the components are gathered": (
            kl_mean_over_rows
        ),
    },
    hints=(
        "Two components that are alike say twice as much as one of them.",
        "The log-probability of an action is a sum over its components, so the KL is.",
        "each.sum(axis=-1)",
    ),
    cases=gaussian_cases,
)


def fisher_product_stub(scores, v, damping):
    """(F + damping I) v, F = mean of score score^T; scores [N, n]."""
    score = scores.mean(axis=0)
    return score * (score @ v) + damping * v


def fisher_product_reference(scores, v, damping):
    """(F + damping I) v, F = mean of score score^T; scores [N, n]."""
    return scores.T @ (scores @ v) / len(scores) + damping * v


def fisher_sum(scores, v, damping):
    return scores.T @ (scores @ v) + damping * v


def fisher_over_parameters(scores, v, damping):
    return scores.T @ (scores @ v) / scores.shape[1] + damping * v


def fisher_diagonal(scores, v, damping):
    return (scores**2).mean(axis=0) * v + damping * v


def fisher_all_over_n(scores, v, damping):
    return (scores.T @ (scores @ v) + damping * v) / len(scores)


def fisher_centred(scores, v, damping):
    centred = scores - scores.mean(axis=0)
    return fisher_product_reference(centred, v, damping)


def fisher_undamped(scores, v, damping):
    return scores.T @ (scores @ v) / len(scores)


def fisher_damped_by_one(scores, v, damping):
    return scores.T @ (scores @ v) / len(scores) + damping


def fisher_damped_away(scores, v, damping):
    return fisher_product_reference(scores, v, -damping)


def fisher_cases(rng):
    cases = []
    for N, n, damping in ((7, 3, 0.1), (12, 5, 0.01), (9, 4, 1.0), (30, 2, 0.3)):
        scores, v = rng.standard_normal((N, n)), rng.standard_normal(n)
        cases.append((scores + rng.standard_normal(n), v, damping))
    return cases


fisher_product = Exercise(
    name="fisher_product",
    minutes=4,
    difficulty=1,
    stub=fisher_product_stub,
    reference=fisher_product_reference,
    mistakes={
        "a sum over the samples: F is a mean": fisher_sum,
        "divided by the parameters, not by the samples": fisher_over_parameters,
        "the mean of the squares is F's diagonal only": fisher_diagonal,
        "the damping is divided by N as well": fisher_all_over_n,
        "the mean score is subtracted: F is the mean of score score^T as it is": (
            fisher_centred
        ),
        "the damping is gone": fisher_undamped,
        "damping is added to every entry: it multiplies v": fisher_damped_by_one,
        "the sign: damping makes the eigenvalues larger": fisher_damped_away,
    },
    hints=(
        "The mean of score score^T is not the mean score times itself.",
        "First a number for each sample: scores @ v, [N]. Then weigh the scores by it.",
        "scores.T @ (scores @ v) / len(scores) + damping * v",
    ),
    cases=fisher_cases,
)


def surrogate_stub(log_prob, old_log_prob, advantages):
    """The mean of ratio times A; log_prob is [N, 1], the others [N]."""
    ratio = np.exp(log_prob - old_log_prob)
    return (ratio * advantages).mean()


def surrogate_reference(log_prob, old_log_prob, advantages):
    """The mean of ratio times A; log_prob is [N, 1], the others [N]."""
    ratio = np.exp(log_prob[:, 0] - old_log_prob)
    return (ratio * advantages).mean()


def surrogate_by_halves(log_prob, old_log_prob, advantages):
    ratio = np.exp(log_prob - old_log_prob[:, None])
    return (ratio * advantages).mean()


def surrogate_upside_down(log_prob, old_log_prob, advantages):
    return surrogate_reference(old_log_prob[:, None], log_prob[:, 0], advantages)


def surrogate_centred(log_prob, old_log_prob, advantages):
    return ((np.exp(log_prob[:, 0] - old_log_prob) - 1) * advantages).mean()


def surrogate_of_logs(log_prob, old_log_prob, advantages):
    return ((log_prob[:, 0] - old_log_prob) * advantages).mean()


def surrogate_first_row(log_prob, old_log_prob, advantages):
    return (np.exp(log_prob[0] - old_log_prob) * advantages).mean()


def surrogate_new_only(log_prob, old_log_prob, advantages):
    return (np.exp(log_prob[:, 0]) * advantages).mean()


def surrogate_cases(rng):
    cases = []
    for N in (5, 8, 13, 3):
        old = rng.uniform(-3, -0.2, N)
        new = old + rng.normal(scale=0.4, size=N)
        cases.append((new[:, None], old, rng.normal(size=N) + 0.5))
    return cases


surrogate = Exercise(
    name="surrogate",
    minutes=5,
    difficulty=2,
    stub=surrogate_stub,
    reference=surrogate_reference,
    mistakes={
        "this is the mean ratio times the mean of A, which a table [N, N] of [N, 1] "
        "times [N] gives as well: row by row": (surrogate_by_halves),
        "the ratio is upside down: new over old": surrogate_upside_down,
        "the mean of (ratio - 1) A: here it is that of ratio times A": (
            surrogate_centred
        ),
        "the difference of the logs is the log of the ratio": surrogate_of_logs,
        "the first row's probability is used in every row": surrogate_first_row,
        "the old policy's probability is left out": surrogate_new_only,
    },
    hints=(
        "Print the shape of ratio. How many numbers should it hold?",
        "[N, 1] minus [N] is a table [N, N]: each new row against each old one.",
        "log_prob[:, 0] is [N].",
    ),
    cases=surrogate_cases,
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
    nothing = 1e-6 * delta
    if abs(home) > nothing:
        return "KL formula"
    if abs(logged - measured) > nothing:
        return "overwritten" if moved else "reversed KL"
    if measured > delta:
        return "no KL test"
    return "not restored" if moved else "healthy"


def exact_zero(home, logged, measured, delta, moved):
    if home != 0:
        return "KL formula"
    return diagnose_reference(0.0, logged, measured, delta, moved)


def exact_log(home, logged, measured, delta, moved):
    if abs(home) > 1e-6 * delta:
        return "KL formula"
    if logged != measured:
        return "overwritten" if moved else "reversed KL"
    return diagnose_reference(home, logged, logged, delta, moved)


def by_isclose(home, logged, measured, delta, moved):
    home = 0.0 if np.isclose(home, 0) else home
    logged = measured if np.isclose(logged, measured) else logged
    return diagnose_reference(home, logged, measured, delta, moved)


def formula_above_only(home, logged, measured, delta, moved):
    return diagnose_reference(max(home, 0.0), logged, measured, delta, moved)


def log_below_only(home, logged, measured, delta, moved):
    return diagnose_reference(home, min(logged, measured), measured, delta, moved)


def fixed_threshold(home, logged, measured, delta, moved):
    home, gap = (x * delta / 0.05 for x in (home, logged - measured))
    return diagnose_reference(home, measured + gap, measured, delta, moved)


def limit_not_included(home, logged, measured, delta, moved):
    name = diagnose_reference(home, logged, measured, delta, moved)
    fine = name in ("not restored", "healthy")
    return "no KL test" if fine and measured >= delta else name


def limit_first(home, logged, measured, delta, moved):
    if abs(home) > 1e-6 * delta:
        return "KL formula"
    if measured > delta:
        return "no KL test"
    return diagnose_reference(home, logged, measured, delta, moved)


def moved_first(home, logged, measured, delta, moved):
    if abs(home) > 1e-6 * delta:
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
    far = abs(home) > 1e-6 * delta
    return "KL formula" if name == "healthy" and far else name


@cache
def readings():
    """(home, logged, measured, delta, moved) of some patients, with their bugs' names.

    `home` is the KL of the policy with itself; `moved` says whether the update moved
    when it was handed the gradient of -L.
    """
    path, rows = run_of()[0], []
    for patient in (None, 1, 2, 3, 8, 13):
        parts = PATIENTS[patient]
        for theta in (path[0], path[4], path[9]):
            batch = exact_batch(theta)
            home = parts.kl(batch.moment, theta, theta)
            log = one_update(parts, batch)
            wrong = one_update(parts, batch, turn=-1.0)
            measured = batch.mean_kl(log.theta)
            moved = not np.array_equal(wrong.theta, theta)
            name = "KL formula" if patient == 13 else DIAGNOSES[patient]
            rows.append((name, float(home), log.kl, float(measured), DELTA, moved))
    return tuple(rows)


def diagnose_cases(rng):
    """The patients' readings, and numbers on both sides of every limit, and on it."""
    cases = [row[1:] for row in readings()]
    for delta in (0.0625, 0.01, 2.0):
        for share in (0.95, 1.05):
            far = share * 1e-6 * delta
            cases += [
                (sign * far, 0.5 * delta, 0.5 * delta, delta, False) for sign in (1, -1)
            ]
            cases += [
                (0.0, 0.5 * delta + sign * far, 0.5 * delta, delta, moved)
                for sign, moved in ((1, True), (-1, False))
            ]
            measured = (1 + 0.05 * (share - 1)) * delta
            cases.append((1e-17, measured, measured, delta, False))
    on = 1e-6 * 0.0625  # times a power of 2: exact in any order
    cases += [
        (on, 0.0, 0.0, 0.0625, False),
        (-on, 0.0, 0.0, 0.0625, True),
        (0.0, on, 0.0, 0.0625, True),
        (0.0, 0.0, on, 0.0625, False),
        (0.0, 0.0625, 0.0625, 0.0625, False),
        (0.0, 0.0625, 0.0625, 0.0625, True),
    ]
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
        "np.isclose lets 1e-5 of the value pass, more than 1e-6 delta": by_isclose,
        "home may be negative as well": formula_above_only,
        "the log may say less as well as more": log_below_only,
        "what counts as nothing is a millionth of the delta given": fixed_threshold,
        "a KL of delta exactly is within the limit": limit_not_included,
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
        "abs(home) > 1e-6 * delta; abs(logged - measured) > 1e-6 * delta; "
        "measured > delta; moved; else healthy.",
    ),
    cases=diagnose_cases,
)

pictures = (careers, checkup)
widgets = (ward,)
exercises = (gaussian_kl, fisher_product, surrogate, diagnose)
progress = Progress(exercises)
