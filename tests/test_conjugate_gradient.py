"""Conjugate gradients against numpy.linalg and the theory of their steps."""

import numpy as np
import pytest

from trpo_lite.conjugate_gradient import conjugate_gradient
from trpo_lite.policies import LinearSoftmax, TabularSoftmax


def with_eigenvalues(eigenvalues, seed=0):
    """(a symmetric matrix with these eigenvalues, a right-hand side)."""
    rng = np.random.default_rng(seed)
    q = np.linalg.qr(rng.standard_normal((len(eigenvalues),) * 2))[0]
    return (q * eigenvalues) @ q.T, rng.standard_normal(len(eigenvalues))


@pytest.mark.parametrize("seed", range(5))
def test_against_numpys_solve(seed):
    a, b = with_eigenvalues(np.linspace(1, 50, 12), seed)
    result = conjugate_gradient(a.__matmul__, b, iterations=12)
    np.testing.assert_allclose(result.x, np.linalg.solve(a, b), rtol=1e-8)
    assert result.stop == "converged"


@pytest.mark.parametrize("distinct", [1, 2, 3, 5, 8])
def test_as_many_steps_as_distinct_eigenvalues(distinct):
    eigenvalues = np.resize(np.linspace(1, 100, distinct), 24)
    a, b = with_eigenvalues(eigenvalues)
    result = conjugate_gradient(a.__matmul__, b, iterations=24)
    assert result.iterations == distinct and result.stop == "converged"
    assert (result.residuals[:-1] > 1e-6 * result.residuals[0]).all()


def test_residuals_are_those_of_x():
    a, b = with_eigenvalues(np.linspace(1, 1000, 15))
    seen = []
    result = conjugate_gradient(a.__matmul__, b, iterations=6, callback=seen.append)
    truth = [np.linalg.norm(b - a @ x) for x in [0 * b, *seen]]
    np.testing.assert_allclose(result.residuals, truth, rtol=1e-9)
    assert len(seen) == result.iterations == 6 and result.stop == "iterations"
    assert np.array_equal(seen[-1], result.x)
    assert not np.array_equal(seen[0], seen[1])  # copies, not one array


def test_each_step_minimises_over_its_krylov_space():
    a, b = with_eigenvalues(np.geomspace(1, 1e3, 10))
    seen = []
    conjugate_gradient(a.__matmul__, b, iterations=4, callback=seen.append)
    for k, x in enumerate(seen, 1):
        krylov = np.linalg.qr(
            np.array([np.linalg.matrix_power(a, i) @ b for i in range(k)]).T
        )[0]
        best = krylov @ np.linalg.solve(krylov.T @ a @ krylov, krylov.T @ b)
        np.testing.assert_allclose(x, best, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("spread", [10, 100, 1e4])
def test_bx_is_xax_at_every_iteration(spread):
    a, b = with_eigenvalues(np.geomspace(1, spread, 20))
    seen = []
    conjugate_gradient(a.__matmul__, b, iterations=20, callback=seen.append)
    assert [x @ a @ x for x in seen[:8]] == pytest.approx(
        [b @ x for x in seen[:8]], rel=1e-12
    )
    # later, rounding has cost the residuals their orthogonality
    assert [x @ a @ x for x in seen] == pytest.approx([b @ x for x in seen], rel=1e-2)
    gains = [b @ x for x in seen]
    assert (np.diff(gains[:8]) > 0).all()


def test_log_spaced_eigenvalues_need_more_steps_than_exact_arithmetic():
    a, b = with_eigenvalues(np.geomspace(1, 1e4, 10))
    error = [
        np.linalg.norm(b - a @ conjugate_gradient(a.__matmul__, b, k).x)
        for k in (10, 20)
    ]
    assert error[0] > 1e-6 and error[1] < 1e-3 * error[0]


def test_singular_softmax_fisher_gives_the_pseudo_inverse_solution():
    rng = np.random.default_rng(0)
    table = TabularSoftmax(rng.standard_normal(12), 4, 3)
    states = rng.integers(3, size=50)  # state 3 is never visited
    linear = LinearSoftmax(rng.standard_normal(12), 3)
    for policy, observations in (
        (table, states),
        (linear, rng.standard_normal((50, 4))),
    ):
        actions = policy.sample(observations, rng)
        g = policy.at(observations).score_sum(actions, rng.standard_normal(50))
        fvp = policy.at(observations).fisher_product
        fisher = np.array([fvp(e) for e in np.eye(12)])
        rank = np.linalg.matrix_rank(fisher)
        assert rank < 12
        result = conjugate_gradient(fvp, g, iterations=30)
        assert result.stop == "converged"
        expected = np.linalg.pinv(fisher, rcond=1e-10) @ g
        np.testing.assert_allclose(result.x, expected, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("size", [1e-300, 1e-170, 1e-160, 1e160, 1e200, 1e300])
def test_the_size_of_b_costs_no_digit(size):
    a, b = with_eigenvalues(np.geomspace(1, 100, 8))
    size = 2.0 ** np.round(np.log2(size))
    seen = []
    big = conjugate_gradient(a.__matmul__, size * b, 5, callback=seen.append)
    small = conjugate_gradient(a.__matmul__, b, 5)
    assert np.array_equal(big.x, size * small.x)
    assert np.array_equal(big.residuals, size * small.residuals)
    assert big.stop == small.stop == "iterations" and np.array_equal(seen[-1], big.x)
    smallest = conjugate_gradient(lambda v: v, np.array([5e-324, 0.0]))
    assert np.array_equal(smallest.x, [5e-324, 0.0])


@pytest.mark.parametrize("size", [-900, -530, -515, -480, 480, 515, 530, 900])
def test_the_size_of_a_costs_no_digit(size):
    a, b = with_eigenvalues(np.geomspace(1, 100, 8))
    size = 2.0**size
    scaled = conjugate_gradient(lambda v: size * (a @ v), b, 20)
    plain = conjugate_gradient(a.__matmul__, b, 20)
    assert np.array_equal(size * scaled.x, plain.x) and scaled.stop == "converged"
    assert np.array_equal(scaled.residuals, plain.residuals)


def test_a_solution_beyond_all_numbers_is_refused():
    with pytest.raises(ValueError, match="x is larger than any number"):
        conjugate_gradient(lambda v: 1e-200 * v, np.array([1e200, 0.0]))


@pytest.mark.parametrize("n", [5, 20, 60])
@pytest.mark.parametrize("tolerance", [0.0, 1e-10])
def test_singular_matrices_are_left_when_only_rounding_is_left(n, tolerance):
    rng = np.random.default_rng(n)
    for _ in range(40):
        q = np.linalg.qr(rng.standard_normal((n, n)))[0]
        rank = rng.integers(1, n + 1)
        a = (q[:, :rank] * np.exp(rng.uniform(-8, 3, rank))) @ q[:, :rank].T
        x = q[:, :rank] @ rng.standard_normal(rank)
        result = conjugate_gradient(a.__matmul__, a @ x, 10 * n, tolerance)
        assert result.stop == "converged"
        error = np.linalg.norm(result.x - x) / np.linalg.norm(x)
        assert error < (1e-9 if tolerance == 0 else 1e-5)


def test_tolerance_zero_after_an_exact_hit():
    result = conjugate_gradient(lambda v: 3 * v, np.array([1.0, 2, 3]), 50, 0.0)
    assert result.stop == "converged" and result.iterations == 1
    np.testing.assert_allclose(result.x, [1 / 3, 2 / 3, 1], rtol=1e-15)


def test_a_matvec_may_write_into_its_vector_and_return_it():
    a, b = with_eigenvalues([1.0, 4.0, 9.0])
    buffer = np.empty(3)

    def in_place(v):
        v[:] = a @ v
        return v

    def own_buffer(v):
        return np.matmul(a, v, out=buffer)

    expected = conjugate_gradient(a.__matmul__, b).x
    for matvec in (in_place, own_buffer, lambda v: list(a @ v)):
        assert np.array_equal(conjugate_gradient(matvec, b).x, expected)


def test_zero_right_hand_side():
    result = conjugate_gradient(np.eye(3).__matmul__, np.zeros(3))
    assert np.array_equal(result.x, np.zeros(3))
    assert result.iterations == 0 and result.stop == "converged"


@pytest.mark.parametrize(
    "eigenvalues, at", [([-1.0, -2.0, -3.0], 1), ([5.0, 5.0, -0.01], 2)]
)
def test_indefinite_matrix(eigenvalues, at):
    a, b = with_eigenvalues(eigenvalues)
    with pytest.raises(ValueError, match=rf"not positive definite.*iteration {at}"):
        conjugate_gradient(a.__matmul__, b)


def test_right_hand_side_outside_the_range():
    with pytest.raises(ValueError, match=r"not positive definite: p\.A p = 0 in iter"):
        conjugate_gradient(np.diag([1.0, 0.0]).__matmul__, np.array([0.0, 1.0]))


def test_bad_input():
    b = np.ones(2)
    with pytest.raises(ValueError, match=r"p\.A p = nan"):
        conjugate_gradient(lambda v: np.nan * v, b)
    for bad in ([np.inf, 1], [1e308, 1e308]):
        with pytest.raises(
            ValueError, match=r"p\.A p = inf in iteration 1: check matv"
        ):
            conjugate_gradient(lambda v: np.array(bad), b)  # noqa: B023
    with pytest.raises(ValueError, match=r"p\.A p = nan"):
        conjugate_gradient(lambda v: np.array([-np.inf, np.inf]), b)
    with pytest.raises(ValueError, match="b must be finite"):
        conjugate_gradient(lambda v: v, np.array([1.0, np.nan]))
    for tolerance in (np.nan, np.inf, -1.0):
        with pytest.raises(ValueError, match="tolerance must be a finite number >= 0"):
            conjugate_gradient(lambda v: v, b, tolerance=tolerance)
    with pytest.raises(ValueError, match="iterations must be an integer >= 1, got 0"):
        conjugate_gradient(lambda v: v, b, iterations=0)
    with pytest.raises(ValueError, match=r"matvec returned shape \(3,\)"):
        conjugate_gradient(lambda v: np.ones(3), b)
    with pytest.raises(ValueError, match="b has shape"):
        conjugate_gradient(lambda v: v, np.ones((2, 2)))


def test_the_right_hand_side_is_left_alone():
    a, b = with_eigenvalues([1.0, 2.0, 3.0])
    before = b.copy()
    conjugate_gradient(a.__matmul__, b)
    assert np.array_equal(b, before)
