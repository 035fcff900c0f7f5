"""Wrong answers that a checker once took for right, or told a cause that wasn't theirs.

Each is told, and not what another slip is told. What each named mistake is told is in
`test_exercises.py`.
"""

import ast
import inspect
import linecache
import textwrap

import numpy as np
import pytest

from tests.test_exercises import EXERCISES, check
from trpo_lite.course import (
    n00,
    n01,
    n02,
    n03,
    n05,
    n06,
    n07,
    n08,
    n09,
    n10,
    n11,
    n12,
    n13,
    n14,
    n15,
    n16,
)


def defined(exercise, tree):
    """The function of a changed reference, with its source at hand."""
    source, name = ast.unparse(ast.fix_missing_locations(tree)), f"<cell {id(tree)}>"
    linecache.cache[name] = (1, None, source.splitlines(keepends=True), name)
    names = dict(exercise.reference.__globals__)
    exec(compile(source, name, "exec"), names)
    return names[tree.body[0].name]


def tree_of(exercise):
    return ast.parse(textwrap.dedent(inspect.getsource(exercise.reference)))


def returns(node):
    """(block, index) of each `return` of a function, those of inner ones apart."""
    for name in ("body", "orelse"):
        for i, child in enumerate(getattr(node, name, ())):
            if isinstance(child, ast.Return):
                yield getattr(node, name), i
            elif not isinstance(child, ast.FunctionDef):
                yield from returns(child)


FORGOTTEN = [
    pytest.param(exercise, k, id=f"{name}.{exercise.name}: {k}")
    for name, exercise in (p.values for p in EXERCISES)
    for k in range(len(list(returns(tree_of(exercise).body[0]))))
]


@pytest.mark.parametrize("exercise, k", FORGOTTEN)
def test_a_forgotten_return_is_told(exercise, k):
    tree = tree_of(exercise)
    block, i = list(returns(tree.body[0]))[k]
    block[i] = ast.Expr(block[i].value)
    line = check(exercise, defined(exercise, tree))[0]
    assert line.startswith(f"[retry] {exercise.name}: ") and "`return`" in line


@pytest.mark.parametrize("name, exercise", EXERCISES)
def test_no_return_at_all_is_told(name, exercise):
    tree = tree_of(exercise)
    for block, i in returns(tree.body[0]):
        block[i] = ast.Expr(block[i].value)
    line = check(exercise, defined(exercise, tree))[0]
    assert line.endswith(": it returns nothing: is the `return` missing?")


LOOPS = [
    p for p in EXERCISES
    if isinstance(tree_of(p.values[1]).body[0].body[-2:][0], (ast.For, ast.While))
]  # fmt: skip


@pytest.mark.parametrize("name, exercise", LOOPS)
def test_a_return_moved_into_the_loop_is_told(name, exercise):
    tree = tree_of(exercise)
    body = tree.body[0].body
    body[-2].body.append(body.pop())
    line = check(exercise, defined(exercise, tree))[0]
    assert "a `return` stands inside the loop" in line


def search(evaluate, theta, step, delta, backtrack, tries):
    for j in range(tries + 1):
        L, kl = evaluate(theta + backtrack**j * step)
        if L > 0 and kl <= delta:
            return theta + backtrack**j * step
    return theta


def searched_else_return(evaluate, theta, step, delta, backtrack, tries):
    for j in range(tries + 1):
        L, kl = evaluate(theta + backtrack**j * step)
        if L > 0 and kl <= delta:
            return theta + backtrack**j * step
        else:
            return theta


def searched_else_break(evaluate, theta, step, delta, backtrack, tries):
    for j in range(tries + 1):
        L, kl = evaluate(theta + backtrack**j * step)
        if L > 0 and kl <= delta:
            return theta + backtrack**j * step
        else:
            break
    return theta


def searched_faster(evaluate, theta, step, delta, backtrack, tries):
    return search(evaluate, theta, step, delta, backtrack / 2, tries)


def searched_none(evaluate, theta, step, delta, backtrack, tries):
    found = search(evaluate, theta, step, delta, backtrack, tries)
    return None if found is theta else found


def careful(times):
    """The guard of another height, `times(delta, n, N)`."""

    def wrong(policy, s, a, A_hat, delta, guard, n):
        guard = guard * times(delta, n, len(A_hat))
        right = n12.careful_update.reference
        return right(policy, s, a, A_hat, delta, guard, n)

    return wrong


def tail_of_the_cut_only(rewards, values, lengths, gamma):
    n, T = rewards.shape
    tail = np.where(lengths < T, gamma**lengths * values[np.arange(n), lengths], 0)
    return rewards @ gamma ** np.arange(T) + tail - values[:, 0]


def none_found(ratio, A, kl, delta):
    best, index = 0.0, None
    for i in range(len(ratio)):
        if kl[i].mean() <= delta and (ratio[i] * A).mean() > best:
            best, index = (ratio[i] * A).mean(), i
    return index


def flushed_first(score, A, ended, gamma):
    totals, total, weight = [], np.zeros(score.shape[1]), 1.0
    for t in range(len(A)):
        if ended[t]:
            totals.append(total)
            total, weight = 0 * total, 1.0
        total = total + weight * A[t] * score[t]
        weight *= gamma
    totals.append(total)
    return n06.estimate(np.array(totals))


def flushed_late(score, A, ended, gamma):
    late = np.concatenate([[False], ended[:-1]])
    return n06.discounted_gradient.reference(score, A, late, gamma)


def twice_the_bowl_at_most(policy, observations, x, delta):
    bowl, _ = n08.two_lengths.reference(policy, observations, x, delta)
    old, low, high = policy.at(observations), 0.0, 2.0
    for _ in range(50):
        y = (low + high) / 2
        near = old.kl(old.with_theta(policy.theta + y * bowl)).mean() < delta
        low, high = (y, high) if near else (low, y)
    return bowl, low * bowl


def always_too_far(old, delta):
    return 1e6  # as if every step were


def times_the_price(p_old, A, delta):
    low, high = 1e-3, 1e3
    for _ in range(60):
        beta = np.sqrt(low * high)
        weights = p_old * np.exp((A - A.max()) * beta)
        pi = weights / weights.sum()
        low, high = (beta, high) if n05.kl(pi, p_old) > delta else (low, beta)
    return pi


def compares(delta, ended, gamma, lam):
    advantages, later = np.zeros(len(delta)), 0.0
    for t in reversed(range(len(delta))):
        later = delta[t] + gamma * lam * later * (not ended[t])
        advantages[t] == later  # noqa: B015
    return advantages


def rewards_as_steps(rewards, gamma):
    total = 0.0
    for t in rewards:
        total = total + gamma**t * rewards[t]
    return total


def added_to_nothing(rewards, gamma):
    total = 0.0
    for t, reward in enumerate(rewards):
        total + gamma**t * reward
    return total


def of(exercise, change):
    """The right answer, changed at its end."""
    return lambda *case: change(exercise.reference(*case))


ONE_OF_TWO = "1 value returned, expected 2."
TURNED = "the values stand in the wrong order."


def visits_for(states, gamma, n_states, state_range, place=None):
    """Counted state by state, of those in `state_range`, at place[s] of d."""
    d, weights = np.zeros(n_states), gamma ** np.arange(states.shape[1])
    for i, s in enumerate(state_range):
        d[i if place is None else place[s]] = (weights * (states == s)).sum()
    return d / len(states)


def visits_in_order(states, gamma, n_states):
    return visits_for(states, gamma, n_states, np.unique(states))


def visits_in_order_by_column(states, gamma, n_states):
    d = np.zeros(n_states)
    for t in range(states.shape[1]):
        _, count = np.unique(states[:, t], return_counts=True)
        d[: len(count)] += gamma**t * count / len(states)
    return d


def visits_but_the_last(states, gamma, n_states):
    return visits_for(states, gamma, n_states, range(n_states - 1))


def judged(change):
    """judged_by_old with ratios `change(ratio)`."""

    def wrong(f, log_prob, log_prob_old):
        ratio = change(np.exp(log_prob - log_prob_old))
        right = n03.judged_by_old.reference
        return right(f, np.log(ratio), np.zeros(len(f)))

    return wrong


def log_by(share=np.median, over_noise=np.median):
    """read_log that asks for another number than the median."""

    def wrong(R, share_, over_noise_, entropy):
        one, other = np.full(3, share(share_)), np.full(3, over_noise(over_noise_))
        return n15.read_log.reference(R, one, other, entropy)

    return wrong


NOT_THE_MEDIAN = {
    "min": np.min,
    "max": np.max,
    "first": lambda x: x[0],
    "last": lambda x: x[-1],
    "middle": lambda x: x[len(x) // 2],
    "lower quartile": lambda x: np.quantile(x, 0.25),
    "upper quartile": lambda x: np.quantile(x, 0.75),
    "upper of two": lambda x: np.sort(x)[len(x) // 2],
    "lower of two": lambda x: np.sort(x)[(len(x) - 1) // 2],
}


def interval_of_different(scores, level):
    return n15.median_interval.reference(np.unique(scores), level)


def cg_with_a_limit(limit):
    def wrong(matvec, b, x0, iterations):
        x, r = x0, b - matvec(x0)
        p = r
        for _ in range(iterations):
            if r @ r < limit:
                break
            Ap = matvec(p)
            alpha = (r @ r) / (p @ Ap)
            x, new = x + alpha * p, r - alpha * Ap
            p, r = new + (new @ new) / (r @ r) * p, new
        return x

    return wrong


def searched_hopeful(evaluate, theta, step, delta, backtrack, tries):
    for j in range(tries + 1):
        L, kl = evaluate(theta + backtrack**j * step)
        if L <= 0 or kl > delta:
            continue
        return theta + backtrack**j * step
    return theta


def careful_by_hand(policy, s, a, A_hat, delta, guard, n):
    with np.errstate(invalid="ignore"):
        A_hat = (A_hat - A_hat.mean()) / A_hat.std()
    return n12.careful_update.reference(policy, s, a, A_hat, delta, guard, n)


def mirror_of_half(p_old, A, delta):
    return n05.mirror_step.reference(p_old, A, delta / 2)


def mirror_overflowing(p_old, A, delta):
    low, high = 1e-3, 1e3
    for _ in range(60):
        beta = np.sqrt(low * high)
        weights = p_old * np.exp(A / beta)
        pi = weights / weights.sum()
        if n05.kl(pi, p_old) > delta:
            low = beta
        else:
            high = beta
    return pi


def judges_itself(mdp, pi_old, pi):
    old, new = n03.evaluate(mdp, pi_old), n03.evaluate(mdp, pi)
    weights = new.visitation - old.visitation
    return np.sum(weights * np.sum(pi * new.advantage, axis=1))


def old_draws(mdp, pi_old, pi):
    old, new = n03.evaluate(mdp, pi_old), n03.evaluate(mdp, pi)
    weights = new.visitation - old.visitation
    return np.sum(weights * np.sum(pi_old * old.advantage, axis=1))


def fixed(exercise, **values):
    """The right answer, deaf to some arguments: they have these values."""
    names = list(inspect.signature(exercise.reference).parameters)

    def wrong(*case):
        given = dict(zip(names, case, strict=True)) | values
        return exercise.reference(**given)

    return wrong


PARTLY = "inputs, but not on this one"
TOLD = {
    "the tail of the cut only": (n02.improvement_estimate, tail_of_the_cut_only, ""),
    "else: return": (n11.searched, searched_else_return, "a `return` stands inside"),
    "else: break": (n11.searched, searched_else_break, "a `break` stands inside"),
    "another backtrack": (n11.searched, searched_faster, PARTLY),
    "None is returned": (n11.searched, searched_none, "behind `return` is None"),
    "one candidate": (
        n11.searched,
        lambda evaluate, theta, step, delta, backtrack, tries: search(
            evaluate, theta, step, delta, backtrack, 0
        ),
        "only the full step is tried",
    ),
    "L above KL": (
        n11.accepted,
        lambda L, kl, delta: (
            np.isfinite(L) & np.isfinite(kl) & (kl < L) & (kl <= delta)
        ),
        PARTLY,
    ),
    "delta for 2 delta": (n12.careful_update, careful(lambda *_: 0.5**0.5), PARTLY),
    "a guard of 3": (n12.careful_update, careful(lambda *_: 1 / 3), PARTLY),
    "a guard of 1.2": (n12.careful_update, careful(lambda *_: 1.2), PARTLY),
    "no delta": (n12.careful_update, careful(lambda delta, *_: delta**-0.5), PARTLY),
    "none found": (n06.brute_force, none_found, "starts from L = 0 and finds none"),
    "an end before its step": (
        n06.discounted_gradient,
        flushed_first,
        "the step that ends an episode still belongs to it",
    ),
    "an end one step late": (
        n06.discounted_gradient,
        flushed_late,
        "the step after an episode's end is the first of the next",
    ),
    "twice the bowl": (n08.two_lengths, twice_the_bowl_at_most, PARTLY),
    "too far, always": (n05.mean_kl_price, always_too_far, "at this price the mean"),
    "times the price": (n05.mirror_step, times_the_price, "acts the wrong way round"),
    "== for =": (n07.gae_with_ends, compares, "is one `=` too many?"),
    "a float as an index": (n00.discounted_return, rewards_as_steps, "valid indices"),
    "+ for +=": (n00.discounted_return, added_to_nothing, "`+=` or `return` meant?"),
    "g without H": (
        n09.change_parameters,
        of(n09.change_parameters, lambda pair: pair[0]),
        ONE_OF_TWO,
    ),
    "one length": (
        n08.two_lengths,
        of(n08.two_lengths, lambda pair: pair[0]),
        ONE_OF_TWO,
    ),
    "H before g": (
        n09.change_parameters,
        of(n09.change_parameters, lambda pair: pair[::-1]),
        TURNED,
    ),
    "errors before x": (
        n16.fit_with_errors,
        of(n16.fit_with_errors, lambda pair: pair[::-1]),
        TURNED,
    ),
    "theta and j": (
        n11.searched,
        of(n11.searched, lambda theta: (theta, 0)),
        "it returns 2 values, expected an array of shape (2,).",
    ),
    "a flat step": (
        n09.step_from_samples,
        of(n09.step_from_samples, np.ravel),
        "shape (6,), expected (2, 3): as many entries; is a reshape missing?",
    ),
    "in a list": (
        n01.windy_performance,
        lambda *case: [n01.windy_performance.reference(*case)],
        "an axis of length 1",
    ),
    "a value": (n06.brute_force, lambda *case: 0.5, "expected whole numbers."),
    "visits in order": (n01.count_visits, visits_in_order, "each at its own state's"),
    "visits in order, by column": (
        n01.count_visits,
        visits_in_order_by_column,
        "each at its own state's",
    ),
    "the last state": (n01.count_visits, visits_but_the_last, PARTLY),
    "clipped ratios": (
        n03.judged_by_old,
        judged(lambda ratio: np.clip(ratio, 0, 10)),
        PARTLY,
    ),
    **{
        f"share, {name}": (n15.read_log, log_by(share=value), "")
        for name, value in NOT_THE_MEDIAN.items()
    },
    **{
        f"over_noise, {name}": (n15.read_log, log_by(over_noise=value), "")
        for name, value in NOT_THE_MEDIAN.items()
    },
    "different scores": (n15.median_interval, interval_of_different, "np.unique keeps"),
    **{
        f"stops below {limit}": (n10.solve_from, cg_with_a_limit(limit), PARTLY)
        for limit in (0.1, 1e-2, 1e-3, 1e-4)
    },
    "half the limit": (
        n05.mirror_step,
        mirror_of_half,
        "a part of the limit is unused",
    ),
    "exp overflows": (n05.mirror_step, mirror_overflowing, "subtract the largest of A"),
    "weights only": (
        n05.priced_policy,
        lambda p_old, A, lam: p_old / (lam - A),
        "the probabilities sum to",
    ),
    "the new policy judges": (n03.mismatch, judges_itself, "the old policy judges"),
    "the old policy draws": (n03.mismatch, old_draws, "pi draws"),
    "NaN passes": (n11.searched, searched_hopeful, "NaN passes"),
    "A_hat divided by 0": (n12.careful_update, careful_by_hand, ""),
    "damping .2": (n10.damped_direction, fixed(n10.damped_direction, damping=0.2), ""),
    "gamma lambda .855": (
        n12.flat_advantages,
        fixed(n12.flat_advantages, gamma=0.9, lam=0.95),
        PARTLY,
    ),
    "backtrack .7": (n11.searched, fixed(n11.searched, backtrack=0.7), PARTLY),
    "delta .1": (n11.searched, fixed(n11.searched, delta=0.1), PARTLY),
    "delta .125": (n11.refined, fixed(n11.refined, delta=0.125), PARTLY),
    "no penalty": (
        n13.many_steps,
        lambda theta, A, beta, rate, steps: n13.many_steps.reference(
            theta, A, 0.0, rate, steps
        ),
        "it is missing, or the old policy moves along",
    ),
}


@pytest.mark.parametrize("exercise, answer, words", TOLD.values(), ids=TOLD)
def test_it_is_told(exercise, answer, words):
    line = check(exercise, answer)[0]
    assert line.startswith(f"[retry] {exercise.name}: ") and words in line


def test_the_right_search_is_right():
    assert check(n11.searched, search)[0].startswith("[ok]")
    assert check(n12.careful_update, careful(lambda *_: 1))[0].startswith("[ok]")


def test_rounded_answers_are_right():
    """resting_place asks for three digits; roots cost enough_steps the last one."""

    def to_three_digits(p_old, A, clip):
        return round(n14.resting_place.reference(p_old, A, clip), 3)

    def of_roots(promise, delta, n, guard):
        root = np.sqrt(2) * np.sqrt(delta) * np.sqrt(n) * guard / promise
        return int(np.ceil(root**2))

    assert check(n14.resting_place, to_three_digits)[0].startswith("[ok]")
    assert check(n12.enough_steps, of_roots)[0].startswith("[ok]")


def test_a_line_at_a_blocks_end_that_is_there_for_what_it_does_is_no_slip():
    def loops(theta, A, beta, rate, steps):
        """A docstring."""
        seen = []
        for _ in range(steps):
            seen.append(theta)
            print("a step") if steps < 0 else print(end="")
        return theta

    line = check(n13.many_steps, loops)[0]
    assert "keeps nothing" not in line and "inside the loop" not in line
