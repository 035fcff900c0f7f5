"""What page 17 claims and its cells do not assert."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from trpo_lite import lqr, mdp
from trpo_lite.advantage import gae
from trpo_lite.bound import kl as kl_rows
from trpo_lite.conjugate_gradient import conjugate_gradient
from trpo_lite.course import n17 as lesson
from trpo_lite.course.n17 import DELTA, DIAGNOSES, HEALTHY, PATIENTS, THETA, one_update
from trpo_lite.environments import make_environment
from trpo_lite.line_search import line_search
from trpo_lite.policies import TabularSoftmax
from trpo_lite.rollout import collect as collect_rows
from trpo_lite.surrogate import clipped_terms, surrogate
from trpo_lite.trpo import Sample, trpo_update

LATE = lesson.run_of(updates=9)[0][-1]
PAGE = Path(__file__).parents[1] / "notebooks/17_bug_museum.ipynb"
CELLS = {c["id"]: c for c in json.loads(PAGE.read_text("utf-8"))["cells"]}


def source(cell):
    return "".join(CELLS[cell]["source"])


def measured(batch, theta):
    return batch.mean_kl(theta) / DELTA


def test_the_patient_is_the_mass_of_page_10_in_decimetres():
    from trpo_lite.course.n10 import mass

    world = mass(10)[0]
    for name in ("dynamics", "control", "state_cost", "action_cost", "start", "gamma"):
        np.testing.assert_allclose(
            getattr(lesson.WORLD, name), getattr(world, name), err_msg=name
        )


def test_batch_and_kl_agree_with_the_package():
    batch, new = lesson.exact_batch(THETA), THETA + np.array([0.01, -0.2, -0.3])
    expected = lqr.mean_kl(
        lesson.WORLD, lesson.gain_and_std(THETA), lesson.gain_and_std(new)
    )
    assert lesson.mean_kl(batch.moment, THETA, new) == pytest.approx(
        expected, rel=1e-10
    )
    step = 1e-6 * np.eye(3)
    slopes = [
        (batch.surrogate(THETA + e) - batch.surrogate(THETA - e)) / 2e-6 for e in step
    ]
    np.testing.assert_allclose(slopes, batch.g, rtol=1e-6)
    fisher = lqr.fisher(lesson.WORLD, *lesson.gain_and_std(THETA), "log_std")
    f = lesson.cost(lesson.mean_kl, batch, None)
    np.testing.assert_allclose(lesson.hessian(f, THETA), fisher, rtol=1e-4, atol=1e-5)


def test_healthy_keeps_its_promises_and_refuses_the_wrong_gradient():
    for theta in (THETA, LATE):
        batch = lesson.exact_batch(theta)
        log = one_update(HEALTHY, batch)
        assert batch.surrogate(log.theta) > 0 and measured(batch, log.theta) <= 1
        np.testing.assert_array_equal(one_update(HEALTHY, batch, turn=-1).theta, theta)


@pytest.mark.parametrize(
    "healthy, sick",
    [
        (lesson.mean_kl, lesson.mean_kl_reversed),
        (lesson.mean_kl, lesson.mean_kl_bracket),
        (lesson.cost, lesson.cost_unfrozen),
        (lesson.cost, lesson.cost_stale),
        (lesson.damped, lesson.damped_theta),
        (lesson.iterations, lesson.iterations_early),
        (lesson.search, lesson.search_not_restored),
        (lesson.search, lesson.search_without_kl),
        (lesson.search, lesson.search_accumulating),
        (lesson.taken, lesson.taken_overwritten),
        (lesson.trained, lesson.trained_without_log_std),
        (lesson.td_errors, lesson.td_errors_time_is_up),
        (lesson.td_errors, lesson.td_errors_never_over),
        (lesson.steps_only, lesson.steps_and_resets),
        (lesson.terms, lesson.terms_with_max),
        (lesson.terms, lesson.terms_too_soon),
    ],
)
def test_each_bug_is_one_line(healthy, sick):
    lines = lesson.difference(healthy, sick).splitlines()
    assert sorted(x[0] for x in lines) in (["+"], ["-"], ["+", "-"])
    assert all(len(x) <= 75 for x in lines)


def test_signatures_of_the_search_bugs():
    batch = lesson.exact_batch(THETA)
    logs = {name: one_update(parts, batch) for name, parts in PATIENTS.items()}
    wrong = {k: one_update(PATIENTS[k], batch, turn=-1).theta for k in PATIENTS}
    full = measured(batch, THETA + one_update(HEALTHY, batch).step)
    assert full > 1
    assert measured(batch, logs[1].theta) == pytest.approx(full)
    assert logs[1].kl < DELTA
    assert logs[8].kl == pytest.approx(full * DELTA)
    np.testing.assert_array_equal(logs[2].theta, one_update(HEALTHY, batch).theta)
    moved = {name for name, theta in wrong.items() if not np.array_equal(theta, THETA)}
    assert moved == {1, 2}
    assert logs[7].tries == logs[4].tries == 11


def test_reversed_kl_says_less_than_the_truth_when_sigma_shrinks():
    batch = lesson.exact_batch(LATE)
    log = one_update(PATIENTS[3], batch)
    assert log.kl < DELTA < measured(batch, log.theta) * DELTA
    back = lesson.mean_kl(batch.moment, log.theta, LATE)
    assert log.kl == pytest.approx(back)


def test_two_sick_runs_look_better_and_one_looks_healthy():
    healthy = lesson.returns()
    assert np.all(lesson.returns(1)[1:] > healthy[1:])
    assert np.all(lesson.returns(8)[1:] > healthy[1:])
    np.testing.assert_array_equal(lesson.returns(2), healthy)
    assert np.all(lesson.returns(11)[1:] < healthy[1:])


def test_logged_and_measured_in_the_ward():
    _, said, true, _ = lesson.run_of(lesson.WARD["F"])
    assert 0.65 < said.min() / DELTA < said.max() / DELTA < 0.8
    assert 1.05 < true.min() / DELTA < true.max() / DELTA < 1.25
    _, said, true, _ = lesson.run_of(lesson.WARD["H"])
    assert (said < 0).all() and (np.diff(true) < 0).all()
    assert true[:2].min() > 100 * DELTA and DELTA < true[-1] < 1.35 * DELTA


def test_a_right_kl_is_negative_by_rounding_alone():
    rng, batch = np.random.default_rng(0), lesson.exact_batch(THETA)
    near = [
        lesson.mean_kl(batch.moment, THETA, THETA + 10.0**-k * rng.normal(size=3))
        for k in range(1, 11)
        for _ in range(50)
    ]
    assert -1e-15 < min(near) < 0 < max(near)


def test_a_stale_policy_ends_in_a_negative_direction():
    path = lesson.run_of(updates=8)[0]
    lowest = []
    for theta in path:
        f = lesson.cost_stale(lesson.mean_kl, lesson.exact_batch(theta), path[0])
        lowest.append(np.linalg.eigvalsh(lesson.hessian(f, theta))[0])
    assert min(lowest[:8]) > 0 > lowest[8]
    log = one_update(PATIENTS[9], lesson.exact_batch(path[8]), stale=path[0])
    assert np.isnan(log.step).all()
    np.testing.assert_array_equal(log.theta, path[8])  # the search refuses it
    full = {None: [], 9: []}
    for theta in lesson.run_of(updates=9)[0]:
        batch = lesson.exact_batch(theta)
        for k, sizes in full.items():
            step = one_update(PATIENTS[k], batch, stale=path[0]).step
            sizes.append(measured(batch, theta + step))
    assert max(full[None]) < 1.25 and np.all(np.diff(full[9][1:8]) > 0)


def test_the_bracket_is_sigma_squared_minus_a_half():
    for sigma in (0.3, 0.8, 1.7):
        theta = np.array([*THETA[:2], np.log(sigma)])
        home = lesson.mean_kl_bracket(lesson.exact_batch(theta).moment, theta, theta)
        assert home == pytest.approx(sigma**2 - 0.5)


def test_log_std_stays_and_cg_early_is_the_plain_gradient():
    assert np.ptp(lesson.run_of(12)[0][:, 2]) == 0
    batch = lesson.exact_batch(THETA)
    step = one_update(PATIENTS[11], batch).step
    cosine = step @ batch.g / np.linalg.norm(step) / np.linalg.norm(batch.g)
    assert cosine == pytest.approx(1)


def test_errand_is_exact():
    rows, v = lesson.errand()
    world = mdp.TabularMDP(
        P=[[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [0.0, 1.0]]],
        R=[[-1.0, -1.0], [0.0, 0.0]],
        gamma=0.9,
        start=[1.0, 0.0],
    )
    old = mdp.evaluate(world, np.array([[0.8, 0.2], [0.8, 0.2]]))
    assert v == pytest.approx(old.v[0])
    A = lesson.td_errors(rows, np.full(6, v), np.full(6, v), 0.9)
    expected = [old.advantage[0, int(a == "finish")] for a in lesson.ACTIONS]
    np.testing.assert_allclose(A, expected)


def test_td_errors_are_gae_at_lambda_0():
    rows, v = lesson.errand()

    class Samples:
        rewards, terminated, truncated = rows.rewards, rows.terminated, rows.truncated
        valid = np.ones((6, 1), bool)

        def __len__(self):
            return 6

        def to_grid(self, x, fill=0):
            return np.asarray(x).reshape(6, 1)

    v = np.full(6, v)
    np.testing.assert_allclose(
        gae(Samples(), v, v, 0.9, 0.0), lesson.td_errors(rows, v, v, 0.9)
    )


def test_clipped_terms_and_their_bugs():
    rng = np.random.default_rng(0)
    r, A = rng.uniform(0.3, 3, 500), rng.normal(size=500)
    np.testing.assert_array_equal(lesson.terms(r, A), clipped_terms(r, A))
    assert np.all(lesson.terms(r, A) <= r * A)
    for sick in (lesson.terms_with_max, lesson.terms_too_soon):
        assert np.any(sick(r, A) > r * A)
    old, weight = lesson.road()
    r = mdp.shared_policy(0.691) / old.pi
    terms = lesson.terms_too_soon(r, old.advantage)
    assert (weight * (terms - r * old.advantage)).sum() < 0  # the sums hide it
    tops = [lesson.climb(f, 60) for f in (lesson.terms, lesson.terms_with_max)]
    assert tops[0] < 0.3 and lesson.road_gain(tops[1]) < 0 < lesson.road_gain(tops[0])


def test_padded_rows_are_those_that_collect_leaves_out():
    _, rewards, done = lesson.cartpole_grid()
    valid = lesson.steps_only(done)
    assert np.all(rewards[valid] == 1) and np.all(rewards[~valid] == 0)
    assert (~valid).sum() == done[:-1].sum()
    rng = np.random.default_rng(0)

    class Coin:
        def sample(self, observations, rng):
            return rng.integers(2, size=len(observations))

    batch, _ = collect_rows(make_environment("CartPole-v1", 4), Coin(), 256, rng)
    ended = batch.to_grid(batch.terminated | batch.truncated, fill=False)
    np.testing.assert_array_equal(batch.valid, lesson.steps_only(ended))


def test_readings_are_named_by_the_reference():
    for name, *reading in lesson.readings():
        assert lesson.diagnose_reference(*reading) == name
    assert {row[0] for row in lesson.readings()} == set(lesson.NAMES)
    path = lesson.run_of()[0]  # "it shows": the full step is too long, sigma changes
    for theta in (path[0], path[4], path[9]):
        step = one_update(HEALTHY, lesson.exact_batch(theta)).step
        assert measured(lesson.exact_batch(theta), theta + step) > 1.05
        assert abs(step[2]) > 0.02


@pytest.mark.parametrize("patient", lesson.WARD)
def test_ward_draws_every_run(patient):
    figure = lesson.draw_patient(patient)
    left, right = figure.axes
    J = left.lines[1].get_ydata()
    np.testing.assert_array_equal(J, lesson.returns(lesson.WARD[patient]))
    _, said, true, _ = lesson.run_of(lesson.WARD[patient])
    rings, crosses = (line.get_ydata() for line in right.lines[1:3])
    for drawn, kl in ((rings, true / DELTA), (crosses, said / DELTA)):
        inside = (kl > -1e-9) & (kl < lesson.HIGH)
        np.testing.assert_allclose(drawn[inside], kl[inside])
        assert np.all(drawn[kl >= lesson.HIGH] == lesson.HIGH)
        assert np.all(drawn[kl <= -1e-9] == lesson.LOW)
    low, high = right.get_ylim()
    assert low < rings.min() and rings.max() < high
    assert left.get_ylim()[0] < J.min() and J.max() < left.get_ylim()[1]


def test_patients_differ():
    pictures = set()
    for bug in lesson.WARD.values():
        _, said, true, tries = lesson.run_of(bug)
        numbers = [lesson.returns(bug), said, true, tries]
        pictures.add(tuple(np.concatenate(numbers).round(6)))
    assert len(pictures) == len(lesson.WARD)
    assert set(lesson.WARD.values()) == {*PATIENTS} - {2, 10}
    same = [lesson.run_of(lesson.WARD[x])[0] for x in "ACF"]
    np.testing.assert_allclose(same[1:], [same[0]] * 2, rtol=0, atol=1e-5)


def test_checkup_picture_marks_what_failed():
    results = {"a": {"x": True, "y | z": False}, "b": {"x": False, "y | z": False}}
    dots, crosses = lesson.draw_checkup(results).axes[0].lines
    np.testing.assert_array_equal(dots.get_xydata(), [[0, 0]])
    np.testing.assert_array_equal(crosses.get_xydata(), [[1, 0], [0, 1], [1, 1]])


def wall():
    """{symptom: numbers in the column "here", as written}"""
    lines = "".join(CELLS["wall"]["source"]).splitlines()
    rows = [[x.strip() for x in s[1:-1].split("|")] for s in lines if s[0:1] == "|"]
    assert rows[0] == ["symptom", "suspects", "to decide", "here"]
    number = r"(?<![\w(])[+−]?\d*\.?\d+(?![\w)])"
    return {row[0]: re.findall(number, row[3]) for row in rows[2:]}


def tiny_kl(patient, theta):
    """KL over delta of the full step for delta = 1e-6."""
    batch = lesson.exact_batch(theta)
    step = one_update(PATIENTS[patient], batch, delta=1e-6, stale=THETA).step
    return batch.mean_kl(theta + step) / 1e-6


def test_each_row_of_the_wall_is_shown_by_a_number():
    batch, path = lesson.exact_batch(THETA), lesson.run_of(updates=9)[0]
    log = {k: one_update(parts, batch) for k, parts in PATIENTS.items()}
    wrong = {k: one_update(PATIENTS[k], batch, turn=-1) for k in (1, 2)}
    full = np.linalg.norm(log[None].step)
    stale = [
        one_update(PATIENTS[9], lesson.exact_batch(x), stale=THETA) for x in path[:9]
    ]
    fisher = lqr.fisher(lesson.WORLD, *lesson.gain_and_std(THETA), "log_std")
    best = np.sqrt(2e-6 * batch.g @ np.linalg.solve(fisher, batch.g))

    def tiny(n, damping=1e-3):
        H = fisher + damping * np.eye(3)
        x = conjugate_gradient(H.__matmul__, batch.g, iterations=n).x
        return np.sqrt(2e-6 / (x @ H @ x)) * x

    v = np.array([1.0, -2.0, 0.5])
    f = [lesson.damped_theta(fisher, THETA, c * v, 0.1) for c in (1, 2)]
    trip, value = lesson.errand()
    A = [
        error(trip, np.full(6, value), np.full(6, value), 0.9)
        for error in (lesson.td_errors, *(lesson.OTHERS[k][1] for k in ("5a", "5b")))
    ]
    tops = [lesson.climb(lesson.OTHERS["6a"][i], 60) for i in (1, 0)]
    angle, reward, _ = lesson.cartpole_grid()
    size, theta_1 = batch.mean_kl, log[1].theta
    rising = [lesson.returns(k)[-1] > lesson.returns(k)[0] for k in PATIENTS if k]
    expected = {
        "measured KL ≠ logged KL": [log[1].kl / DELTA, size(theta_1) / DELTA],
        "KL above δ, and logged so": [log[8].kl / DELTA, size(log[8].theta) / DELTA],
        "KL at home not 0": [
            lesson.mean_kl_bracket(batch.moment, THETA, THETA),
            lesson.mean_kl(lesson.exact_batch(path[1]).moment, THETA, path[1]) / DELTA,
        ],
        "negative KL": [log[13].kl],
        "stands still, all tries used": [log[4].tries],
        "`nan` after some good updates": [
            next(k for k, x in enumerate(stale) if np.isnan(x.step).any())
        ],
        "falls, and its KL is logged right": [batch.gain(wrong[2].theta)],
        "all tries used, yet it moves": [
            np.linalg.norm(wrong[1].theta - THETA) / full,
            np.linalg.norm(log[7].theta - THETA) / full,
            np.linalg.norm(wrong[2].theta - THETA) / full,
        ],
        "learns slowly, tiny step's KL is δ": [
            batch.g @ tiny(n) / best for n in (1, 2)
        ],
        "tiny step's KL below δ": [
            size(THETA + tiny(3, 1.0)) / 1e-6,
            1,
        ],
        "tiny step's KL above δ": [tiny_kl(k, path[6]) for k in (9, 13)],
        "$H(2v) \\neq 2Hv$": [np.abs(f[1] - 2 * f[0]).max()],
        "the mean moves, the entropy is the same to the last digit": [
            np.exp(lesson.run_of(12)[0][-1, 2]),
            12,
        ],
        "entropy gone after one update": [np.exp(log[13].theta[2])],
        "it waits for the time limit, or shuns it where rewards are above 0": [
            A[1][2],
            A[0][2],
        ],
        "the end teaches nothing": [A[2][5], A[0][5]],
        "ratios run away": [p / 0.1 for p in tops],
        "rewards that the world never pays; jumps": [
            reward.min(),
            np.abs(np.diff(angle, axis=0)).max(),
        ],
        "return rises": [sum(rising), len(rising)],
    }
    said = wall()
    assert [*said] == [*expected]
    for symptom, numbers in said.items():
        assert len(numbers) == len(expected[symptom]), symptom
        for text, true in zip(numbers, expected[symptom], strict=True):
            digits = len(text.split(".")[1]) if "." in text else 0
            assert float(text.replace("−", "-")) == round(float(true), digits), symptom


def test_a_tiny_step_s_length_tells_its_suspects():
    path = lesson.run_of(updates=9)[0]
    for theta in path:  # of right length: healthy, CG too early, no log-std
        assert [tiny_kl(k, theta) for k in (None, 11, 12)] == pytest.approx(
            [1] * 3, rel=2e-3
        )
        assert tiny_kl(4, theta) > 1e5 and tiny_kl(13, theta) > 2000
        batch = lesson.exact_batch(theta)
        F = lqr.fisher(lesson.WORLD, *lesson.gain_and_std(theta), "log_std")
        x = np.linalg.solve(F, batch.g)
        short = theta + np.sqrt(1e-6 / (batch.g @ x)) * x  # the 2 is missing
        assert batch.mean_kl(short) / 1e-6 == pytest.approx(0.5, rel=2e-3)
    assert tiny_kl(9, path[0]) < 1.01 and tiny_kl(9, path[3]) > 1.5


def test_more_iterations_help_11_and_not_12():
    batch = lesson.exact_batch(lesson.run_of(updates=6)[0][-1])
    F = lqr.fisher(lesson.WORLD, *lesson.gain_and_std(batch.theta), "log_std")
    best = np.sqrt(2e-6 * batch.g @ np.linalg.solve(F, batch.g))

    def promise(g, n):
        x = conjugate_gradient(F.__matmul__, g, iterations=n).x
        return batch.g @ x * np.sqrt(2e-6 / (x @ F @ x)) / best

    all_of_it = [promise(batch.g, n) for n in (1, 2, 3)]
    assert np.diff(all_of_it).min() > 0.02 and all_of_it[-1] == pytest.approx(1)
    for n in (3, 10, 20):
        assert promise(batch.g * [1, 1, 0], n) == pytest.approx(0.670, abs=1e-3)


def test_a_turned_sign_shows_beside_L_at_a_short_step():
    batch = lesson.exact_batch(THETA)
    for turn in (1, -1):
        log = one_update(HEALTHY, batch, turn=turn)
        promised, L = 0.01 * log.promise, batch.surrogate(THETA + 0.01 * log.step)
        assert promised > 0 and turn * L == pytest.approx(promised, rel=1e-3)


def test_a_healthy_search_with_a_large_delta_logs_right_and_falls():
    road = mdp.road_and_ice()
    old = mdp.evaluate(road, mdp.shared_policy(0.1))

    def updated(delta, sign=1):
        def odds(z):
            return mdp.shared_policy(1 / (1 + np.exp(-z[0])))

        def evaluate(z):
            return surrogate(old, odds(z)), kl_rows(old.pi, odds(z))[0]

        start, step = np.log([0.1 / 0.9]), sign * np.sqrt([2 * delta / 0.09])
        found = line_search(evaluate, start, step, delta)
        L, size = evaluate(found.theta)
        gain = mdp.evaluate(road, odds(found.theta)).performance - old.performance
        return found.accepted, L, size / delta, gain

    accepted, L, size, gain = updated(1.0)
    assert accepted and L > 4 and size < 0.8 and gain < -0.1
    assert updated(0.5)[3] > 0.9  # a smaller delta
    assert not updated(1.0, sign=-1)[0]


def test_ratios_run_away_without_the_minimum_and_in_health_at_a_rare_action():
    A = lesson.road()[0].advantage

    def no_min(r, A):
        return np.clip(r, 0.8, 1.2) * A

    r = mdp.shared_policy(0.6) / mdp.shared_policy(0.1)
    for sick in (no_min, *(lesson.OTHERS[k][1] for k in ("6a", "6b"))):
        assert (sick(r, A) - r * A).max() > 1
    rare = mdp.shared_policy(0.201) / mdp.shared_policy(0.001)
    assert rare.max() == pytest.approx(201)
    rare_A = mdp.evaluate(mdp.road_and_ice(), mdp.shared_policy(0.001)).advantage
    assert (lesson.terms(rare, rare_A) <= rare * rare_A).all()


def test_who_uses_all_tries_and_moves():
    batch = lesson.exact_batch(THETA)
    healthy, wrong = (one_update(HEALTHY, batch, turn=sign) for sign in (1, -1))
    share = np.linalg.norm(one_update(PATIENTS[7], batch).theta - THETA)
    share /= np.linalg.norm(healthy.step)
    assert np.abs(share - 0.8 ** np.arange(11)).min() > 0.03
    for theta in lesson.run_of(7)[0]:  # it may be a power, but far from the last
        now = lesson.exact_batch(theta)
        gone = np.linalg.norm(one_update(PATIENTS[7], now).theta - theta)
        assert gone > 0.7 * np.linalg.norm(one_update(HEALTHY, now).step)
    last = one_update(PATIENTS[2], batch, turn=-1).theta
    np.testing.assert_allclose(last, THETA + 0.8**10 * wrong.step)
    assert "7 most (all or more, where the full step passes)" in source("wall")
    ends = {k: [] for k in (1, 2, 7)}  # the page's 400 noisy gradients
    for noisy in noisy_batches():
        for k, found in ends.items():
            log = one_update(PATIENTS[k], noisy)
            share = np.linalg.norm(log.theta - THETA) / np.linalg.norm(log.step)
            if log.tries == 11 and share > 0:
                full = THETA + log.step
                found.append((share, accepted(noisy, log.theta), accepted(noisy, full)))
    for k, size in ((1, 1), (2, 0.8**10)):
        share, ok, _ = np.array(ends[k]).T
        assert len(ok) == 16 and not ok.any()
        np.testing.assert_allclose(share, size)
    share, ok, full = np.array(ends[7]).T
    assert len(ok) == 384 and ok.all() and share.min() > 0.63
    np.testing.assert_array_equal(share > 1 - 1e-9, full)
    assert sorted(set(share[full == 1].round(3))) == [1, 1.107]


def accepted(batch, theta):
    L, kl = batch.evaluate(theta)
    return L > 0 and kl <= DELTA


def noisy_batches(n=400):
    """Batches at THETA, each with a g of its own, as the page draws them."""
    batch, rng = lesson.exact_batch(THETA), np.random.default_rng(1)
    F = lqr.fisher(lesson.WORLD, *lesson.gain_and_std(THETA), "log_std")
    size = np.sqrt(batch.g @ np.linalg.solve(F, batch.g))
    noise = size * rng.normal(size=(n, 3)) @ np.linalg.cholesky(F / 3).T
    return [replace(batch, g=batch.g + z) for z in noise]


def test_a_sampled_kl_may_be_negative():
    rng = np.random.default_rng(0)
    actions = rng.normal(size=(1000, 10))  # of N(0, 1), ten at a time
    shift = 0.2
    means = (-(actions**2) / 2 + (actions - shift) ** 2 / 2).mean(axis=1)
    assert np.mean(means < 0) > 0.2 and abs(means.mean() - shift**2 / 2) < 0.01


def test_with_a_bad_gradient_the_return_falls_for_those_who_move_after_a_failure():
    rows = {
        row[:10].strip(): row.split()[-2:]
        for row in "".join(
            CELLS["return-noise"]["outputs"][0]["data"]["text/plain"]
        ).splitlines()[1:]
    }
    falls = {name: float(x[0].strip("%")) for name, x in rows.items()}
    assert falls["patient 1"] > 3 * falls["healthy"]
    assert falls["patient 2"] > 3 * falls["healthy"]
    assert falls["healthy"] <= falls["patient 8"] < 2 * falls["healthy"]


def test_the_bad_gradient_s_noise_is_as_large_as_g_and_who_moves_after_a_failure():
    batch, rng = lesson.exact_batch(THETA), np.random.default_rng(5)
    F = lqr.fisher(lesson.WORLD, *lesson.gain_and_std(THETA), "log_std")
    size = np.sqrt(batch.g @ np.linalg.solve(F, batch.g))
    noise = size * rng.normal(size=(100, 3)) @ np.linalg.cholesky(F / 3).T
    squares = (noise * np.linalg.solve(F, noise.T).T).sum(axis=1)
    assert squares.mean() == pytest.approx(size**2, rel=0.25)
    bad = [lesson.replace(batch, g=batch.g + z) for z in noise]
    stands = [x for x in bad if (one_update(HEALTHY, x).theta == THETA).all()]
    assert stands
    for x in stands:
        gains = [batch.gain(one_update(PATIENTS[k], x).theta) for k in (1, 2, 8)]
        assert max(gains[:2]) < 0 == gains[2]


def test_turned_back_L_falls_all_the_way():
    for theta in lesson.run_of()[0]:
        batch = lesson.exact_batch(theta)
        step = one_update(HEALTHY, batch, turn=-1).step
        L = [batch.surrogate(theta + x * step) for x in np.linspace(0, 1, 51)]
        assert np.all(np.diff(L) < 0)


def test_the_six_tests_each_fail_somewhere():
    names = {"__name__": "page"}
    from tests.test_again import code_cells

    wanted = ("imports", "patient-update", "patient-same", "checkup-code")
    cells = dict(code_cells(PAGE))
    for id in wanted:
        text = (
            cells[id] if id != "patient-same" else "batch = lesson.exact_batch(THETA)"
        )
        exec(text, names)
    told = {DIAGNOSES[k]: names["tests"](parts) for k, parts in PATIENTS.items()}
    for test in told["healthy"]:
        assert not all(results[test] for results in told.values()), test
    assert [b for b, x in told.items() if all(x.values())] == [
        "healthy",
        "accumulating",
    ]
    assert not told["not restored"]["-g is | refused"]
    assert not told["overwritten"]["-g is | refused"]


def test_minus_A_moves_a_healthy_update_and_minus_g_does_not(monkeypatch):
    batch = lesson.exact_batch(THETA)
    moved = one_update(HEALTHY, lesson.turned(batch)).theta
    assert batch.gain(moved) < 0 < lesson.turned(batch).surrogate(moved)
    # the same of the package's update, on samples
    rng = np.random.default_rng(0)
    policy = TabularSoftmax(rng.normal(size=12), 4, 3)

    class Few:
        observations = rng.integers(4, size=200)
        actions = policy.sample(observations, rng)

        def __len__(self):
            return 200

    A = rng.normal(size=200)
    assert trpo_update(policy, Few(), -A)[1].stop == "accepted"
    honest = Sample.gradient
    monkeypatch.setattr(Sample, "gradient", lambda self: -honest(self))
    new, log = trpo_update(policy, Few(), A)
    assert log.stop == "max_backtracks"
    np.testing.assert_array_equal(new.theta, policy.theta)


def test_page_12_s_step_can_be_handed_minus_g():
    from tests.test_again import code_cells

    (page,) = PAGE.parent.glob("12_*.ipynb")
    cells, names = dict(code_cells(page)), {"np": np}
    for id in ("six-cg", "six-step"):
        exec(cells[id], names)
    batch = lesson.exact_batch(THETA)
    F = lqr.fisher(lesson.WORLD, *lesson.gain_and_std(THETA), "log_std")
    rest = F.__matmul__, batch.surrogate, batch.mean_kl, THETA, DELTA
    np.testing.assert_array_equal(names["step"](-batch.g, *rest), THETA)
    new = names["step"](batch.g, *rest)
    np.testing.assert_allclose(new, one_update(HEALTHY, batch).theta, atol=1e-3)


def test_page_names_no_bug_before_the_guess():
    texts = ["".join(c["source"]) for c in CELLS.values()]
    ids = [*CELLS]
    for k, first in (
        (1, "overwritten-line"),
        (2, "restored-line"),
        (3, "reversed-line"),
    ):
        for text in texts[ids.index("goals") : ids.index(first)]:
            assert DIAGNOSES[k] not in text, (k, text)
    assert not any(
        re.search(r"lesson\.\w+_(overwritten|reversed|unfrozen)", t) for t in texts
    )


def test_the_cause_of_patient_12_is_sigma():
    end, healthy = lesson.run_of(12)[0][-1], lesson.run_of()[0][-1]
    mixed = np.array([*end[:2], healthy[2]])
    gap = lesson.performance(healthy) - lesson.performance(end)
    assert (
        gap > 1 and abs(lesson.performance(mixed) - lesson.returns()[-1]) < 0.01 * gap
    )
    assert "from the fifth update on $J$ is behind. At the end," in source("early-seen")
    ahead = lesson.returns(12)[1:] - lesson.returns()[1:]
    assert ahead[:4].min() > 0.1 and ahead[4:].max() < -0.1
    early = np.array([*lesson.run_of(12)[0][1][:2], lesson.run_of()[0][1][2]])
    assert lesson.performance(early) > lesson.returns()[1] + 0.6  # the end alone


def test_damping_of_theta_is_not_solved():
    batch = lesson.exact_batch(THETA)
    F = lqr.fisher(lesson.WORLD, *lesson.gain_and_std(THETA), "log_std")
    for f, solved in ((lesson.damped, True), (lesson.damped_theta, False)):
        x = lesson.solve(lambda u, f=f: f(F, THETA, u, 0.1), batch.g, 10)
        assert (np.linalg.norm(F @ x + 0.1 * x - batch.g) < 1e-9) == solved


def test_without_damping_the_unfrozen_product_is_0():
    batch = lesson.exact_batch(THETA)
    f = lesson.cost_unfrozen(lesson.mean_kl, batch, None)
    assert np.abs(lesson.hessian(f, THETA) @ batch.g).max() < 1e-6


@pytest.mark.parametrize("patient", lesson.WARD)
def test_ward_s_words_follow_the_patient(patient):
    words = lesson.patient_words(patient)
    assert f"Patient {patient}" in words
    assert f"{lesson.returns(lesson.WARD[patient])[-1]:.2f}" in words
