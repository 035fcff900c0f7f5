"""What page 00 claims beyond its own cells."""

import numpy as np

from trpo_lite.course import n00
from trpo_lite.mdp import evaluate, road_and_ice, shared_policy
from trpo_lite.policies import LinearSoftmax


def test_the_promise_is_straight_rises_and_the_truth_turns_below_zero():
    p, promise, truth = n00.promise_and_truth()
    assert np.abs(np.diff(promise, 2)).max() < 1e-12 < np.diff(promise).min()
    assert promise[10] == np.clip(promise[10], -1e-12, 1e-12)
    assert abs(truth[10]) < 1e-12
    best = p[truth.argmax()]
    assert 0.3 < best < 0.5
    assert truth[-1] < 0


def test_promise_and_truth_touch_with_one_slope():
    h = 1e-6
    world = road_and_ice()
    up, down = (evaluate(world, shared_policy(0.1 + s * h)) for s in (1, -1))
    slope = (up.performance - down.performance) / (2 * h)
    p, promise, _ = n00.promise_and_truth()
    assert np.isclose(slope, (promise[-1] - promise[0]) / (p[-1] - p[0]), rtol=1e-6)


def test_pole_angles_start_near_zero_and_end_past_the_limit_without_a_policy():
    angles = n00.pole_angles(lambda observation: 0, seed=3)
    assert abs(angles[0]) < 3
    assert 12 <= abs(angles[-1]) < 20  # always pushing left tips it within 200 steps
    assert len(angles) < 50


def test_right_weights_say_which_way_each_measurement_pushes():
    theta = np.zeros((5, 2))
    theta[2] = -1, 1  # a pole leaning right pushes right
    assert n00.right_weights(LinearSoftmax(theta.ravel(), 2)).tolist() == [0, 0, 2, 0]


def test_each_setting_of_the_widget_draws_its_own_weights():
    for settings in n00.weights.settings():
        (step,) = [
            line for line in n00.draw_weights(**settings).axes[0].lines
            if len(line.get_xdata()) == settings["horizon"]
        ]  # fmt: skip
        expected = settings["gamma"] ** np.arange(settings["horizon"])
        assert np.allclose(step.get_ydata(), expected)
