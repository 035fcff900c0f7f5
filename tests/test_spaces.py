"""Which policy fits which spaces, and who is told when none does."""

import numpy as np
import pytest
from gymnasium import spaces

from tests.test_policies import make
from trpo_lite.features import fourier_features, identity
from trpo_lite.policies import LinearGaussian, LinearSoftmax, TabularSoftmax
from trpo_lite.spaces import check_spaces, make_policy, scale_of, to_environment

BOX = spaces.Box(-1, 1, (3,))
TWO_ACTIONS = spaces.Discrete(2)


def test_make_policy_follows_the_spaces():
    softmax = make_policy((BOX, TWO_ACTIONS))
    assert isinstance(softmax, LinearSoftmax) and softmax.weights.shape == (4, 2)
    gaussian = make_policy((BOX, BOX), fourier_features(3, 7, 1.0, RNG), log_std=-1)
    assert isinstance(gaussian, LinearGaussian) and gaussian.weights.shape == (8, 3)
    assert np.array_equal(gaussian.log_std, [-1, -1, -1])
    table = make_policy((spaces.Discrete(5), TWO_ACTIONS))
    assert isinstance(table, TabularSoftmax) and table.size == 10
    assert make_policy((BOX, TWO_ACTIONS), identity).weights.shape == (3, 2)
    for policy, actions in ((softmax, TWO_ACTIONS), (gaussian, BOX)):
        check_spaces(policy, (BOX, actions))


RNG = np.random.default_rng(0)


def test_discrete_policy_on_a_box_and_the_reverse():
    with pytest.raises(
        TypeError, match=r"LinearSoftmax can't act here.*LinearGaussian"
    ):
        make_policy((BOX, BOX), kind=LinearSoftmax)
    with pytest.raises(
        TypeError, match=r"LinearGaussian can't act here.*LinearSoftmax"
    ):
        make_policy((BOX, TWO_ACTIONS), kind=LinearGaussian)
    with pytest.raises(TypeError, match="no policy for observations Discrete"):
        make_policy((spaces.Discrete(3), BOX))
    with pytest.raises(TypeError, match="policy is a LinearSoftmax"):
        check_spaces(make("softmax2")[0], (BOX, BOX))
    with pytest.raises(TypeError, match="policy is a LinearGaussian"):
        check_spaces(make("gaussian")[0], (BOX, TWO_ACTIONS))
    with pytest.raises(TypeError, match="sizes"):
        check_spaces(make("softmax4")[0], (BOX, TWO_ACTIONS))


def test_boxes_around_zero_are_left_alone():
    for bound in (0.4, 1, 2, 3, 1e3, np.inf, 1e6, 3.4e38):
        centre, half = scale_of(spaces.Box(-bound, bound, (2,), np.float64))
        assert np.array_equal(centre, [0, 0]) and np.array_equal(half, [1, 1])
    act = to_environment((BOX, spaces.Box(-2, 2, (1,))))
    given = np.array([[-3.0], [0.3], [2.5]])
    assert np.array_equal(act(given), np.float32([[-2], [0.3], [2]]))


def test_other_boxes_are_spanned_by_actions_from_minus_one_to_one():
    bounds = [(100, 200), (0, 1), (-0.1, 0.1), (0, 200), (-1, 1)]
    bounds += [(100, np.inf), (-np.inf, -5), (0, 1e38), (-np.inf, np.inf)]
    box = spaces.Box(*np.array(bounds, float).T, dtype=np.float64)
    act = to_environment((BOX, box))
    at = {u: act(np.full(len(bounds), float(u))) for u in (-2, -1, 0, 0.5, 1)}
    np.testing.assert_allclose(at[-1][:5], box.low[:5], atol=1e-15)
    np.testing.assert_allclose(at[1][:5], box.high[:5], atol=1e-15)
    np.testing.assert_allclose(at[0], [150, 0.5, 0, 100, 0, 101, -6, 1, 0])
    np.testing.assert_allclose(at[0.5][5:], [101.5, -5.5, 1.5, 0.5])
    np.testing.assert_allclose(at[-2][:5], box.low[:5], atol=1e-15)  # clipped
