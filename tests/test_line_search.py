"""What the line search tries, why it stops, and that it keeps the old theta."""

import numpy as np
import pytest

from trpo_lite.line_search import line_search

OLD = np.array([1.0, 2.0])
STEP = np.array([1.0, -1.0])


def along(surrogate, kl):
    """evaluate(theta) from functions of the fraction t of the step, and its calls."""
    calls = []

    def evaluate(theta):
        t = theta[0] - OLD[0]
        np.testing.assert_allclose(theta, OLD + t * STEP)
        calls.append(t)
        return surrogate(t), kl(t)

    return evaluate, calls


def test_the_full_step_if_it_passes():
    evaluate, calls = along(lambda t: t, lambda t: 0.01 * t * t)
    search = line_search(evaluate, OLD, STEP, 0.01)
    assert search.accepted and search.backtracks == 0 and search.stop == "accepted"
    assert np.array_equal(search.theta, OLD + STEP)
    assert calls == [1.0]
    assert [t.reason for t in search.tried] == ["accepted"]


def test_it_backs_off_until_kl_and_l_both_pass():
    # KL passes below t = .7, L below t = .45
    evaluate, calls = along(lambda t: t * (0.45 - t), lambda t: t * t)
    search = line_search(evaluate, OLD, STEP, 0.49, backtrack=0.8)
    np.testing.assert_allclose(calls, [1, 0.8, 0.64, 0.512, 0.4096])
    reasons = [t.reason for t in search.tried]
    assert reasons == ["KL > delta"] * 2 + ["L <= 0"] * 2 + ["accepted"]
    assert search.backtracks == 4
    np.testing.assert_allclose(search.theta, OLD + 0.8**4 * STEP, rtol=1e-15)
    np.testing.assert_allclose([t.scale for t in search.tried], calls)
    np.testing.assert_allclose([t.kl for t in search.tried], np.square(calls))
    assert search.tried[-1].surrogate > 0 > search.tried[-2].surrogate


@pytest.mark.parametrize(
    "surrogate, kl, reason",
    [
        (lambda t: -t, lambda t: 0.0, "L <= 0"),
        (lambda t: 0.0, lambda t: 0.0, "L <= 0"),  # no gain is no gain
        (lambda t: t, lambda t: 1.0, "KL > delta"),
        (lambda t: np.nan, lambda t: 0.0, "not finite"),
        (lambda t: np.inf, lambda t: 0.0, "not finite"),
        (lambda t: t, lambda t: np.nan, "not finite"),
    ],
)
def test_the_old_theta_is_kept_if_nothing_passes(surrogate, kl, reason):
    evaluate, calls = along(surrogate, kl)
    search = line_search(evaluate, OLD, STEP, 0.5, max_backtracks=5)
    assert not search.accepted and search.stop == "max_backtracks"
    assert np.array_equal(search.theta, OLD)
    assert len(calls) == len(search.tried) == 6 and search.backtracks == 5
    assert {t.reason for t in search.tried} == {reason}


def test_kl_of_exactly_delta_passes():
    evaluate, _ = along(lambda t: t, lambda t: 0.5)
    assert line_search(evaluate, OLD, STEP, 0.5).accepted


def test_it_starts_afresh_from_the_old_theta_each_time():
    """Steps must not accumulate: candidates are old + scale * step."""
    evaluate, calls = along(lambda t: -1.0, lambda t: 0.0)
    old = OLD.copy()
    line_search(evaluate, old, STEP, 0.5, backtrack=0.5, max_backtracks=3)
    assert calls == [1.0, 0.5, 0.25, 0.125]
    assert np.array_equal(old, OLD)


def test_evaluate_may_write_into_its_theta():
    def evaluate(theta):
        gain = 1.0 if np.abs(theta - OLD).max() < 0.5 * np.abs(STEP).max() else -1.0
        theta[:] = 77
        return gain, 0.0

    search = line_search(evaluate, OLD, STEP, 0.5)
    assert search.accepted and search.backtracks == 4
    np.testing.assert_allclose(search.theta, OLD + 0.8**4 * STEP, rtol=1e-15)


def test_theta_that_overflows_is_not_evaluated():
    huge = np.array([1e308, 0.0])

    def evaluate(theta):
        assert np.isfinite(theta).all()
        return 1.0, 0.1

    with np.errstate(over="ignore"):
        search = line_search(evaluate, huge, np.array([1.5e308, 0.0]), 0.5)
    reasons = [t.reason for t in search.tried]
    assert reasons[0] == "not finite" and reasons[-1] == "accepted"
    assert np.isnan(search.tried[0].kl)


def test_a_zero_step_tries_nothing():
    search = line_search(lambda theta: 1 / 0, OLD, 0 * STEP, 0.5)
    assert search.stop == "zero step" and search.tried == () and not search.accepted
    assert np.array_equal(search.theta, OLD)


def test_bad_input():
    def evaluate(theta):
        return 1.0, 0.0

    for delta in (0, -0.1, np.nan):
        with pytest.raises(ValueError, match="delta must be a finite number > 0"):
            line_search(evaluate, OLD, STEP, delta)
    for backtrack in (0, 1, 1.5):
        with pytest.raises(ValueError, match="backtrack must be in"):
            line_search(evaluate, OLD, STEP, 0.1, backtrack=backtrack)
    with pytest.raises(ValueError, match="max_backtracks must be an integer >= 0"):
        line_search(evaluate, OLD, STEP, 0.1, max_backtracks=-1)
    with pytest.raises(ValueError, match="step has shape"):
        line_search(evaluate, OLD, np.ones(3), 0.1)
    with pytest.raises(ValueError, match="theta must be finite"):
        line_search(evaluate, np.array([np.nan, 0]), STEP, 0.1)
