"""What the question bank claims, computed: name of a question -> function.

Each returns what `said` makes: the key of its options (is it true? one verdict an
option), the numbers that its text must hold, and the log it prints.
"""

from dataclasses import replace
from unittest import mock

import numpy as np

from trpo_lite import lqr, mdp, surrogate
from trpo_lite.advantage import LinearValue, discounted_sum, explained_variance, gae
from trpo_lite.bound import kl, lower_bound, penalty_constant, total_variation
from trpo_lite.conjugate_gradient import conjugate_gradient
from trpo_lite.course import n12, n13, n14, n17, n18
from trpo_lite.course.data import load
from trpo_lite.course.table import table
from trpo_lite.exact import max_kl_step, mm_step, penalized_step
from trpo_lite.line_search import line_search
from trpo_lite.mdp import evaluate, road_and_ice, shared_policy
from trpo_lite.natural_gradient import natural_step, natural_step_exact
from trpo_lite.policies import LinearGaussian, LinearSoftmax, TabularSoftmax
from trpo_lite.ppo import adapt_beta
from trpo_lite.rollout import Batch

CHECKS = {}
ROAD = road_and_ice(0.9)


def check(name):
    def keep(function):
        CHECKS[name] = function
        return function

    return keep


def said(key=None, numbers=(), log=None):
    return {"key": key, "numbers": tuple(numbers), "log": log}


def printed(header, rows, formats):
    """The text of a table, as pages show it."""
    with mock.patch("IPython.display.display") as show:
        table(header, rows, formats)
    return show.call_args[0][0]["text/plain"]


def short(x, digits=2):
    """.05 for 0.05, −.7 for -0.7: as prose writes numbers below 1."""
    text = f"{abs(x):.{digits}f}"
    text = text[1:] if text.startswith("0.") else text
    return ("−" if x < 0 else "") + text


def one(values, right):
    """Which options are right: those whose value the computation found."""
    return [bool(np.isclose(value, right, rtol=5e-3)) for value in values]


def J(p, world=ROAD):
    return evaluate(world, shared_policy(p)).performance


def L(p, p_old=0.1, world=ROAD):
    return surrogate.surrogate(evaluate(world, shared_policy(p_old)), shared_policy(p))


# --- 01


@check("visits-normalised")
def _():
    world = road_and_ice(0.95)
    e = evaluate(world, shared_policy(0.3))
    total = e.visitation.sum()
    share = (1 - 0.95) * e.visitation @ (e.pi * world.R).sum(1)
    assert np.isclose(e.performance / share, total)
    # the candidates' factor between the two J, if rewards are positive
    cut, noise = 1 + 0.95**150, 1 + 0.1 / 8.4
    found = [bool(np.isclose(8.4 / 0.42, x)) for x in (cut, total, noise)]
    return said(
        [*found[:2], None, found[2]],
        [f"{total:.0f}", f"{8.4 / 0.1 - 0.42 / 0.1:.0f}"],
    )


@check("two-bellman-equations")
def _():
    e = evaluate(road_and_ice(0.5), shared_policy(0.5))
    numbers = [short(x, 3) for x in (*e.v, *e.q[:, 1], *e.advantage[:, 1])]
    P_pi = 0.5 * road_and_ice(0.5).P.sum(1)
    assert np.allclose(P_pi, [[0.55, 0.45], [0.5, 0.5]])
    assert np.allclose(e.advantage[:, 0], -e.advantage[:, 1])
    return said(numbers=[*numbers, ".55", ".45", ".1", ".9", short(-0.25)])


@check("runs-for-two-digits")
def _():
    needed = np.ceil((1.96 * 0.6 / 0.01) ** 2)
    rng = np.random.default_rng(0)  # a mean of so many is that good, in 95 %
    means = rng.normal(0, 0.6 / np.sqrt(needed), 20_000)
    assert abs(np.mean(np.abs(means) < 0.01) - 0.95) < 0.01
    assert np.ceil(1.96 * 0.6 / 0.01) == 118 and np.isclose((0.6 / 0.01) ** 2, 3600)
    return said([*(bool(needed == x) for x in (118, 3600, 13_830)), None])


@check("shared-tables")
def _():
    world, pi = ROAD, shared_policy(0.3)

    def both(P_v, P_d, gamma_d=0.9, scale=1.0, transpose=True):
        r = (pi * world.R).sum(1)
        mix = [(pi[:, :, None] * P).sum(1) for P in (P_v, P_d)]
        v = np.linalg.solve(np.eye(2) - 0.9 * mix[0], r)
        system = np.eye(2) - gamma_d * (mix[1].T if transpose else mix[1])
        return np.isclose(
            world.start @ v, scale * np.linalg.solve(system, world.start) @ r
        )

    swapped = world.P.copy()
    swapped[0, 1] = swapped[0, 1, ::-1]
    right, wrong = world.P, swapped
    assert both(right, right)
    return said(
        [
            bool(x)
            for x in (
                both(right, right, transpose=False),
                both(right, right, gamma_d=0.99),
                both(right, right, scale=0.1),
                both(wrong, wrong),
            )
        ]
    )


def lake(gamma):
    world = mdp.TabularMDP.from_gymnasium("FrozenLake", gamma)
    ends = (np.einsum("sas->sa", world.P) == 1).all(-1)
    return world, ends


@check("lake-visits")
def _():
    world, ends = lake(0.95)
    d = evaluate(world, mdp.uniform_policy(world)).visitation
    best = evaluate(world, mdp.optimal_policy(world)).visitation
    no_bug = bool(np.isclose(d.sum(), 20))
    assert np.isclose(best.sum(), 20) and d.argmax() not in (14,)
    assert d[~ends].argmax() == 0
    return said(
        [no_bug, not no_bug, bool(np.allclose(d, d[0])), not no_bug],
        [f"{d[~ends].sum():.2f}"],
    )


# --- 02


@check("always-zero")
def _():
    old = evaluate(ROAD, shared_policy(0.1))
    speeds = (0.2, 0.4, 0.6, 0.8)
    rows, found = [], [[] for _ in range(4)]
    for p in speeds:
        new = evaluate(ROAD, shared_policy(p))
        rows.append((p, 0.0, new.performance - old.performance))
        for column, (d, pi, A) in zip(
            found, ((new, old, old), (old, new, old), (old, old, new), (new, new, old))
        ):
            column.append(d.visitation @ (pi.pi * A.advantage).sum(1))
    gains = np.array([row[2] for row in rows])
    assert np.allclose(found[3], gains) and np.allclose(found[2], -gains)
    assert found[1][0] > 0 and np.diff(found[1]).min() > 0  # L grows where J falls
    return said(
        [bool(np.allclose(x, 0, atol=1e-12)) for x in found],
        log=printed("new p | printed | by two solves", rows, (".1f", ".4f", ".4f")),
    )


@check("average-action")
def _():
    delta = 1 + 0.5 * np.array([8, 0]) - 2
    mean = float(np.array([0.25, 0.75]) @ delta)
    assert (delta == [3, -1]).all() and delta.mean() == 1
    return said([mean == x for x in (3, -1, 1, 0)])


@check("telescope")
def _():
    r, v = np.array([0.0, 2, 1]), np.array([4.0, 3, 5, 6])
    td, w = r + 0.5 * v[1:] - v[:-1], 0.5 ** np.arange(3)
    assert np.isclose(td @ w, r @ w - v[0] + 0.5**3 * v[3])
    assert np.allclose(td, [-2.5, 1.5, -1]) and td @ w == -2
    return said(numbers=["−2.5", "1.5", "−1", "−2", f"{r @ w:.2f}", short(0.75)])


@check("cannot-hurt")
def _():
    gain = J(0.8) - J(0.1)
    assert L(0.8) > 0 > gain
    one_action = np.array([[1.0, 0], [1, 0]])
    assert np.isinf(kl(shared_policy(0.1), one_action)).all()
    rng = np.random.default_rng(0)
    never = True
    for _ in range(100):  # the third fact, on worlds where the others fail
        world = mdp.random_mdp(rng)
        old = evaluate(world, mdp.random_policy(rng, 6, 3))
        best = np.eye(3)[old.advantage.argmax(1)]
        assert ((best * old.advantage).sum(1) >= 0).all()
        never = never and evaluate(world, best).performance >= old.performance
    return said([False, False, bool(never), None], [f"{L(0.8):.2f}", f"{-gain:.2f}"])


# --- 03


@check("missing-action")
def _():
    rng, rows = np.random.default_rng(0), []
    for name, p_old, p in (("A", 0.1, 0.2), ("B", 0.0005, 0.4), ("C", 0.1, 0.9)):
        old, new = shared_policy(p_old)[0], shared_policy(p)[0]
        A = evaluate(ROAD, shared_policy(p_old)).advantage[0]
        drawn = (rng.random(400) < p_old).astype(int)
        r = (new / old)[drawn]
        half = 1.96 * (r * A[drawn]).std(ddof=1) / 20
        n_eff = surrogate.effective_sample_size(r)
        rows.append((name, (r * A[drawn]).mean(), half, r.mean(), n_eff))
    assert (drawn == 1).any() and rows[1][2] < 1e-12
    head = "new policy | estimate | ± | mean ratio | N_eff of 400"
    return said(
        numbers=[short(rows[1][3]), short(1 - rows[1][3]), f"{rows[2][4]:.0f}"],
        log=printed(head, rows, ("", *[".2f"] * 3, ".0f")),
    )


@check("effective-size")
def _():
    old, new, f = np.array([0.5, 0.5]), np.array([0.8, 0.2]), np.array([1.0, 0.0])
    r = new / old
    square = old @ r**2
    direct, weighted = new @ f**2 - (new @ f) ** 2, old @ (r * f) ** 2 - (new @ f) ** 2
    rows = np.repeat(r, 500)  # 1000 actions in their shares
    assert np.isclose(surrogate.effective_sample_size(rows), 1000 / square)
    return said(
        numbers=[
            f"{square:.2f}",
            f"{1000 / square:.0f}",
            short(direct),
            short(weighted),
            f"{1000 * direct / weighted:.0f}",
            *(short(x, 1) for x in r),
        ]
    )


@check("four-candidates")
def _():
    old = evaluate(ROAD, shared_policy(0.4))
    rows = []
    for p in (0.4, 0.5, 0.6):
        pi = shared_policy(p)
        visits_only = old.visitation @ (pi * ROAD.R).sum(1) - old.performance
        same = old.visitation @ (old.pi * old.advantage).sum(1)
        rows.append((p, visits_only, same, L(p, 0.4), J(p) - J(0.4)))
    formats = (".1f", *[".4f"] * 4)
    h = 1e-5
    slopes = [(f(0.4 + h) - f(0.4 - h)) / 2 / h for f in (J, lambda p: L(p, 0.4))]
    assert np.isclose(*slopes, rtol=1e-4) and rows[1][1] > 0 > slopes[0]
    return said(log=printed("new p | A | B | C | D", rows, formats))


@check("product-of-ratios")
def _():
    r, old = np.array([1.6, 0.4]), np.array([0.5, 0.5])
    square = old @ r**2
    share = square**-30
    mean_of_product = (old @ r) ** 30
    biased = not np.isclose(mean_of_product, 1)
    assert np.isclose(square, 1.36)
    return said([biased, None, bool(round(share, 4) == 0.0001), None], [".0001"])


@check("gap-of-first-order")
def _():
    rng = np.random.default_rng(1)
    world = mdp.random_mdp(rng, n_states=5, n_actions=3)
    theta, direction = rng.normal(size=(2, 5, 3))

    def softmax(x):
        return np.exp(x) / np.exp(x).sum(1, keepdims=True)

    old = evaluate(world, softmax(theta))
    d, even = old.visitation, np.full(5, old.visitation.mean())
    shifted = old.advantage + np.array([1, 0, 0, 0, 0])[:, None]
    rows, third = [], []
    for h in (0.1, 0.05, 0.025, 0.0125):
        new = evaluate(world, softmax(theta + h * direction))
        eta = new.performance - old.performance
        gap = [
            abs(eta - w @ (new.pi * A).sum(1))
            for w, A in ((even, old.advantage), (d, old.advantage), (d, shifted))
        ]
        rows.append((h, *gap[:2]))
        third.append(gap[2])
    falls = np.array(rows)[:-1] / np.array(rows)[1:]
    halves, quarters = (falls[:, 1] < 2.1).all(), (falls[:, 2] > 3.8).all()
    head = "h | gap of version 1 | gap of version 2"
    return said(
        # a constant in one state leaves a gap that doesn't go to 0
        [not quarters, bool(halves and quarters), max(third) < 0.1, None],
        log=printed(head, rows, (".4f", ".2e", ".2e")),
    )


# --- 04


@check("kl-by-hand")
def _():
    old, new = np.array([0.5, 0.5]), np.array([0.75, 0.25])
    ahead, back = float(kl(old, new)), float(kl(new, old))
    others = back, ahead, ahead / np.log(2), float(total_variation(old, new))
    assert [f"{x:.3f}" for x in others] == ["0.131", "0.144", "0.208", "0.250"]
    return said(one(others, ahead))


@check("dropped-action")
def _():
    old, new = np.array([0.01, 0.99]), np.array([0.0, 1.0])
    pair = float(kl(old, new)), float(kl(new, old))
    assert np.isclose(pair[1], -np.log(0.99))
    options = (np.inf, 0.01), (0.01, np.inf), (0.01, 0.01), (np.inf, np.inf)
    return said([bool(np.allclose(pair, x, atol=1e-3)) for x in options])


@check("plus-c")
def _():
    rng, below, above, equal = np.random.default_rng(0), 0, 0, 0
    for _ in range(200):
        world = mdp.random_mdp(rng)
        old = evaluate(world, mdp.random_policy(rng, 6, 3))
        share = 10 ** rng.uniform(-3, 0)
        pi = (1 - share) * old.pi + share * mdp.random_policy(rng, 6, 3)
        eta = evaluate(world, pi).performance - old.performance
        M = lower_bound(old, pi, 0.9)
        plus = 2 * surrogate.surrogate(old, pi) - M
        below, above = below + (plus <= eta), above + (plus >= eta)
        equal += np.isclose(plus, M)
    drops = np.eye(3)[np.zeros(6, int)]
    assert np.isinf(-lower_bound(old, drops, 0.9))
    return said([below > 0, bool(equal > 0), above < 200, above == 200])


@check("why-monotone")
def _():
    old, eps = evaluate(ROAD, shared_policy(0.1)), 1e-6
    grid = np.linspace(eps, 1 - eps, 20_001)
    policies = np.stack([1 - grid, grid], -1)
    line = policies @ (old.visitation @ old.advantage)
    gains = {}
    for divide in (1, 10, 100):
        C = penalty_constant(old, 0.9) / divide
        p = grid[(line - C * kl(old.pi[0], policies)).argmax()]
        gains[divide] = J(p) - J(0.1)
    # a smaller C: faster, and in the end down
    assert 0 < gains[1] < gains[10] and gains[100] < 0
    return said()


@check("law-of-small-steps")
def _():
    x, top = (1 - 0.95) / (4 * 0.95), 2 / (8 * 0.95)
    tv = np.linspace(0, 2 * x, 100_001)
    C = 4 * 2 * 0.95 / 0.05**2
    promise = 2 * 2 * tv / 0.05 - C * 2 * tv**2
    assert np.isclose(promise.max(), top) and promise[tv > x * 1.0001].max() < 0
    assert np.isclose(tv[promise.argmax()], x / 2, rtol=1e-3)
    return said(numbers=[short(x, 4), short(top, 3)])


@check("stale-c")
def _():
    old = evaluate(ROAD, shared_policy(0.5))
    C = penalty_constant(old, 0.9)
    touches = lower_bound(old, old.pi, 0.9, penalty=2 / 3 * C)
    full, cheap = (mm_step(old, 0.9, C * x).max_kl for x in (1, 2 / 3))
    louder = replace(old, advantage=1.5 * old.advantage)
    grows = np.isclose(penalty_constant(louder, 0.9), C * 0.9 / 0.6)
    return said(
        [bool(full == cheap), bool(cheap < full), abs(touches) > 1e-12, bool(grows)]
    )


@check("sampled-maximum")
def _():
    world, ends = lake(0.95)
    old = evaluate(world, mdp.uniform_policy(world))
    new = old.pi * np.exp(old.advantage / 0.05)
    size = kl(old.pi, new / new.sum(1, keepdims=True))
    rng = np.random.default_rng(0)
    cells = np.flatnonzero(~ends)
    weights = old.visitation[cells] / old.visitation[cells].sum()
    samples = [size[rng.choice(cells, 30, p=weights)].max() for _ in range(300)]
    above, average = max(samples) > size.max(), np.mean(samples) / size.max()
    return said([not above, bool(average > 0.9), bool(above), None])


# --- 05


@check("cents")
def _():
    world = mdp.random_mdp(np.random.default_rng(0))
    euros = evaluate(world, mdp.uniform_policy(world))
    cents = evaluate(replace(world, R=100 * world.R), euros.pi)

    def natural(e):
        flat = (e.visitation[:, None] * e.pi * e.advantage).ravel()
        H = np.zeros((18, 18))
        for s, p in enumerate(e.pi):
            block = slice(3 * s, 3 * s + 3)
            H[block, block] = 0.1 * e.visitation[s] * (np.diag(p) - np.outer(p, p))
        return natural_step(flat, H.__matmul__, 0.1, iterations=18).step

    def unit(e):
        share = e.visitation / e.visitation.sum()
        scale = np.sqrt(share @ (e.pi * e.advantage**2).sum(1))
        return penalized_step(replace(e, advantage=e.advantage / scale), 3).pi

    makes = (
        lambda e: max_kl_step(e, 0.1).pi,
        natural,
        lambda e: penalized_step(e, 3).pi,
        unit,
    )
    return said([not np.allclose(f(euros), f(cents), atol=1e-6) for f in makes])


@check("blame-the-mean")
def _():
    old, rows, d = evaluate(ROAD, shared_policy(0.2)), [], None
    d = 0.1 * old.visitation
    for delta in (0.01, 0.1, 0.5, 1.0):
        p = n13.limited_p(0.2, delta)
        sizes = kl(old.pi, shared_policy(p))
        rows.append((delta, sizes.max(), d @ sizes, L(p, 0.2), J(p) - J(0.2)))
    head = "delta | largest KL | average KL | L | J gains"
    C = penalty_constant(old, 0.9)
    return said(
        numbers=[f"{C:.0f}", short(rows[0][3] - C * 0.01, 1)],
        log=printed(head, rows, (".2f", ".4f", ".4f", ".3f", ".3f")),
    )


@check("table-or-not")
def _():
    rng = np.random.default_rng(0)

    def falls(gamma, delta, cut=False):
        found = 0
        for _ in range(60):
            world = mdp.random_mdp(rng, gamma=gamma)
            if cut:  # nothing leads to the last state
                P, start = world.P.copy(), world.start.copy()
                P[:, :, 5], start[5] = 0, 0
                P, start = P / P.sum(-1, keepdims=True), start / start.sum()
                world = replace(world, P=P, start=start)
            old = evaluate(world, mdp.random_policy(rng, 6, 3))
            new = evaluate(world, max_kl_step(old, delta).pi)
            found += new.performance < old.performance - 1e-12
        return found > 0

    shared = J(n13.limited_p(0.1, 1.0)) < J(0.1)
    return said([falls(0.9, 10), falls(0.99, 1), bool(shared), falls(0.9, 1, cut=True)])


def one_state(pi, A, gamma=0.9):
    """An Evaluation of one state with these probabilities and advantages."""
    world = mdp.TabularMDP(np.ones((1, 2, 1)), np.array([A]), gamma, np.ones(1))
    e = evaluate(world, np.array([pi]))
    assert np.allclose(e.advantage, [A])
    return e


@check("exact-step")
def _():
    e = one_state([0.7, 0.3], [-0.3, 0.7])
    for beta in (1e-4, 0.5, 1e4):
        pi = penalized_step(e, beta).pi[0]
        lam = e.advantage[0] + beta * e.pi[0] / pi
        assert np.isclose(*lam) and 0.7 < lam[0] <= 0.7 + beta
        assert (pi > 0).all()
    assert np.allclose(pi, e.pi[0], atol=1e-3)
    assert penalized_step(e, 1e-4).pi[0, 1] > 0.999
    return said()


@check("golden")
def _():
    pi = penalized_step(one_state([0.5, 0.5], [1.0, -1.0]), 1.0).pi[0, 0]
    golden = (1 + np.sqrt(5)) / 2
    assert np.isclose(pi, 0.5 / (golden - 1))
    options = 1 / (1 + np.exp(-1)), pi, 1 / (1 + np.exp(-2)), 1.0
    assert [short(x, 3) for x in options[:3]] == [".731", ".809", ".881"]
    return said(one(options, pi), [f"{golden:.3f}", short(golden - 1, 3)])


@check("rare-state")
def _():
    share, delta = np.array([0.99, 0.01]), 0.05
    most = delta / share[1]
    assert np.isclose(share @ [0, most], delta)
    return said(one((0.0005, 0.05, 0.5, 5), most))


# --- 06


@check("sum-and-price")
def _():
    T, beta = 2000, 3
    e = evaluate(ROAD, shared_policy(0.1))
    step_mean = n13.slope(0.1)  # of (1 - gamma) L, per step
    grid = np.linspace(1e-4, 1 - 1e-4, 9999)
    sizes = kl(e.pi[0], np.stack([1 - grid, grid], -1))
    by_sum = (T * step_mean * (grid - 0.1) - beta * sizes).argmax()
    prices = 3, 0.0015, 6000, beta / np.sqrt(T)
    tops = [(step_mean * (grid - 0.1) - price * sizes).argmax() for price in prices]
    assert round(prices[3], 3) == 0.067
    return said([bool(top == by_sum) for top in tops])


@check("one-batch-for-ever")
def _():
    old = evaluate(ROAD, shared_policy(0.1))
    rise = old.visitation @ (old.advantage[:, 1] - old.advantage[:, 0])
    assert rise > 0  # the old batch, without end: up at every p

    def further(p, sign=1.0):
        inside, outside = p, 1.0 if sign > 0 else 0.0
        for _ in range(60):
            middle = (inside + outside) / 2
            near = kl([1 - p, p], [1 - middle, middle]) <= 0.01
            inside, outside = (middle, outside) if near else (inside, middle)
        return inside

    stale, fresh = [0.1], [0.1]
    for _ in range(12):
        stale.append(further(stale[-1]))
        fresh.append(further(fresh[-1], np.sign(n13.slope(fresh[-1]))))
    gains = np.array([J(p) for p in stale]) - J(0.1)
    assert (np.diff(gains[:5]) > 0).all() and gains[-1] < 0
    # no noise, and it falls; fresh batches spend their limit, too, and don't fall
    stays = min(J(p) for p in fresh[6:]) > J(0.1) + 1
    return said([False, bool(stays), None, not stays])


@check("luck")
def _():
    rng = np.random.default_rng(0)
    truth = np.linspace(0, 1, 11)  # exact L of eleven candidates
    found = truth + 0.3 * rng.normal(size=(20_000, 11))
    best = found.argmax(1)
    fixed = found[:, 5].mean()  # a candidate chosen beforehand
    chosen = found.max(1).mean() - truth[best].mean()
    return said([bool(abs(fixed - 0.5) > 0.01), bool(chosen > 0.1), None, None])


@check("l-before-the-step")
def _():
    A, r = np.array([2.0, 1.0, -1.0, 0.0]), np.array([0.8, 0.9, 1.2, 1.1])
    rows = [
        (name, A.mean(), x.mean(), surrogate.sampled_surrogate(x, A))
        for name, x in (("before", np.ones(4)), ("after", r))
    ]
    change = surrogate.sampled_surrogate(r - 1, A)
    assert np.isclose(surrogate.sampled_surrogate(r, A - A.mean()), change)
    head = " | mean of A_hat | mean ratio | surrogate"
    return said(
        numbers=[short(A.mean(), 3), short(-change, 3), short(change, 3)],
        log=printed(head, rows, ("", ".3f", ".3f", ".3f")),
    )


@check("gamma-dropped")
def _():
    world = road_and_ice(0.5)
    e = evaluate(world, shared_policy(0.5))
    slope = e.advantage[:, 1] - e.advantage[:, 0]
    discounted = 0.5 * e.visitation
    plain = mdp.state_distributions(world, e.pi, 2000)[-1]  # of the long run
    rows = [*zip(("road", "ice"), slope, discounted, plain)]
    head = "state | slope | share, discounted | share, plain"
    h = 1e-5
    by_difference = 0.5 * (J(0.5 + h, world) - J(0.5 - h, world)) / (2 * h)
    right, wrong = (float(w @ slope) for w in (discounted, plain))
    assert np.isclose(by_difference, right, rtol=1e-6)
    return said(
        numbers=[short(right, 3), short(wrong, 3)],
        log=printed(head, rows, ("", ".3f", ".3f", ".3f")),
    )


# --- 07


def rows_of(rewards, terminated, truncated):
    """A Batch of one environment's rows."""
    n = len(rewards)
    return Batch(
        observations=np.arange(n),
        actions=np.zeros(n, int),
        rewards=np.array(rewards, float),
        terminated=np.array(terminated, bool),
        truncated=np.array(truncated, bool),
        next_observations=np.arange(1, n + 1),
        time=np.arange(n),
        valid=np.ones((n, 1), bool),
        episode_returns=np.zeros(0),
        episode_lengths=np.zeros(0, int),
    )


@check("gae-by-hand")
def _():
    ends = [False, False, True]
    batch = rows_of([1, 0, 2], ends, [False] * 3)
    V, next_V = np.array([1.0, 2, 1]), np.array([2.0, 1, 4])
    right = gae(batch, V, next_V, 0.5, 0.8)
    assert np.allclose(right, [0.56, -1.1, 1])
    td = np.array([1, -1.5, 1])
    open_end = discounted_sum(np.array([1, -1.5, 3]), 0.4)[0]
    options = (
        discounted_sum(td, 0.8)[0],
        gae(batch, V, next_V, 0.5, 1.0)[0],
        right[0],
        open_end,
    )
    assert np.allclose(options, [0.44, 0.5, 0.56, 0.88])
    return said(one(options, right[0]))


@check("baseline")
def _():
    policy = LinearSoftmax(np.random.default_rng(0).normal(size=12), 3)
    row = np.random.default_rng(1).normal(size=(1, 4))
    pi = policy.probabilities(row)[0]
    at = policy.at(np.repeat(row, 3, axis=0))
    assert np.allclose(at.score_sum(np.arange(3), 7 * pi), 0)
    # the weights of V at later states: GAE is linear in V
    g, lam = 0.9, 0.7
    zero = np.zeros(6)
    batch = rows_of(zero, zero, zero)
    for later in range(1, 5):
        V = np.eye(6)[later]
        A = gae(batch, V, np.append(V[1:], 0), g, lam)[0]
        weight = (1 - lam) * g * (g * lam) ** (later - 1)
        assert np.isclose(A, weight)
    return said()


@check("done-log")
def _():
    steps, value = n17.errand(gamma=0.9, p_finish=0.5)
    v = np.full(6, value)
    sick = n17.td_errors_time_is_up, n17.td_errors_never_over
    told = [f(steps, v, v, 0.9) for f in sick]
    right = n17.td_errors(steps, v, v, 0.9)
    assert np.isclose(right[2], right[1]) and np.isclose(right[5], -right[1])
    rows = [*zip(n17.ACTIONS, n17.FLAGS, *told)]
    head = "action | flag | program 1 | program 2"
    return said(
        numbers=[f"−{-right[2]:.3f}", f"+{right[5]:.3f}"],
        log=printed(head, rows, ("", "", "+.3f", "+.3f")),
    )


@check("last-row")
def _():
    batch = rows_of([1, 2, 3], [False] * 3, [False, False, True])
    V, next_V = np.array([1.0, 5, 2]), np.array([5.0, 2, 7])
    last = gae(batch, V, next_V, 0.9, 1.0)[-1]
    td = 3 + 0.9 * 7 - 2
    total = 1 + 0.9 * 2 + 0.81 * 3
    return said(one((3 - 2, td, total, 0), last))


@check("all-negative")
def _():
    rng = np.random.default_rng(0)
    r, A = np.exp(rng.normal(0, 0.5, 4000)), rng.uniform(-2.1, -0.1, 4000)
    flat = surrogate.clip_active(r, A, 0.2)
    guesses = r > 1.2, r < 0.8, np.abs(r - 1) > 0.2, np.zeros(4000, bool)
    return said([bool(np.array_equal(flat, x)) for x in guesses])


@check("perfect-v")
def _():
    rng = np.random.default_rng(4)
    s = rng.normal(size=(2, 300, 1))
    y = -2 * s[..., 0] ** 2 + 3.4 * rng.normal(size=(2, 300))
    t = np.zeros(300, int)
    quadratic = LinearValue(time_degree=0).fit(s[0], t, y[0])
    each = np.arange(300)
    lookup = LinearValue(n_states=300, ridge=1e-12).fit(each, each, y[0])
    own = lookup.predict(each, each)
    fits = quadratic.predict(s[0], t), quadratic.predict(s[1], t)
    rows = [
        (name, n, *map(explained_variance, V, y), np.abs(y[0] - V[0]).max())
        for name, n, V in (("quadratic", 3, fits), ("table", 300, (own, own)))
    ]
    assert rows[1][3] < 0  # a fresh row is another one's number
    head = "V | features | explained variance: same | fresh | largest |y - V|: same"
    return said(
        numbers=[short(rows[0][2]), short(rows[1][3])],
        log=printed(head.split(" | "), rows, ("", "d", ".2f", ".2f", ".2f")),
    )


# --- 08


@check("value-gradient-hessian")
def _():
    p, h = 0.2, 1e-4

    def cost(t):
        q = 1 / (1 + (1 - p) / p * np.exp(-t))
        return float(kl([1 - p, p], [1 - q, q]))

    bend = (cost(h) - 2 * cost(0) + cost(-h)) / h**2
    assert abs(cost(h) - cost(-h)) / (2 * h) < 1e-7 and cost(0) == 0
    assert np.isclose(bend, p * (1 - p), rtol=1e-4)
    return said(numbers=[short(p * (1 - p))])


@check("nothing-frozen")
def _():
    theta = np.array([0.3, -0.2, 0.9])

    def softmax(x):
        return np.exp(x) / np.exp(x).sum()

    costs = (
        lambda x: float(kl(softmax(theta), softmax(x))),
        lambda x: float(kl(softmax(x), softmax(x))),
    )
    v, differ = np.array([1.0, -2, 0.5]), []
    told = []
    for f in costs:
        H = n17.hessian(f, theta)
        slopes = [(f(theta + e) - f(theta - e)) / 2e-4 for e in 1e-4 * np.eye(3)]
        told.append(
            (f(theta), np.linalg.norm(slopes), v @ H @ v, np.abs(H - H.T).max())
        )
    differ = np.abs(np.subtract(*told)) > 1e-5
    assert told[0][2] > 0
    return said([bool(x) for x in differ])


@check("half-sigma")
def _():
    s = np.array([[0.5], [-2.0], [1.0]])
    costs = []
    for sigma in (0.4, 0.2):
        at = LinearGaussian(np.array([0.3, np.log(sigma)]), 1).at(s)
        costs.append(at.fisher_product(np.array([1.0, 0.0]))[0])
    return said(one((0.5, 1, 2, 4), costs[1] / costs[0]))


@check("thirty-samples")
def _():
    rng = np.random.default_rng(0)
    policy = LinearGaussian(0.1 * rng.normal(size=42), 3)  # 13 features, 3 actions
    s = rng.normal(size=(4000, 13))
    a = policy.sample(s, rng)
    pairs = [(policy.at(s[i : i + 1]), a[i : i + 1]) for i in range(30)]
    scores = np.array([at.score_sum(action, [1.0]) for at, action in pairs])
    H_hat, everywhere = scores.T @ scores / 30, policy.at(s)
    H = np.array([everywhere.fisher_product(e) for e in np.eye(42)])
    g = rng.normal(size=42)
    x = np.linalg.solve(H_hat + 1e-3 * np.eye(42), g)  # with damping, to have a step
    step = np.sqrt(2 / (g @ x)) * x
    rank = np.linalg.matrix_rank(H_hat)
    size = step @ H @ step / 2  # should be 1
    same = np.allclose(H_hat + 1e-3 * np.eye(42), H, atol=0.1)
    return said(
        [bool(rank == 42), bool(rank == 30 and size > 10), bool(size < 1), same]
    )


@check("narrower")
def _():
    y, s = np.log(0.7), np.ones((1, 1))
    old = LinearGaussian(np.array([0.2, 0.0]), 1).at(s)
    new = old.with_theta(np.array([0.2, y]))
    ahead, back, bowl = old.kl(new).item(), new.kl(old).item(), y**2
    within = [x <= 0.13 for x in (bowl, ahead, back)]
    options = [True] * 3, [True, True, False], [True, False, True], [False] * 3
    return said(
        [within == x for x in options], [short(x, 3) for x in (bowl, ahead, back)]
    )


# --- 09


@check("natural-step")
def _():
    g, H, delta = np.array([4.0, 1.0]), np.diag([4.0, 1.0]), 0.02
    right = natural_step_exact(g, H, delta)
    x = np.linalg.solve(H, g)
    along = np.sqrt(2 * delta / (g @ H @ g)) * g
    options = right.step, np.sqrt(delta / (g @ x)) * x, 2 * delta / (g @ x) * x, along
    texts = [tuple(short(y, 3) for y in step) for step in options]
    assert texts == [
        (".089", ".089"),
        (".063", ".063"),
        (".008", ".008"),
        (".099", ".025"),
    ]
    promises = [short(g @ step, 3) for step in (along, right.step)]
    return said([bool(np.allclose(y, right.step)) for y in options], promises)


@check("lagrangian")
def _():
    rng = np.random.default_rng(0)
    root = rng.normal(size=(3, 3))
    g, H = rng.normal(size=3), root @ root.T + np.eye(3)
    gain = [natural_step_exact(g, H, d).predicted_surrogate for d in (0.1, 0.1001)]
    x = np.linalg.solve(H, g)
    assert np.isclose(gain[0], np.sqrt(0.2 * g @ x))
    assert np.isclose((gain[1] - gain[0]) / 1e-4, np.sqrt(g @ x / 0.2), rtol=1e-3)
    assert not natural_step(0 * g, H.__matmul__, 0.1).step.any()
    return said()


@check("what-ends-invariance")
def _():
    world, at = lqr.scalar_lqr(), (-0.1, 0.3)

    def slope(parameter):
        return np.concatenate(lqr.gradient(world, *at, parameter), axis=None)

    g, H = slope("std"), lqr.fisher(world, *at)
    g2, H2 = slope("log_std"), lqr.fisher(world, *at, "log_std")

    def way(g, H, T, c=0.0, delta=1e-4):
        x = np.linalg.solve(H + c * np.eye(2), g)
        return T * np.sqrt(2 * delta / (g @ x)) * x

    std, log_std = np.ones(2), np.array([1, at[1]])
    base = way(g, H, std)
    thousand = np.array([1000.0, 1])  # phi = k / 1000: theta = T phi
    scaled = way(thousand * g, thousand[:, None] * H * thousand, thousand)
    changes = (
        way(g2, H2, log_std),
        scaled,
        way(2 * g, H, std),
        way(g2, H2, log_std, c=1.0),
    )
    damped = way(g, H, std, c=1.0)
    assert not np.allclose(changes[3], damped, rtol=0.01)
    return said([not np.allclose(x, base, rtol=1e-9) for x in changes])


@check("log-sigma")
def _():
    world, at = lqr.scalar_lqr(), (-0.3, 0.1)
    there = [lqr.gradient(world, *at, p)[1] for p in ("std", "log_std")]
    factor = float(np.ravel(there[1])[0] * at[1] / np.ravel(there[0])[0])
    natural = [
        float(np.ravel(lqr.natural_gradient(world, *at, p)[1])[0])
        for p in ("std", "log_std")
    ]
    same = np.isclose(natural[0], natural[1] * at[1])
    return said(
        [
            bool(np.isclose(-8 * factor, vanilla) and (same == kept))
            for vanilla, kept in (
                (-0.8, True),
                (-0.08, True),
                (-8, True),
                (-0.08, False),
            )
        ],
        [short(factor)],
    )


@check("weights")
def _():
    # two states that don't meet; the second has 2 % of the visits
    P = np.zeros((2, 2, 2))
    P[0, :, 0] = P[1, :, 1] = 1
    R = np.array([[0.0, 0.0], [0.11, -0.11]])
    world = mdp.TabularMDP(P, R, 0.9, np.array([0.98, 0.02]))
    e = evaluate(world, np.full((2, 2), 0.5))
    assert np.allclose(e.advantage[1], [0.11, -0.11])
    assert np.isclose(e.visitation[1] / e.visitation.sum(), 0.02)
    at = TabularSoftmax.from_probabilities(e.pi).at(np.arange(2))
    g = (e.visitation[:, None] * e.pi * e.advantage).ravel()
    share = e.visitation / e.visitation.sum()

    def product(v):  # the package's product of each state, weighted by visits
        return sum(share[s] * at.policy.at([s]).fisher_product(v) for s in range(2))

    x = conjugate_gradient(product, g, iterations=4).x
    new = at.with_theta(at.policy.theta + 0.5 * x).policy.probabilities()[1, 0]
    vanilla = at.with_theta(at.policy.theta + 0.5 * g).policy.probabilities()[1, 0]
    plain = 1 / (1 + np.exp(-2 * 0.5 * 0.11))
    options = vanilla, plain, new, 1.0
    texts = [short(x, 3) for x in options[:3]]
    assert texts == [".503", ".527", ".750"]
    return said(one(options, new), [f"{np.exp(1.1):.1f}"])


@check("invariance")
def _():
    rng = np.random.default_rng(0)
    root, T, g = rng.normal(size=(3, 3)), rng.normal(size=(3, 3)), rng.normal(size=3)
    H = root @ root.T + np.eye(3)
    back = T @ np.linalg.solve(T.T @ H @ T, T.T @ g)
    assert np.allclose(back, np.linalg.solve(H, g))
    assert not np.allclose(T @ T.T @ g, g)
    return said()


# --- 10


@check("iterations")
def _():
    values = np.repeat([1.0, 5.0, 20.0], [990, 9, 1])
    g = np.random.default_rng(0).normal(size=1000)
    found = conjugate_gradient(lambda v: values * v, g, iterations=1000)
    assert found.stop == "converged"
    return said([found.iterations == n for n in (3, 10, 20, 1000)])


@check("length")
def _():
    rng = np.random.default_rng(0)
    root = rng.normal(size=(8, 8))
    F, g = root @ root.T + np.eye(8), rng.normal(size=8)
    for k in range(1, 8):
        x = conjugate_gradient(F.__matmul__, g, iterations=k).x
        assert np.isclose(g @ x, x @ F @ x)
    x0 = rng.normal(size=8)
    moved = x0 + conjugate_gradient(F.__matmul__, g - F @ x0, iterations=2).x
    assert not np.isclose(g @ moved, moved @ F @ moved, rtol=0.01)
    one_step = conjugate_gradient(F.__matmul__, g, iterations=1).x
    assert np.allclose(one_step / np.linalg.norm(one_step), g / np.linalg.norm(g))
    return said()


@check("hidden-limit")
def _():
    found = natural_step(np.ones(1), lambda v: 0.02 * v, 0.01, damping=0.1)
    share = 0.5 * 0.02 * found.step[0] ** 2 / 0.01
    assert f"{share:.0%}" == "17%"
    return said(one((1, share, 0.2, 6), share))


@check("f-of-2v")
def _():
    batch = n17.exact_batch(n17.THETA)
    F = n17.hessian(n17.cost(n17.mean_kl, batch, None), n17.THETA)
    v, theta = np.array([1.0, -2.0, 0.5]), n17.THETA
    products = (
        lambda v: n17.damped(F, theta, v, 0.1),
        lambda v: F @ v + 0.1 * v * v,
        lambda v: n17.damped_theta(F, theta, v, 0.1),
        lambda v: F @ v - 0.1 * v,
    )
    rows = [f(2 * v) - 2 * f(v) for f in products]
    shown = rows[2]
    assert np.allclose(shown, -0.1 * theta)
    head = " | k1 | k2 | log sigma"
    return said(
        [bool(np.allclose(row, shown, atol=1e-9)) for row in rows],
        log=printed(head, [("f(2v) - 2 f(v)", *shown)], ("", *[".4f"] * 3)),
    )


@check("nan")
def _():
    path, rows = n17.run_of(updates=9)[0], []
    for age in (0, 2, 4, 6, 8):
        now = n17.exact_batch(path[age])
        f = n17.PATIENTS[9].cost(n17.mean_kl, now, path[0])
        least = np.linalg.eigvalsh(n17.hessian(f, path[age]))[0]
        rows.append((age, n17.mean_kl(now.moment, path[0], path[age]), least))
    log = n17.one_update(n17.PATIENTS[9], now, stale=path[0])
    assert np.isnan(log.step).all()
    head = "update | mean KL before the step | smallest eigenvalue"
    return said(
        numbers=["0", short(-rows[-1][2], 3)],
        log=printed(head, rows, ("d", ".3f", ".3f")),
    )


# --- 11


@check("uncentred")
def _():
    L_seen, sizes = (0.012, 0.025, 0.034, 0.037), (0.93, 0.58, 0.37, 0.23)

    def found(shift):
        def evaluate_at(theta):
            j = round(np.log(theta[0]) / np.log(0.8))
            return L_seen[j] - shift, 0.1 * sizes[j]

        ended = line_search(evaluate_at, np.zeros(1), np.ones(1), 0.1, 0.8, 3)
        return ended.backtracks

    pair = found(0.0), found(0.030)
    rows = [(j, 0.8**j, L_seen[j], sizes[j]) for j in range(4)]
    head = "j | share of the step | printed | KL / delta"
    return said(
        [pair == x for x in ((0, 0), (0, 1), (0, 2), (2, 2))],
        [".034"],
        printed(head, rows, ("d", ".3f", ".3f", ".2f")),
    )


@check("no-else")
def _():
    theta, J0 = n17.THETA, n17.performance(n17.THETA)
    moved = 0
    for _ in range(20):  # every search fails, as the gradient has the wrong sign
        batch = n17.exact_batch(theta)
        log = n17.one_update(n17.PATIENTS[2], batch, turn=-1)
        assert log.tries == 11
        moved += bool((log.theta != theta).any())
        theta = log.theta
    down = n17.performance(theta) < J0
    assert np.isclose(0.8**10, 0.1, atol=0.01)
    return said([moved == 0, bool(moved == 20 and down), None, not down])


@check("after-acceptance")
def _():
    old = evaluate(ROAD, shared_policy(0.1))

    def evaluate_at(theta):
        p = 1 / (1 + np.exp(-theta[0]))
        return L(p), float(kl(old.pi[0], shared_policy(p)[0]))

    start = np.log([0.1 / 0.9])
    found = line_search(evaluate_at, start, np.sqrt([2 / 0.09]), 1.0)
    p = 1 / (1 + np.exp(-found.theta[0]))
    L_found, size = found.found  # all exact, accepted, and J falls
    falls = found.accepted and J(p) < J(0.1)
    return said([size > 1, None, bool(L_found > 0 and not falls), bool(falls)])


@check("six-patients")
def _():
    batch, delta = n17.exact_batch(n17.run_of(updates=9)[0][3]), 0.1
    rows, J_gains = [], {}
    for letter, patient in zip("ABCDEF", (None, 1, 2, 3, 8, 4)):
        parts = n17.PATIENTS[patient]
        log = n17.one_update(parts, batch, delta)
        wrong = n17.one_update(parts, batch, delta, turn=-1).theta
        moved = (wrong != batch.theta).any()
        L_new = batch.surrogate(log.theta) + 0.0
        rows.append(
            (
                letter,
                log.kl / delta,
                batch.mean_kl(log.theta) / delta,
                log.tries,
                L_new,
                batch.gain(log.theta),
                batch.gain(wrong) if moved else None,
            )
        )
        J_gains[letter] = rows[-1][5]
    assert min(J_gains[x] for x in "BDE") > J_gains["A"] == J_gains["C"]
    assert J_gains["F"] == 0
    head = " | logged | measured | tries | L | J gains | on -g"
    formats = ("", ".2f", ".2f", "d", ".3f", "+.2f", "+.2f")
    return said(log=printed(head, rows, formats))


# --- 12


@check("noise-promise")
def _():
    noise = n12.noise_promise(0.02, 14, 8000)
    return said([None, None, bool(0.8 < 0.009 / noise < 1.25), None], [short(noise, 4)])


@check("noise-derivation")
def _():
    rng, N = np.random.default_rng(0), 4000
    policy = LinearSoftmax(np.zeros(10), 2)
    s = rng.normal(size=(N, 5))
    at, a = policy.at(s), policy.sample(s, rng)
    promises = []
    for _ in range(200):
        A = rng.normal(size=N)
        g = at.score_sum(a, A) / N
        step = natural_step(g, at.fisher_product, 0.1, iterations=10)
        promises.append(step.predicted_surrogate)
    assert abs(np.mean(promises) / n12.noise_promise(0.1, 5, N) - 1) < 0.1
    N = 2 * 0.1 * 5 / 0.005**2
    return said(numbers=[f"{N:.0f}", "5", ".005"])


@check("acrobot")
def _():
    store, seed, rows = load("trpo_acrobot"), 6, []
    assert np.nanmax(store["return_mean"][seed]) == -500
    for batch in (1, 3, 5, 10, 20):
        names = (
            "return_mean",
            "explained_variance",
            "kl",
            "predicted_surrogate",
            "entropy",
        )
        R, V, size, promise, entropy = (store[n][seed, batch - 1] for n in names)
        noise = n12.noise_promise(0.05, 14, 8000)
        rows.append((batch, R, V + 0.0, size / 0.05, promise / noise, entropy))
    head = (
        "batch | return | explained variance | KL / delta | promise / noise | entropy"
    )
    formats = ("d", ".0f", ".2f", ".2f", ".1f", ".2f")
    return said(
        numbers=[f"{rows[0][5]:.2f}", short(rows[-1][5])],
        log=printed(head, rows, formats),
    )


@check("solved")
def _():
    store, rows = load("trpo_after"), []
    assert store["delta"][0] == 0.1
    for batch in (3, 5, 7, 8, 9):
        one_row = [
            store[name][0, 4, batch - 1]
            for name in ("return_mean", "kl", "predicted_surrogate")
        ]
        noise = n12.noise_promise(0.1, 5, 16384)
        rows.append((batch, one_row[0], one_row[1] / 0.1, one_row[2] / noise))
    head = "batch | return | KL / delta | promise / noise"
    return said(log=printed(head, rows, ("d", ".0f", ".2f", ".1f")))


# --- 13


@check("wrong-way")
def _():
    rows = n13.road_run(n13.as_on_the_slide, 0.3, 4, p=0.2)
    best = max(J(p) for p in np.linspace(0, 1, 1001))
    dear = n13.road_run(n13.as_on_the_slide, 3.0, 3, p=0.2)
    assert adapt_beta(0.3, rows[0, 2], 0.05) == 0.6
    assert (np.diff(dear[:, 2]) < 0).all()
    return said(
        numbers=[
            f"{rows[0, 2] / 0.05:.1f}",
            ".6",
            f"{best:.2f}",
            short(dear[0, 2], 4),
        ],
        log=printed("beta | p | KL | J", rows, (".4f", ".3f", ".4f", ".3f")),
    )


@check("penalty-or-kl")
def _():
    return said([adapt_beta(10.0, 0.01, 0.05) == x for x in (5, 10, 20, 2)])


@check("first-gradient")
def _():
    theta, p_old, A, beta = 0.0, 0.5, np.array([1.0, -1.0]), 4.0
    path, slopes = [theta], []

    def objective(t):
        pi = np.array([1, np.exp(-t)]) / (1 + np.exp(-t))
        return pi @ A - beta * float(kl([p_old, 1 - p_old], pi))

    for _ in range(2):
        slopes.append((objective(theta + 1e-6) - objective(theta - 1e-6)) / 2e-6)
        theta = theta + slopes[-1]
        path.append(theta)
    first = 1 / (1 + np.exp(-path[1]))
    again = 2 * first * (1 - first) - beta * (first - 0.5)
    assert np.isclose(slopes[1], again, atol=1e-6) and np.isclose(path[1], 0.5)
    numbers = first * (1 - first), first - 0.5, slopes[1], path[2], first
    return said(numbers=[".5", *(short(x, 3) for x in numbers)])


# --- 14


@check("min-too-soon")
def _():
    samples, h, wrong = ((1, 1.4), (1, 0.6), (-1, 1.4), (-1, 0.6)), 1e-6, set()
    lost, kept = set(), set()
    for i, (A, r) in enumerate(samples):
        slopes = [
            (f(np.array([r + h]), A) - f(np.array([r - h]), A)).item() / 2 / h
            for f in (n17.terms, n17.terms_too_soon)
        ]
        flat = [abs(x) < 1e-6 for x in slopes]
        if flat[0] != flat[1]:
            wrong.add(i)
            (lost if flat[1] else kept).add(i)
    return said([wrong == {0, 1}, kept == {2}, lost == {3}, (lost, kept) == ({2}, {3})])


@check("as-a-loss")
def _():
    rng = np.random.default_rng(0)
    r, A = np.exp(rng.normal(0, 0.5, 1000)), rng.normal(size=1000)
    c = np.clip(r, 0.8, 1.2)
    losses = (
        np.minimum(-r * A, -c * A).mean(),
        np.maximum(-r * A, -c * A).mean(),
        np.maximum(r * A, c * A).mean(),
        -(c * A).mean(),
    )
    right = -surrogate.clipped_surrogate(r, A, 0.2)
    return said([bool(np.isclose(x, right)) for x in losses])


@check("rare-action")
def _():
    p_old, A = 0.02, np.array([-0.02, 0.98])  # (common, rare): mean 0 under the old
    p = n14.resting_place_reference(p_old, A, 0.2)
    grid = np.linspace(1e-4, 1 - 1e-4, 99_981)
    r = np.stack([(1 - grid) / 0.98, grid / 0.02], -1)
    curve = (
        np.array([0.98, 0.02])
        * surrogate.clipped_terms(r.ravel(), np.tile(A, len(grid))).reshape(r.shape)
    ).sum(1)
    near = grid[np.argmax(curve > curve.max() - 1e-9)]
    assert np.isclose(near, p, atol=1e-3)
    ratio = p / p_old
    at_clip = (1 - 1.2 * p_old) / (
        1 - p_old
    )  # the other's ratio, if the rare is at 1.2
    return said(
        one((1.2, 5, ratio, 50), ratio),
        [short(at_clip, 3), f"{ratio:.1f}", short(p, 3)],
    )


@check("first-step")
def _():
    old = evaluate(ROAD, shared_policy(0.1))
    w = (old.visitation[:, None] * old.pi).ravel()
    A = old.advantage.ravel()

    def clipped(p):
        r = (shared_policy(p) / old.pi).ravel()
        return w @ surrogate.clipped_terms(r, A, 0.2)

    h = 1e-6
    slopes = [(f(0.1 + h) - f(0.1 - h)) / (2 * h) for f in (clipped, L)]
    assert np.isclose(*slopes) and abs(clipped(0.1)) < 1e-12
    gain = J(0.7) - J(0.1)
    assert L(0.7) > clipped(0.7) > gain
    return said(numbers=[".1", ".7", short(clipped(0.7), 3), short(-gain, 3)])


# --- 17, 18


@check("bracket")
def _():
    rows = []
    for sigma in (0.6, 0.9, 1.2):
        theta = np.array([0.1, -0.2, np.log(sigma)])
        moment = np.eye(2)
        rows.append((sigma, n17.mean_kl_bracket(moment, theta, theta)))
        assert np.isclose(rows[-1][1], sigma**2 - 0.5)
        assert abs(n17.mean_kl(moment, theta, theta)) < 1e-12
        f = n17.cost(
            n17.mean_kl_bracket, replace(n17.exact_batch(n17.THETA), theta=theta), None
        )
        assert abs(n17.hessian(f, theta)[2, 2]) < 1e-6
    return said(log=printed("sigma | KL with itself", rows, (".1f", ".2f")))


@check("reset-rows")
def _():
    angle, reward, done = n17.cartpole_grid()
    env, end = 0, int(np.argmax(done[:, 0]))
    keep = n17.steps_only(done)
    rows = []
    for i, t in enumerate(range(end - 2, end + 4)):
        rows.append(
            (
                i,
                angle[t, env],
                angle[t + 1, env],
                reward[t, env],
                "yes" if done[t, env] else "",
            )
        )
        assert keep[t, env] == (i != 3)
    head = "row | angle before | angle after | reward | done"
    return said(log=printed(head, rows, ("d", ".1f", ".1f", ".0f", "")))


@check("drawn-or-clipped")
def _():
    mean = n18.clipped_slope()
    u = np.random.default_rng(0).standard_normal(200_000)
    cut = np.clip(u, -1, 1)
    assert abs((cut**2 - 1).mean() - mean) < 0.01
    drifts = abs(cut.mean()) > 0.01
    return said([mean == 0, bool(drifts), bool(round(mean, 3) == -0.484), None])


@check("rising-return")
def _():
    healthy = n17.returns()
    ends = [n17.returns(k)[-1] > n17.returns(k)[0] for k in (1, 2, 3)]
    assert n17.returns(1)[-1] > healthy[-1] and n17.returns(3)[-1] > healthy[-1]
    assert np.array_equal(n17.returns(2), healthy)
    return said([*(not rises for rises in ends), all(ends)])


# no number, nothing to compute: the answer is an argument
ARGUED = {"five-lines", "one-line"}
