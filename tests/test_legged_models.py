"""A body and motors from a log, against robots whose numbers the test knows."""

import numpy as np
import pytest

from trpo_lite.legged.actuator import (
    COMMANDED,
    FEATURES,
    KNOTS,
    ActuatorModel,
    command_features,
    fit_actuator,
)
from trpo_lite.legged.identify import (
    NAMES,
    Estimate,
    Forecasts,
    identify,
    robust_fit,
)
from trpo_lite.legged.physics import Body, LeggedRobots, Log, Motor, fixed, record

BODY = Body(torso=1.3, legs=0.8, damping=1.5, friction=0.7)
FACTORS = np.array([1.3, 0.8, 1.5, 0.7])
MOTOR = Motor(lag=(0.03, 0.035, 0.04, 0.045, 0.05, 0.06), delay=4, limit=0.8, dry=0.02)


def log_of(body, motor, steps, noise=0.0, seed=0, size=0.5):
    rng = np.random.default_rng(seed)
    commands = np.clip(size * rng.standard_normal((steps, 6)), -1, 1)
    robots = LeggedRobots(1, fixed(body, motor), measure=True)
    (log,) = record(robots, commands, seed=seed)

    def noisy(values, sd):
        return values + noise * sd * rng.standard_normal(values.shape)

    return Log(
        commands,
        noisy(log.positions, 0.003),
        noisy(log.velocities, 0.05),
        noisy(log.torques, 0.01),
    )


def sd_of(found):
    """[p] standard deviations of an Estimate's log factors."""
    return np.sqrt(np.diag(found.covariance))


@pytest.fixture(scope="module")
def exact():
    return log_of(BODY, MOTOR, 40)


@pytest.fixture(scope="module")
def noisy():
    return log_of(BODY, MOTOR, 150, noise=1.0)


# ---------------------------------------------------------------------- the fit


def line(rng, windows, block, outliers=0.0):
    """Residuals of y = 2 u - v + errors that blocks share; some of them wild."""
    X = rng.standard_normal((windows, 3, 2))
    X[:, :, 1] += np.repeat(rng.standard_normal(windows // block), block)[:, None]
    shared = np.repeat(rng.standard_normal(windows // block), block)[:, None]
    errors = 0.2 * (shared + rng.standard_normal((windows, 3)))
    errors += 50 * (rng.random((windows, 3)) < outliers)
    y = X @ [2.0, -1.0] + errors
    return lambda x: y - X @ x


def test_the_fit_is_least_squares_where_huber_does_not_bite():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((50, 4, 2))
    signs = np.where(np.arange(200) % 2, 1.0, -1.0).reshape(50, 4)
    y = X @ [0.3, -0.2] + 0.1 * signs  # every error is of the same size
    found, _ = robust_fit(lambda x: y - X @ x, 2, 1, prior=1e6)
    expected = np.linalg.lstsq(X.reshape(-1, 2), y.ravel(), rcond=None)[0]
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_the_covariance_is_that_of_repeated_experiments():
    rng, size = np.random.default_rng(0), dict(p=2, block=10, prior=1e3)
    fits = [robust_fit(line(rng, 400, 10), **size) for _ in range(300)]
    came = np.cov(np.array([x for x, _ in fits]).T)
    said = np.mean([covariance for _, covariance in fits], 0)
    np.testing.assert_allclose(np.diag(said), np.diag(came), rtol=0.25)
    # errors taken for independent would promise far too much
    alone = [robust_fit(line(rng, 400, 10), 2, 1, 1e3)[1] for _ in range(50)]
    assert np.mean(alone, 0)[1, 1] < 0.4 * came[1, 1]


def test_wild_errors_move_it_little():
    found, _ = robust_fit(line(np.random.default_rng(1), 300, 10, 0.03), 2, 10)
    np.testing.assert_allclose(found, [2, -1], atol=0.1)
    with_prior, covariance = robust_fit(lambda x: np.zeros((5, 2)), 3, 1, prior=0.5)
    assert not with_prior.any()
    np.testing.assert_allclose(covariance, 0.25 * np.eye(3))


# ---------------------------------------------------------------------- the body


def test_the_true_body_forecasts_an_exact_log_exactly(exact):
    forecasts = Forecasts(exact)
    assert forecasts.measured.shape == (38, 3, 17)
    assert np.abs(forecasts.of(BODY) - forecasts.measured).max() < 1e-6
    assert np.abs(forecasts.of(Body()) - forecasts.measured).max() > 0.1


def test_an_exact_log_gives_the_body_exactly(exact):
    found = identify(exact)
    np.testing.assert_allclose(np.exp(found.log_factors), FACTORS, rtol=1e-4)
    assert found.body.legs == pytest.approx(0.8, rel=1e-4)


def test_noise_in_the_sensors_costs_some_percent(noisy):
    found = identify(noisy)
    errors = dict(zip(NAMES, found.log_factors - np.log(FACTORS)))
    assert abs(errors.pop("friction")) < 0.08
    assert max(map(abs, errors.values())) < 0.04
    assert (sd_of(found) > 1e-4).all() and (sd_of(found) < 0.03).all()


def test_in_the_air_nothing_is_learnt_of_the_ground():
    robots = LeggedRobots(1, fixed(BODY, Motor()), measure=True)
    robots.envs[0].init_qpos[1] = 7.0
    (log,) = record(robots, np.random.default_rng(0).uniform(-1, 1, (20, 6)))
    assert log.positions[:, 0].min() > 1
    found = identify(log, prior=0.5)
    assert sd_of(found)[3] == pytest.approx(0.5) and found.log_factors[3] == 0
    np.testing.assert_allclose(np.exp(found.log_factors[:3]), FACTORS[:3], rtol=1e-3)


def test_commands_taken_for_torques_make_the_joints_thick(exact):
    names = ("torso", "damping")
    found = identify(exact, names, torques=exact.held())
    assert found.body.damping > 3 * BODY.damping


def test_some_factors_alone(exact):
    found = identify(exact, names=("damping", "torso"))
    assert found.names == ("damping", "torso") and sd_of(found).shape == (2,)
    assert found.body.legs == 1.0 and found.body.friction == 1.0


def test_draws_have_the_estimates_mean_and_covariance():
    covariance = np.array([[0.04, 0.03], [0.03, 0.09]])
    found = Estimate(("legs", "friction"), np.log([0.8, 1.2]), covariance)
    np.testing.assert_allclose(found.sd, [0.2, 0.3])
    rng, n = np.random.default_rng(0), 1500
    for wider in (0.0, 0.3):
        bodies = [found.draw(rng, wider) for _ in range(n)]
        logs = np.log([(body.legs, body.friction) for body in bodies])
        expected = covariance + wider**2 * np.eye(2)
        np.testing.assert_allclose(logs.mean(0), np.log([0.8, 1.2]), atol=0.05)
        np.testing.assert_allclose(np.cov(logs.T), expected, atol=0.02)


# --------------------------------------------------------------------- the motors


def test_the_features_of_a_command_are_cut_at_the_knots():
    past = np.zeros((2, 5))
    past[:, 0], past[:, 4] = (0.65, -2.0), (0.1, 0.85)
    found = command_features(past)
    assert found.shape == (2, COMMANDED) and COMMANDED == 25 and FEATURES == 28
    assert found[0, :5].tolist() == [0.6, 0.65, 0.65, 0.65, 0.65]
    assert found[1, :5].tolist() == [-c for c in KNOTS]
    assert found[1, -5:].tolist() == [0.6, 0.7, 0.8, 0.85, 0.85]


def error(model, log):
    return np.sqrt(np.mean((model.predict(log) - log.torques) ** 2))


def test_motors_are_learnt_up_to_what_noise_costs(noisy):
    held_out = log_of(BODY, MOTOR, 100, seed=1)
    sent = held_out.held()
    ideal = np.sqrt(np.mean((sent - held_out.torques) ** 2))
    exact = fit_actuator(log_of(BODY, MOTOR, 200), ridge=1e-6)
    assert ideal > 0.3
    assert error(exact, held_out) < 0.01
    assert error(fit_actuator(noisy), held_out) < 0.02
    # the mean is no model: what was learnt are the commands
    blind = ActuatorModel(np.zeros((5, 6, FEATURES)))
    assert error(blind, held_out) > 0.2


def test_in_the_simulator_it_gives_what_it_predicts_of_the_log(noisy):
    model = fit_actuator(noisy)
    robots = LeggedRobots(1, fixed(BODY, model), measure=True)
    (log,) = record(robots, noisy.commands[:50], seed=3)
    np.testing.assert_allclose(
        log.torques, np.clip(model.predict(log), -1, 1), rtol=0, atol=1e-12
    )
    # and moves the robot as its own motors do, where ideal ones do not
    (true,) = record(LeggedRobots(1, fixed(BODY, MOTOR), measure=True),
                     noisy.commands[:50], seed=3)  # fmt: skip
    (wrong,) = record(LeggedRobots(1, fixed(BODY, Motor()), measure=True),
                      noisy.commands[:50], seed=3)  # fmt: skip

    def apart(other):
        return np.abs(other.positions[:100, 2:] - true.positions[:100, 2:]).mean()

    assert apart(log) < 0.1 * apart(wrong)


def test_each_joint_and_slice_has_its_own_lag(noisy):
    exact = fit_actuator(log_of(Body(), MOTOR, 300), ridge=1e-6)
    # a command of .5 for good, joints at rest: the step response by slices
    told = command_features(np.where(np.arange(5) <= 1, 0.5, 0.0))  # second step
    response = exact.weights[..., :COMMANDED] @ told
    time = 0.01 * (5 + 1 + np.arange(5) - MOTOR.delay)
    expected = 0.5 * (1 - np.exp(-time[:, None] / np.array(MOTOR.lag)))
    np.testing.assert_allclose(response, expected, atol=0.02)


def test_scaled_motors_give_as_much_more(noisy):
    model, factors = fit_actuator(noisy), np.array([1, 2, 3, 0.5, 1, 1])
    np.testing.assert_allclose(
        model.scaled(factors).predict(noisy), model.predict(noisy) * factors
    )
    np.testing.assert_allclose(model.scaled(2).weights, 2 * model.weights)


def test_several_logs_are_one_longer_one(noisy):
    one, two = log_of(BODY, MOTOR, 100, seed=5), log_of(BODY, MOTOR, 100, seed=6)
    held_out = log_of(BODY, MOTOR, 100, seed=7)
    alone, both = fit_actuator(one), fit_actuator(one, two)
    assert error(both, held_out) < error(alone, held_out)
    again = fit_actuator(one, one)
    np.testing.assert_allclose(again.weights, alone.weights, atol=1e-8)


# ---------------------------------------------------------------------- bad input


def test_what_is_refused(exact):
    with pytest.raises(ValueError, match="ridge must be a finite number > 0, got 0"):
        fit_actuator(exact, ridge=0)
    with pytest.raises(ValueError, match="logs: none given"):
        fit_actuator()
    with pytest.raises(ValueError, match=r"weights has shape \(5, 6, 2\)"):
        ActuatorModel(np.zeros((5, 6, 2)))
    with pytest.raises(ValueError, match="prior must be a finite number > 0"):
        identify(exact, prior=0)
    with pytest.raises(ValueError, match="names must be one of torso, legs, damping"):
        identify(exact, names=("mass",))
    with pytest.raises(ValueError, match=r"torques has shape \(3, 6\)"):
        identify(exact, torques=np.zeros((3, 6)))
    with pytest.raises(ValueError, match="log has 5 steps, at least 20 expected"):
        Forecasts(log_of(BODY, MOTOR, 5))
    assert NAMES == ("torso", "legs", "damping", "friction")
