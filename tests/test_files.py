"""What is written is read again, whole or not at all."""

import numpy as np
import pytest

from tests.test_policies import EACH, make
from trpo_lite.files import policy_from_arrays, policy_to_arrays
from trpo_lite.policies import LinearGaussian


@EACH
def test_round_trip_through_a_file_without_pickle(name, tmp_path):
    policy, _, observations, actions = make(name)
    path = tmp_path / "policy.npz"
    np.savez(path, **policy_to_arrays(policy))
    with np.load(path, allow_pickle=False) as arrays:
        again = policy_from_arrays(dict(arrays))
    assert type(again) is type(policy)
    expected = policy.at(observations).log_prob(actions)
    assert np.array_equal(again.at(observations).log_prob(actions), expected)


def test_what_cannot_be_saved_or_loaded():
    with pytest.raises(TypeError, match="can be saved"):
        policy_to_arrays(LinearGaussian.zeros(3, 1, features=lambda x: x))
    arrays = policy_to_arrays(make("gaussian")[0])
    with pytest.raises(ValueError, match="outputs is missing"):
        policy_from_arrays({k: v for k, v in arrays.items() if k != "outputs"})
    with pytest.raises(ValueError, match=r"kind must be one of .*, got 'Other'"):
        policy_from_arrays(arrays | {"kind": np.array("Other")})
    with pytest.raises(ValueError, match="theta must be finite"):
        policy_from_arrays(arrays | {"theta": np.full(10, np.nan)})
