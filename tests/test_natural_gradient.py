"""The natural step: KKT, invariance, multiplicative weights."""

import numpy as np
import pytest

from trpo_lite import lqr
from trpo_lite.mdp import evaluate, random_mdp
from trpo_lite.natural_gradient import natural_step, natural_step_exact
from trpo_lite.policies import TabularSoftmax


def problem(seed=0, n=6):
    rng = np.random.default_rng(seed)
    root = rng.standard_normal((n, n))
    return rng.standard_normal(n), root @ root.T / n + 0.1 * np.eye(n), rng


@pytest.mark.parametrize("seed", range(5))
def test_kkt(seed):
    g, fisher, _ = problem(seed)
    delta = 0.02
    step = natural_step_exact(g, fisher, delta).step
    assert step @ fisher @ step / 2 == pytest.approx(delta, rel=1e-12)
    multiplier = np.sqrt(g @ np.linalg.solve(fisher, g) / (2 * delta))
    assert multiplier > 0  # so the step climbs
    np.testing.assert_allclose(multiplier * fisher @ step, g, rtol=1e-9, atol=1e-12)


def test_no_feasible_candidate_climbs_higher():
    g, fisher, rng = problem()
    natural = natural_step_exact(g, fisher, 0.02)
    candidates = rng.standard_normal((100_000, 6))
    quadratic = np.einsum("ni,ij,nj->n", candidates, fisher, candidates)
    candidates *= np.sqrt(2 * 0.02 / quadratic)[:, None]
    best = (candidates @ g).max()
    assert 0.9 * natural.predicted_surrogate < best < natural.predicted_surrogate


@pytest.mark.parametrize("iterations", [1, 2, 3, 6])
def test_matrix_free_with_damping(iterations):
    g, fisher, _ = problem()
    damping, delta = 0.3, 0.01
    natural = natural_step(g, fisher.__matmul__, delta, damping, iterations)
    step = natural.step
    damped = fisher + damping * np.eye(6)
    assert step @ damped @ step / 2 == pytest.approx(delta)  # at every iteration
    assert natural.predicted_kl == pytest.approx(step @ fisher @ step / 2)
    assert natural.predicted_kl < delta
    assert natural.predicted_surrogate == pytest.approx(g @ step)
    assert natural.gx == pytest.approx(g @ natural.direction)
    residual = np.linalg.norm(g - damped @ natural.direction)
    assert natural.cg.residuals[-1] == pytest.approx(residual, abs=1e-12)
    assert np.array_equal(natural.cg.x, natural.direction)
    if iterations == 6:
        exact = natural_step_exact(g, damped, delta)
        np.testing.assert_allclose(step, exact.step, rtol=1e-8)
        np.testing.assert_allclose(natural.direction, exact.direction, rtol=1e-8)


def test_the_step_ignores_the_scale_of_g():
    g, fisher, _ = problem()
    expected = natural_step(g, fisher.__matmul__, 0.01).step
    for scale in (1e-200, 1e-3, 1e200):
        natural = natural_step(scale * g, fisher.__matmul__, 0.01)
        np.testing.assert_allclose(natural.step, expected, rtol=1e-8)


def test_the_step_is_invariant_to_linear_reparametrisation():
    g, fisher, rng = problem()
    b = rng.standard_normal((6, 6))  # theta = b phi
    there = natural_step(b.T @ g, (b.T @ fisher @ b).__matmul__, 0.01, iterations=60)
    here = natural_step(g, fisher.__matmul__, 0.01, iterations=60)
    np.testing.assert_allclose(b @ there.step, here.step, rtol=1e-5)
    vanilla = b @ b.T @ g  # the plain gradient moves elsewhere
    cosine = vanilla @ g / np.linalg.norm(vanilla) / np.linalg.norm(g)
    assert cosine < 0.95


def test_sigma_and_log_sigma_give_one_natural_direction_but_two_vanilla_ones():
    world, gain, std = lqr.scalar_lqr(), -0.1, 0.3
    to_sigma = np.array([1, std])  # d(gain, sigma) = to_sigma * d(gain, log sigma)
    natural, vanilla = {}, {}
    for parameter in ("std", "log_std"):
        g = np.concatenate(
            [np.ravel(x) for x in lqr.gradient(world, gain, std, parameter)]
        )
        fisher = lqr.fisher(world, gain, std, parameter)
        natural[parameter] = natural_step_exact(g, fisher, 0.01).step
        vanilla[parameter] = g
    np.testing.assert_allclose(
        natural["std"], to_sigma * natural["log_std"], rtol=1e-12
    )
    # closed form: F^-1 grad J = (-2 E std^2, -kappa std^3) / (1 - gamma)
    it = lqr.evaluate(world, gain, std)
    closed = np.array(
        [
            -2 * it.advantage_error.item() * std**2,
            -it.action_curvature.item() * std**3,
        ]
    )
    ratio = natural["std"] / closed
    assert ratio[0] == pytest.approx(ratio[1]) and ratio[0] > 0
    there = to_sigma * vanilla["log_std"]
    assert there[1] / there[0] < 0.5 * vanilla["std"][1] / vanilla["std"][0]


@pytest.mark.parametrize("seed", range(5))
def test_tabular_softmax_makes_multiplicative_weights(seed):
    rng = np.random.default_rng(seed)
    mdp = random_mdp(rng, gamma=0.9)
    pi = rng.dirichlet(np.ones(mdp.n_actions), mdp.n_states)
    old = evaluate(mdp, pi)
    d = (1 - mdp.gamma) * old.visitation
    g = (old.visitation[:, None] * pi * old.advantage).ravel()  # of unnormalised J
    policy = TabularSoftmax.from_probabilities(pi)

    def fvp(v):  # exact: each state's own product, weighted by d
        each = [policy.at([s]).fisher_product(v) for s in range(mdp.n_states)]
        return d @ np.array(each)

    x = natural_step(g, fvp, 0.01, iterations=50, tolerance=1e-14).direction
    for eta in (0.01, 0.5):
        expected = pi * np.exp(eta * old.advantage / (1 - mdp.gamma))
        expected /= expected.sum(1, keepdims=True)
        got = policy.with_theta(policy.theta + eta * x).probabilities()
        np.testing.assert_allclose(got, expected, atol=1e-9)


def test_zero_gradient_gives_a_zero_step():
    for natural in (
        natural_step(np.zeros(3), np.eye(3).__matmul__, 0.1),
        natural_step_exact(np.zeros(3), np.eye(3), 0.1),
    ):
        assert np.array_equal(natural.step, np.zeros(3))
        assert natural.predicted_surrogate == natural.predicted_kl == 0


def test_singular_fisher():
    fisher = np.diag([2.0, 0.0])
    step = natural_step_exact(np.array([3.0, 0.0]), fisher, 0.04).step
    np.testing.assert_allclose(step, [0.2, 0.0], atol=1e-15)
    with pytest.raises(ValueError, match="outside the range"):
        natural_step_exact(np.array([3.0, 1.0]), fisher, 0.04)


def test_bad_input():
    g, fisher, _ = problem()
    for delta in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match="delta must be a finite number > 0"):
            natural_step(g, fisher.__matmul__, delta)
        with pytest.raises(ValueError, match="delta must be a finite number > 0"):
            natural_step_exact(g, fisher, delta)
    with pytest.raises(ValueError, match="damping must be a finite number >= 0"):
        natural_step(g, fisher.__matmul__, 0.1, damping=-1e-3)
    with pytest.raises(ValueError, match="not positive definite"):
        natural_step(g, (-fisher).__matmul__, 0.1)
    with pytest.raises(ValueError, match="not positive definite"):
        natural_step_exact(g, -fisher, 0.1)
    with pytest.raises(ValueError, match="must be symmetric"):
        natural_step_exact(g, fisher + np.triu(np.ones((6, 6))), 0.1)
    with pytest.raises(ValueError, match="fisher has shape"):
        natural_step_exact(g, fisher[:5], 0.1)
    with pytest.raises(ValueError, match="g must be finite"):
        natural_step(np.full(6, np.nan), fisher.__matmul__, 0.1)


def test_a_fisher_product_may_write_into_its_vector():
    g = np.array([1.0, 2.0, 3.0])

    def in_place(v):
        v *= [1, 2, 4]
        return v

    def product(v):
        return v * [1, 2, 4]

    expected = natural_step(g, product, 0.01, damping=0.5).step
    assert np.array_equal(natural_step(g, in_place, 0.01, damping=0.5).step, expected)
