"""Exact evaluation against sums over time, samples, Gymnasium and the lemma itself."""

import warnings
from itertools import pairwise

import gymnasium
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trpo_lite import mdp as world
from trpo_lite.mdp import TabularMDP, evaluate


@st.composite
def pairs(draw):
    """A random world with two policies, some of them with zeros in P and pi."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_states, n_actions = draw(st.integers(1, 8)), draw(st.integers(1, 5))
    gamma = draw(st.sampled_from([0.0, 0.5, 0.9, 0.99]))
    mdp = world.random_mdp(rng, n_states, n_actions, gamma)
    if draw(st.booleans()):
        P = np.eye(n_states)[rng.integers(n_states, size=(n_states, n_actions))]
        mdp = TabularMDP(P, mdp.R, gamma, np.eye(n_states)[0])
    old = world.random_policy(rng, n_states, n_actions)
    new = world.random_policy(rng, n_states, n_actions)
    if draw(st.booleans()):
        new = np.eye(n_actions)[rng.integers(n_actions, size=n_states)]
    return mdp, old, new


@settings(max_examples=1500, deadline=None, derandomize=True)
@given(pairs())
def test_advantage_identity(case):
    mdp, pi_old, pi = case
    old, new = evaluate(mdp, pi_old), evaluate(mdp, pi)
    identity = new.visitation @ (pi * old.advantage).sum(-1)
    scale = max(1, np.abs(old.q).max())
    error = abs(new.performance - old.performance - identity)
    assert error <= 1e-12 / (1 - mdp.gamma) * scale


@settings(max_examples=300, deadline=None, derandomize=True)
@given(pairs())
def test_evaluation_satisfies_its_definitions(case):
    mdp, pi, _ = case
    e = evaluate(mdp, pi)
    tolerance = 1e-12 / (1 - mdp.gamma) * max(1, np.abs(e.q).max())
    assert np.abs((pi * e.q).sum(-1) - e.v).max() < tolerance
    backup = mdp.R + mdp.gamma * np.einsum("sat,t->sa", mdp.P, e.v)
    assert np.abs(e.q - backup).max() < tolerance
    assert np.abs(e.advantage - (e.q - e.v[:, None])).max() < tolerance
    assert np.abs((pi * e.advantage).sum(-1)).max() < tolerance
    assert e.performance == pytest.approx(mdp.start @ e.v, abs=tolerance)
    # J a second way, and the normalisation of d
    reward = e.visitation @ (pi * mdp.R).sum(-1)
    assert e.performance == pytest.approx(reward, abs=tolerance)
    assert e.visitation.min() >= 0
    assert e.visitation.sum() == pytest.approx(1 / (1 - mdp.gamma), abs=tolerance)


def test_visitation_is_the_discounted_sum_of_state_distributions():
    rng = np.random.default_rng(0)
    mdp, pi = world.random_mdp(rng), world.random_policy(rng, 6, 3)
    rows = world.state_distributions(mdp, pi, 400)
    assert rows.shape == (400, 6)
    assert rows.sum(-1) == pytest.approx(np.ones(400))
    assert rows[0] == pytest.approx(mdp.start)
    total = mdp.gamma ** np.arange(400) @ rows
    assert total == pytest.approx(evaluate(mdp, pi).visitation, abs=1e-12)


def test_trajectories_agree_with_the_exact_values():
    rng = np.random.default_rng(1)
    mdp, pi = world.random_mdp(rng, 4, 3, 0.8), world.random_policy(rng, 4, 3)
    n, T = 20_000, 80
    paths = world.sample_trajectories(mdp, pi, n, T, rng)
    assert paths.states.shape == (n, T + 1)
    assert paths.actions.shape == paths.rewards.shape == (n, T)
    assert (paths.rewards == mdp.R[paths.states[:, :-1], paths.actions]).all()
    returns = paths.rewards @ mdp.gamma ** np.arange(T)
    error = returns.std() / np.sqrt(n)
    J = evaluate(mdp, pi).performance
    assert abs(J) > 8 * error
    assert abs(returns.mean() - J) < 4 * error
    counts = np.array([(paths.states[:, 3] == s).mean() for s in range(4)])
    exact = world.state_distributions(mdp, pi, 4)[3]
    assert (np.abs(counts - exact) < 4 * np.sqrt(exact / n)).all()
    s, a = 1, 2
    there = (paths.states[:, :-1] == s) & (paths.actions == a)
    for to in range(4):
        share = (paths.states[:, 1:][there] == to).mean()
        assert abs(share - mdp.P[s, a, to]) < 4 * np.sqrt(0.25 / there.sum())
    share = there.sum() / (paths.states[:, :-1] == s).sum()
    assert share == pytest.approx(pi[s, a], abs=0.01)


def test_trajectories_never_take_a_step_of_probability_zero():
    mdp = TabularMDP([[[0, 1, 0], [0, 1, 0]]] * 3, np.zeros((3, 2)), 0.9, [0.5, 0, 0.5])
    pi = np.tile([0.0, 1.0], (3, 1))
    paths = world.sample_trajectories(mdp, pi, 2000, 3, np.random.default_rng(0))
    assert set(paths.states[:, 0]) == {0, 2}
    assert (paths.states[:, 1:] == 1).all()
    assert (paths.actions == 1).all()


def test_the_same_generator_gives_the_same_paths():
    mdp = world.chain()
    pi = world.uniform_policy(mdp)
    first, second = (
        world.sample_trajectories(mdp, pi, 10, 20, np.random.default_rng(5))
        for _ in range(2)
    )
    assert (first.states == second.states).all()
    assert (first.actions == second.actions).all()


@settings(max_examples=100, deadline=None, derandomize=True)
@given(pairs())
def test_policy_iteration_climbs_to_the_fixed_point_of_value_iteration(case):
    mdp, pi0, _ = case
    path = world.policy_iteration(mdp, pi0)
    scale = max(1, np.abs(path[-1].q).max()) / (1 - mdp.gamma)
    assert np.allclose(path[0].pi, pi0)
    for before, after in pairwise(path):
        assert (after.v >= before.v - 1e-12 * scale).all()
        assert after.performance >= before.performance - 1e-12 * scale
    v = np.zeros(mdp.n_states)
    for _ in range(int(np.ceil(-32 / np.log(max(mdp.gamma, 1e-14))))):
        v = (mdp.R + mdp.gamma * mdp.P @ v).max(-1)
    assert np.abs(path[-1].v - v).max() < 1e-9 * scale
    pi = world.optimal_policy(mdp)
    assert set(np.unique(pi)) <= {0.0, 1.0}
    assert np.abs(evaluate(mdp, pi).v - v).max() < 1e-9 * scale


def test_optimal_policy_beats_every_deterministic_policy():
    mdp = world.random_mdp(np.random.default_rng(4), 4, 3)
    best = evaluate(mdp, world.optimal_policy(mdp)).performance
    every = np.stack(np.meshgrid(*[range(3)] * 4), -1).reshape(-1, 4)
    scores = [evaluate(mdp, np.eye(3)[a]).performance for a in every]
    assert best == pytest.approx(max(scores), abs=1e-12)
    assert best > np.median(scores) + 0.1


def test_ties_go_to_the_first_action():
    mdp = TabularMDP(np.ones((1, 3, 1)), [[0.0, 1.0, 1.0]], 0.99, [1.0])
    assert world.optimal_policy(mdp).tolist() == [[0, 1, 0]]
    idle = TabularMDP(np.ones((1, 3, 1)), np.zeros((1, 3)), 0.99, [1.0])
    assert world.optimal_policy(idle).tolist() == [[1, 0, 0]]
    assert len(world.policy_iteration(idle)) == 1


# Gymnasium's own tables and rollouts


def rollout_returns(name, pi, gamma, horizon, episodes, seed):
    """Discounted returns of the environment itself, without its time limit."""
    env = gymnasium.make(name).unwrapped
    env.reset(seed=seed)
    rng = np.random.default_rng(seed)
    returns = np.zeros(episodes)
    for i in range(episodes):
        s, _ = env.reset()
        u, weight = rng.random(horizon), 1.0
        for t in range(horizon):
            a = min(int((pi[s].cumsum() <= u[t]).sum()), len(pi[s]) - 1)
            s, reward, terminated, _, _ = env.step(a)
            returns[i] += weight * reward
            weight *= gamma
            if terminated:
                break
    return returns


@pytest.mark.parametrize(
    ("name", "gamma", "horizon", "episodes"),
    [
        ("FrozenLake", 0.99, 1500, 3000),
        ("CliffWalking", 0.8, 80, 600),
        ("Taxi", 0.9, 150, 300),
    ],
)
@pytest.mark.parametrize("best", [False, True])
def test_performance_agrees_with_gymnasium_rollouts(
    name, gamma, horizon, episodes, best
):
    mdp = TabularMDP.from_gymnasium(name, gamma)
    pi = world.optimal_policy(mdp) if best else world.uniform_policy(mdp)
    J = evaluate(mdp, pi).performance
    returns = rollout_returns(mdp.name, pi, gamma, horizon, episodes, seed=1)
    cut = gamma**horizon * np.abs(mdp.R).max() / (1 - gamma)
    error = 4 * returns.std() / np.sqrt(episodes) + cut + 1e-9
    assert abs(returns.mean() - J) < error
    assert error < max(0.5 * abs(J), 0.02)


@pytest.mark.parametrize("name", ["FrozenLake", "CliffWalking", "Taxi"])
def test_tables_agree_with_gymnasium_entry_by_entry(name):
    mdp = TabularMDP.from_gymnasium(name, 0.9)
    env = gymnasium.make(mdp.name).unwrapped
    assert mdp.start == pytest.approx(env.initial_state_distrib)
    final = {
        t[1]
        for row in env.P.values()
        for rows in row.values()
        for t in rows
        if t[3] and t[0] > 0
    }
    assert final
    for s in range(mdp.n_states):
        for a in range(mdp.n_actions):
            if s in final:
                assert mdp.P[s, a, s] == 1 and mdp.R[s, a] == 0
                continue
            row = np.zeros(mdp.n_states)
            for probability, to, _, _ in env.P[s][a]:
                row[to] += probability
            assert np.abs(mdp.P[s, a] - row).max() < 1e-12
            assert abs(mdp.R[s, a] - sum(t[0] * t[2] for t in env.P[s][a])) < 1e-9


def test_known_values_of_gymnasium_worlds():
    cliff = TabularMDP.from_gymnasium("CliffWalking", 0.95)
    best = evaluate(cliff, world.optimal_policy(cliff))
    # thirteen steps along the edge
    assert best.performance == pytest.approx(-(1 - 0.95**13) / 0.05, abs=1e-9)
    taxi = TabularMDP.from_gymnasium("Taxi", 0.99)
    pi = world.uniform_policy(taxi)
    assert evaluate(taxi, pi).performance == pytest.approx(-384.8, abs=0.05)
    rows = world.state_distributions(taxi, pi, 200)
    first = 0.99 ** np.arange(200) @ rows @ (pi * taxi.R).sum(-1)
    assert first == pytest.approx(-336.8, abs=0.05)


def test_ids_environments_and_options_are_understood():
    by_name = TabularMDP.from_gymnasium("FrozenLake", 0.9)
    by_id = TabularMDP.from_gymnasium("FrozenLake-v1", 0.9)
    assert by_name.name == by_id.name == "FrozenLake-v1"
    assert (by_name.P == by_id.P).all()
    env = gymnasium.make("FrozenLake-v1", is_slippery=False)
    dry = TabularMDP.from_gymnasium(env, 0.9)
    asked = TabularMDP.from_gymnasium("FrozenLake", 0.9, is_slippery=False)
    assert (dry.P == asked.P).all() and set(np.unique(dry.P)) == {0, 1}
    assert (
        repr(dry) == "TabularMDP('FrozenLake-v1', n_states=16, n_actions=4, gamma=0.9)"
    )
    with pytest.raises(TypeError, match="CartPoleEnv has no transition table"):
        TabularMDP.from_gymnasium("CartPole-v1", 0.9)
    with pytest.raises(TypeError, match="is_slippery: only with an id"):
        TabularMDP.from_gymnasium(env, 0.9, is_slippery=True)
    with pytest.raises(gymnasium.error.Error, match="NoSuchWorld"):
        TabularMDP.from_gymnasium("NoSuchWorld", 0.9)


def test_a_table_that_contradicts_itself_is_refused():
    class Unclear:
        P = {  # noqa: RUF012
            0: {0: [(1.0, 1, 0.0, True)], 1: [(1.0, 1, 0.0, False)]},
            1: {0: [(1.0, 1, 0.0, False)], 1: [(1.0, 1, 0.0, False)]},
        }
        initial_state_distrib = np.array([1.0, 0.0])

    with pytest.raises(ValueError, match="both that state 1 ends an episode and not"):
        TabularMDP.from_gymnasium(Unclear(), 0.9)

    class Fickle(Unclear):
        fickle_passenger = True

    with pytest.raises(ValueError, match="fickle_passenger"):
        TabularMDP.from_gymnasium(Fickle(), 0.9)


# The small worlds


def test_road_and_ice_in_closed_form():
    for gamma in (0.5, 0.9):
        mdp = world.road_and_ice(gamma)
        for p in (0.0, 0.1, 0.7, 1.0):
            # v_road = p + g [(1 - .9p) v_road + .9p v_ice]
            # v_ice = -.5 p + g [(1 - p) v_road + p v_ice]
            system = [
                [1 - gamma * (1 - 0.9 * p), -gamma * 0.9 * p],
                [-gamma * (1 - p), 1 - gamma * p],
            ]
            v = np.linalg.solve(system, [p, -0.5 * p])
            found = evaluate(mdp, world.shared_policy(p)).performance
            assert found == pytest.approx(v[0], abs=1e-12)
    grid = np.linspace(0, 1, 10_001)
    J = [
        evaluate(world.road_and_ice(0.5), world.shared_policy(p)).performance
        for p in grid[::10]
    ]
    assert grid[::10][np.argmax(J)] == pytest.approx(0.702, abs=0.002)


def test_chain_moves_slips_and_pays():
    mdp = world.chain(4, 0.9, slip=0.2)
    assert mdp.P[1, 1] == pytest.approx([0.2, 0, 0.8, 0])
    assert mdp.P[1, 0] == pytest.approx([0.8, 0, 0.2, 0])
    assert mdp.P[0, 0] == pytest.approx([0.8, 0.2, 0, 0])
    assert mdp.P[3, 1] == pytest.approx([0, 0, 0.2, 0.8])
    assert mdp.R.tolist() == [[0.1, 0], [0, 0], [0, 0], [0, 1]]
    assert mdp.start.tolist() == [1, 0, 0, 0]
    assert world.chain(1).P.tolist() == [[[1], [1]]]
    assert (world.optimal_policy(world.chain())[:, 1] == 1).all()


def test_grid_walks_like_frozen_lake():
    mdp = world.grid(4, 4)
    lake = TabularMDP.from_gymnasium("FrozenLake", 0.9, is_slippery=False)
    free = [s for s in range(16) if s not in (5, 7, 11, 12, 15)]
    assert (mdp.P[free] == lake.P[free]).all()
    best = evaluate(mdp, world.optimal_policy(mdp)).performance
    assert best == pytest.approx(0.9**5)  # six steps, the sixth is paid
    assert (mdp.P[15, :, 15] == 1).all() and (mdp.R[15] == 0).all()
    slippery = world.grid(2, 3, slip=0.4)
    assert slippery.P[0, 2] == pytest.approx([0.2, 0.7, 0, 0.1, 0, 0])
    assert slippery.R[4, 2] == pytest.approx(0.7)


def test_shared_and_uniform_policies():
    assert world.shared_policy(0.3, 3).tolist() == [[0.7, 0.3]] * 3
    assert world.uniform_policy(world.chain()).tolist() == [[0.5, 0.5]] * 5
    with pytest.raises(ValueError, match=r"p must be in \[0, 1\], got 1.5"):
        world.shared_policy(1.5)


# Bad input


def sound():
    return dict(P=np.full((2, 3, 2), 0.5), R=np.ones((2, 3)), gamma=0.9, start=[1, 0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"P": np.full((2, 3, 2), 0.4)}, r"row \(0, 0\) of P sums to 0.8, expected 1"),
        ({"P": np.ones((2, 3))}, r"P has shape \(2, 3\), expected \[S, A, S\]"),
        ({"P": np.full((2, 3, 4), 0.25)}, r"expected \[S, A, S\]"),
        ({"P": np.tile([1.5, -0.5], (2, 3, 1))}, "P has a negative probability -0.5"),
        ({"R": np.ones((3, 2))}, r"R has shape \(3, 2\), expected \(2, 3\)"),
        ({"R": np.full((2, 3), np.nan)}, "R must be finite, found nan"),
        ({"R": np.full((2, 3), np.inf)}, "R must be finite, found inf"),
        ({"gamma": 1.0}, r"gamma must be in \[0, 1\), got 1.0"),
        ({"gamma": -0.1}, "gamma must be in"),
        ({"start": [0.5, 0.5 + 2e-9]}, r"start sums to 1\.000000002, expected 1$"),
        ({"start": [0.5, 0.6]}, "start sums to 1.1"),
        ({"start": [1.0]}, r"start has shape \(1,\), expected \(2"),
    ],
)
def test_bad_worlds_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        TabularMDP(**sound() | change)


def test_bad_policies_and_counts_are_named():
    mdp = TabularMDP(**sound())
    with pytest.raises(ValueError, match=r"pi has shape \(3, 2\), expected \(2, 3\)"):
        evaluate(mdp, np.full((3, 2), 0.5))
    with pytest.raises(ValueError, match=r"row \(1,\) of pi sums to 0.9"):
        evaluate(mdp, [[1, 0, 0], [0.9, 0, 0]])
    pi = world.uniform_policy(mdp)
    with pytest.raises(ValueError, match="horizon must be an integer >= 1, got 0"):
        world.state_distributions(mdp, pi, 0)
    with pytest.raises(TypeError, match=r"n must be an integer, got 2\.5"):
        world.sample_trajectories(mdp, pi, 2.5, 3, np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"slip must be in \[0, 1\], got 2"):
        world.chain(slip=2)
    with pytest.raises(ValueError, match="rows must be an integer >= 1"):
        world.grid(rows=0)


def test_a_world_can_not_be_changed_behind_its_back():
    given_P = np.full((2, 3, 2), 0.5)
    mdp = TabularMDP(**sound() | {"P": given_P})
    given_P[0] = 9
    assert (mdp.P == 0.5).all()
    with pytest.raises(ValueError, match="read-only"):
        mdp.P[0] = 9
    e = evaluate(mdp, world.uniform_policy(mdp))
    with pytest.raises(ValueError, match="read-only"):
        e.advantage[0] = 0


def test_old_versions_are_not_asked_for():
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Gymnasium warns about ids that are out of date
        for name in ("FrozenLake", "CliffWalking", "Taxi"):
            assert TabularMDP.from_gymnasium(name, 0.9).name.startswith(name + "-v")
