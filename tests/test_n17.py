"""What page 17 claims and its cells do not assert."""

import numpy as np
import pytest

from trpo_lite import lqr, mdp
from trpo_lite.advantage import gae
from trpo_lite.course import n17 as lesson
from trpo_lite.course.n17 import BUGS, DELTA, HEALTHY, THETA, update
from trpo_lite.environments import make_environment
from trpo_lite.rollout import collect as collect_rows
from trpo_lite.surrogate import clipped_terms

LATE = lesson.course(updates=9)[0][-1]


def measured(batch, theta):
    return lesson.kl(batch.moment, batch.theta, theta) / DELTA


def test_the_patient_is_the_mass_of_page_10_in_decimetres():
    from trpo_lite.course.n10 import mass

    world = mass(10)[0]
    for name in ("dynamics", "control", "state_cost", "action_cost", "start", "gamma"):
        np.testing.assert_allclose(
            getattr(lesson.WORLD, name), getattr(world, name), err_msg=name
        )


def test_batch_and_kl_agree_with_the_package():
    batch, new = lesson.collect(THETA), THETA + np.array([0.01, -0.2, -0.3])
    expected = lqr.mean_kl(lesson.WORLD, lesson.policy(THETA), lesson.policy(new))
    assert lesson.kl(batch.moment, THETA, new) == pytest.approx(expected, rel=1e-10)
    step = 1e-6 * np.eye(3)
    slopes = [
        (batch.surrogate(THETA + e) - batch.surrogate(THETA - e)) / 2e-6 for e in step
    ]
    np.testing.assert_allclose(slopes, batch.g, rtol=1e-6)
    fisher = lqr.fisher(lesson.WORLD, *lesson.policy(THETA), "log_std")
    f = lesson.cost(lesson.kl, batch, None)
    np.testing.assert_allclose(lesson.hessian(f, THETA), fisher, rtol=1e-4, atol=1e-5)


def test_healthy_keeps_its_promises_and_refuses_the_wrong_gradient():
    for theta in (THETA, LATE):
        batch = lesson.collect(theta)
        log = update(HEALTHY, batch)
        assert batch.surrogate(log.theta) > 0 and measured(batch, log.theta) <= 1
        np.testing.assert_array_equal(update(HEALTHY, batch, turn=-1).theta, theta)


@pytest.mark.parametrize(
    "healthy, sick",
    [
        (lesson.kl, lesson.kl_reversed),
        (lesson.kl, lesson.kl_bracket),
        (lesson.cost, lesson.cost_unfrozen),
        (lesson.cost, lesson.cost_stale),
        (lesson.product, lesson.product_of_theta),
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
    batch = lesson.collect(THETA)
    logs = {name: update(parts, batch) for name, parts in BUGS.items()}
    wrong = {name: update(BUGS[name], batch, turn=-1).theta for name in BUGS}
    full = measured(batch, THETA + update(HEALTHY, batch).step)
    assert full > 1
    assert measured(batch, logs["overwritten"].theta) == pytest.approx(full)
    assert logs["overwritten"].kl < DELTA
    assert logs["no KL test"].kl == pytest.approx(full * DELTA)
    np.testing.assert_array_equal(
        logs["not restored"].theta, update(HEALTHY, batch).theta
    )
    moved = {name for name, theta in wrong.items() if not np.array_equal(theta, THETA)}
    assert moved == {"overwritten", "not restored"}
    assert logs["accumulating"].tries == logs["nothing frozen"].tries == 11


def test_reversed_kl_says_less_than_the_truth_when_sigma_shrinks():
    batch = lesson.collect(LATE)
    log = update(BUGS["reversed KL"], batch)
    assert log.kl < DELTA < measured(batch, log.theta) * DELTA
    back = lesson.kl(batch.moment, log.theta, LATE)
    assert log.kl == pytest.approx(back)


def test_two_sick_runs_look_better_and_one_looks_healthy():
    healthy = lesson.returns()
    assert np.all(lesson.returns("overwritten")[1:] > healthy[1:])
    assert np.all(lesson.returns("no KL test")[1:] > healthy[1:])
    np.testing.assert_array_equal(lesson.returns("not restored"), healthy)
    assert np.all(lesson.returns("CG too early")[1:] < healthy[1:])


def test_a_stale_policy_ends_in_a_negative_direction():
    path = lesson.course(updates=8)[0]
    lowest = []
    for theta in path:
        f = lesson.cost_stale(lesson.kl, lesson.collect(theta), path[0])
        lowest.append(np.linalg.eigvalsh(lesson.hessian(f, theta))[0])
    assert min(lowest[:8]) > 0 > lowest[8]
    log = update(BUGS["stale policy"], lesson.collect(path[8]), stale=path[0])
    assert np.isnan(log.step).all()
    np.testing.assert_array_equal(log.theta, path[8])  # the search refuses it


def test_the_bracket_is_sigma_squared_minus_a_half():
    for sigma in (0.3, 0.8, 1.7):
        theta = np.array([*THETA[:2], np.log(sigma)])
        home = lesson.kl_bracket(lesson.collect(theta).moment, theta, theta)
        assert home == pytest.approx(sigma**2 - 0.5)


def test_log_std_stays_and_cg_early_is_the_plain_gradient():
    assert np.ptp(lesson.course("no log-std")[0][:, 2]) == 0
    batch = lesson.collect(THETA)
    step = update(BUGS["CG too early"], batch).step
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


@pytest.mark.parametrize("patient", lesson.WARD)
def test_ward_draws_every_run(patient):
    figure = lesson.draw_patient(patient)
    left, right = figure.axes
    J = left.lines[1].get_ydata()
    np.testing.assert_array_equal(J, lesson.returns(lesson.WARD[patient]))
    _, said, true, _ = lesson.course(lesson.WARD[patient])
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
        _, said, true, tries = lesson.course(bug)
        numbers = [lesson.returns(bug), said, true, tries]
        pictures.add(tuple(np.concatenate(numbers).round(6)))
    assert len(pictures) == len(lesson.WARD)
    assert set(lesson.WARD.values()) == {None, *BUGS} - {
        "not restored",
        "damping of theta",
    }


def test_checkup_picture_marks_what_failed():
    results = {"a": {"x": True, "y | z": False}, "b": {"x": False, "y | z": False}}
    dots, crosses = lesson.draw_checkup(results).axes[0].lines
    np.testing.assert_array_equal(dots.get_xydata(), [[0, 0]])
    np.testing.assert_array_equal(crosses.get_xydata(), [[1, 0], [0, 1], [1, 1]])
