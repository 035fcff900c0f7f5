"""Which policy fits which spaces, and who is told when none does."""

import numpy as np
import pytest
from gymnasium import spaces

from tests.test_policies import make
from trpo_lite.features import fourier_features, identity
from trpo_lite.policies import LinearGaussian, LinearSoftmax, TabularSoftmax
from trpo_lite.spaces import check_spaces, make_policy

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
