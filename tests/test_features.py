"""Feature maps by hand, and the errors of wrong ones."""

import numpy as np
import pytest

from trpo_lite.features import Features, fourier_features, linear_features


def test_linear_features():
    features = Features(np.array([1.0, 0.0]), np.array([2.0, 1.0]), clip=1.5)
    rows = features(np.array([[2.0, 1.0], [9.0, -9.0]], np.float32))
    assert np.array_equal(rows, [[0.5, 1, 1], [1.5, -1.5, 1]])
    assert rows.dtype == np.float64
    assert linear_features(2, bias=False)(np.ones((3, 2))).shape == (3, 2)


def test_fourier_features():
    rng = np.random.default_rng(0)
    features = fourier_features(3, 400, 2.0, rng)
    assert features.size == 401
    z = np.ones((1, 3))
    rows = features(z)
    wave = np.sin(features.frequencies[7] @ z[0] + features.phases[7])
    np.testing.assert_allclose(rows[0, 7], wave)
    assert rows[0, -1] == 1
    np.testing.assert_allclose(features.frequencies.std(), 0.5, rtol=0.1)
    moved = features.with_moments(np.ones(3), np.full(3, 2.0))
    np.testing.assert_allclose(moved(z)[0, :-1], np.sin(features.phases))


def test_bad_input():
    with pytest.raises(ValueError, match="std must be > 0"):
        Features(np.zeros(2), np.array([1.0, 0.0]))
    with pytest.raises(ValueError, match="given together"):
        Features(np.zeros(2), np.ones(2), phases=np.ones(3))
    with pytest.raises(ValueError, match="bandwidth"):
        fourier_features(2, 3, 0.0, np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"observations has shape \(2,\)"):
        linear_features(2)(np.ones(2))
