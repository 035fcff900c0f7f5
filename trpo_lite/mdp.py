"""Finite Markov decision processes, small enough to know everything about.

Everything is exact: values, advantages and visitations come from linear solves.
Policies are tables pi[S, A] whose rows sum to 1; times t count steps.
"""

from dataclasses import dataclass

import numpy as np

from trpo_lite import _check


@dataclass(frozen=True, eq=False, repr=False)
class TabularMDP:
    """A finite world; all arrays are checked and made read-only float64.

    P : [S, A, S]
        P[s, a, s'] = Pr(s' | s, a).
    R : [S, A]
        Expected reward of a step.
    gamma : float
        Discount per step, 0 <= gamma < 1.
    start : [S]
        Distribution of s_0.

    Raises ValueError where a shape, a row sum, gamma or a reward can't be right.
    """

    P: np.ndarray
    R: np.ndarray
    gamma: float
    start: np.ndarray
    name: str = ""

    def __post_init__(self):
        P = np.asarray(self.P, dtype=np.float64)
        if P.ndim != 3 or P.shape[0] != P.shape[2] or 0 in P.shape:
            raise ValueError(f"P has shape {P.shape}, expected [S, A, S]")
        P = _check.distributions("P", P)
        R = _check.finite("R", self.R, P.shape[:2])
        start = _check.distributions("start", self.start, P.shape[:1])
        _check.set_frozen(self, P=P, R=R, start=start)
        object.__setattr__(self, "gamma", _check.discount("gamma", self.gamma))

    def __repr__(self):
        return (
            f"TabularMDP({self.name!r}, n_states={self.n_states}, "
            f"n_actions={self.n_actions}, gamma={self.gamma})"
        )

    @property
    def n_states(self):
        return self.P.shape[0]

    @property
    def n_actions(self):
        return self.P.shape[1]

    @classmethod
    def from_gymnasium(cls, id_or_env, gamma, **kwargs):
        """The table of a Gymnasium toy-text environment, e.g. "FrozenLake".

        An id without a version means the newest registered one; `kwargs` go to
        `gymnasium.make`. States that end an episode become absorbing, with reward 0.
        The environment's time limit is not part of the table.

        Raises TypeError for an environment without a table, and ValueError where its
        table can't say what the environment does.
        """
        import gymnasium

        if isinstance(id_or_env, str):
            env = gymnasium.make(_newest(id_or_env, gymnasium.registry), **kwargs)
            try:
                return cls.from_gymnasium(env, gamma)
            finally:
                env.close()
        if kwargs:
            raise TypeError(f"{', '.join(kwargs)}: only with an id, not with an env")
        world = getattr(id_or_env, "unwrapped", id_or_env)
        start = getattr(world, "initial_state_distrib", None)
        table = getattr(world, "P", None)
        if table is None or start is None:
            raise TypeError(
                f"id_or_env: {type(world).__name__} has no transition table, expected "
                "a toy-text environment such as FrozenLake, CliffWalking or Taxi"
            )
        if getattr(world, "fickle_passenger", False):
            raise ValueError("fickle_passenger isn't in Taxi's table: leave it False")
        spec = getattr(id_or_env, "spec", None)
        name = spec.id if spec is not None else type(world).__name__
        P, R = _read_table(table, np.asarray(start))
        return cls(P, R, gamma, start, name)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What is known exactly about one policy in one world (see `evaluate`)."""

    v: np.ndarray  # [S]
    q: np.ndarray  # [S, A]
    advantage: np.ndarray  # [S, A], q - v
    visitation: np.ndarray  # [S], unnormalised: sums to 1 / (1 - gamma)
    performance: float  # J
    pi: np.ndarray  # [S, A]


def evaluate(mdp, pi):
    """Exact v, q, A = q - v, visitation d and performance J of `pi` [S, A].

    v = (I - gamma P_pi)^-1 R_pi,  d = (I - gamma P_pi^T)^-1 start,  J = start . v.

    Source: the slide "The RL problem"; d is unnormalised, as in the lecture.
    """
    pi = _policy(mdp, pi)
    system = np.eye(mdp.n_states) - mdp.gamma * _transitions(mdp, pi)
    v = np.linalg.solve(system, (pi * mdp.R).sum(-1))
    q = mdp.R + mdp.gamma * mdp.P @ v
    # a state that is never visited may come out as -1e-18
    visitation = np.maximum(np.linalg.solve(system.T, mdp.start), 0)
    arrays = map(_check.frozen, (v, q, q - v[:, None], visitation))
    return Evaluation(*arrays, float(mdp.start @ v), _check.frozen(pi))


def policy_iteration(mdp, pi0=None):
    """The path of policy iteration from `pi0` (uniform): a list of Evaluation.

    Each step turns greedy in every state where some A > 1e-10 max(1, max|q|), and stops
    when there is none. (Stopping on an unchanged greedy action can cycle between ties;
    on an unchanged J, it can miss states that are not visited yet.)
    """
    path = [evaluate(mdp, uniform_policy(mdp) if pi0 is None else pi0)]
    while True:
        last = path[-1]
        better = last.advantage.max(-1) > 1e-10 * max(1, np.abs(last.q).max())
        if not better.any():
            return path
        path.append(evaluate(mdp, np.where(better[:, None], _greedy(last), last.pi)))


def optimal_policy(mdp):
    """A deterministic optimal policy [S, A]; ties go to the first action."""
    return _greedy(policy_iteration(mdp)[-1])


def uniform_policy(mdp):
    """Every action equally likely, [S, A]."""
    return np.full((mdp.n_states, mdp.n_actions), 1 / mdp.n_actions)


def random_policy(rng, n_states, n_actions):
    """A policy [S, A] whose rows are uniform on the simplex."""
    return rng.dirichlet(np.ones(n_actions), n_states)


def shared_policy(p, n_states=2):
    """One parameter for all states: Pr(action 1) = p, [S, 2]."""
    p = _check.fraction("p", p)
    return np.tile([1 - p, p], (n_states, 1))


def road_and_ice(gamma=0.9):
    """Two states, road and ice; two actions, slow and fast; the start is the road.

    Fast on the road earns 1 and leads to the ice with probability .9; fast on the ice
    stays there and costs .5; slow leads to the road and earns 0. With `shared_policy`
    a surrogate that looks good on the road makes things worse on the ice.
    """
    P = [[[1, 0], [0.1, 0.9]], [[1, 0], [0, 1]]]
    R = [[0, 1], [0, -0.5]]
    return TabularMDP(P, R, gamma, [1, 0], "road and ice")


def chain(n=5, gamma=0.9, slip=0.1):
    """States 0 ... n-1 in a row, starting at 0; actions left and right.

    A step goes the other way with probability `slip`, and stops at both ends.
    Action right in the last state earns 1, action left in the first .1.
    """
    _check.count("n", n)
    slip = _check.fraction("slip", slip)
    s = np.arange(n)
    left, right = np.maximum(s - 1, 0), np.minimum(s + 1, n - 1)
    P = np.zeros((n, 2, n))
    for action, there, back in ((0, left, right), (1, right, left)):
        np.add.at(P, (s, action, there), 1 - slip)
        np.add.at(P, (s, action, back), slip)
    R = np.zeros((n, 2))
    R[0, 0], R[-1, 1] = 0.1, 1
    return TabularMDP(P, R, gamma, s == 0, "chain")


def grid(rows=4, cols=4, gamma=0.9, slip=0.0):
    """A rows x cols grid, from the first cell to the absorbing last one, which earns 1.

    Actions left, down, right, up (FrozenLake's order), which stop at the walls; with
    probability `slip` the step goes in a uniformly random direction.
    State = row * cols + column.
    """
    _check.count("rows", rows)
    _check.count("cols", cols)
    slip = _check.fraction("slip", slip)
    n = rows * cols
    row, col = np.divmod(np.arange(n), cols)
    moves = ((0, -1), (1, 0), (0, 1), (-1, 0))
    there = [
        np.clip(row + dy, 0, rows - 1) * cols + np.clip(col + dx, 0, cols - 1)
        for dy, dx in moves
    ]
    step = np.stack([np.eye(n)[to] for to in there], axis=1)
    P = (1 - slip) * step + slip * step.mean(1, keepdims=True)
    P[-1] = np.eye(n)[-1]
    R = P[..., -1].copy()
    R[-1] = 0
    return TabularMDP(P, R, gamma, np.arange(n) == 0, "grid")


def random_mdp(rng, n_states=6, n_actions=3, gamma=0.9):
    """Rows of P and the start uniform on the simplex, rewards standard normal."""
    P = rng.dirichlet(np.ones(n_states), (n_states, n_actions))
    R = rng.standard_normal((n_states, n_actions))
    return TabularMDP(P, R, gamma, rng.dirichlet(np.ones(n_states)), "random")


def state_distributions(mdp, pi, horizon):
    """Pr(s_t = s) for t = 0 ... horizon-1, [T, S]; sum_t gamma^t of it tends to d."""
    _check.count("horizon", horizon)
    P_pi = _transitions(mdp, _policy(mdp, pi))
    rows = [mdp.start]
    for _ in range(horizon - 1):
        rows.append(rows[-1] @ P_pi)
    return np.array(rows)


@dataclass(frozen=True, eq=False)
class Trajectories:
    """n sampled paths of T steps; `states` holds one more column than the others."""

    states: np.ndarray  # int [n, T + 1]
    actions: np.ndarray  # int [n, T]
    rewards: np.ndarray  # [n, T]


def sample_trajectories(mdp, pi, n, horizon, rng):
    """n paths of `horizon` steps under `pi` [S, A], stepped together: Trajectories."""
    pi = _policy(mdp, pi)
    _check.count("n", n)
    _check.count("horizon", horizon)
    act, move = pi.cumsum(-1), mdp.P.cumsum(-1)
    states = np.empty((n, horizon + 1), dtype=np.int64)
    actions = np.empty((n, horizon), dtype=np.int64)
    states[:, 0] = _draw(np.tile(mdp.start.cumsum(), (n, 1)), rng)
    for t in range(horizon):
        s = states[:, t]
        actions[:, t] = a = _draw(act[s], rng)
        states[:, t + 1] = _draw(move[s, a], rng)
    return Trajectories(states, actions, mdp.R[states[:, :-1], actions])


def _draw(cumulative, rng):
    """An index per row of cumulative probabilities [n, K]; none of probability 0."""
    u = rng.random((len(cumulative), 1)) * cumulative[:, -1:]
    return (cumulative <= u).sum(-1)


def _transitions(mdp, pi):
    """P_pi(s'|s) = sum_a pi(a|s) P(s'|s,a), [S, S]."""
    return (pi[:, None, :] @ mdp.P)[:, 0]


def _greedy(evaluation):
    """The first action whose A is the largest but for rounding, as a policy [S, A]."""
    A = evaluation.advantage
    tie = 1e-11 * max(1, np.abs(evaluation.q).max())
    best = np.argmax(A.max(-1, keepdims=True) - tie <= A, axis=-1)
    return np.eye(A.shape[1])[best]


def _policy(mdp, pi):
    return _check.distributions("pi", pi, (mdp.n_states, mdp.n_actions))


def _newest(env_id, registry):
    """`env_id`, with the newest registered version if it names none."""
    versions = [
        spec.version
        for spec in registry.values()
        if spec.version is not None and spec.id.rpartition("-v")[0] == env_id
    ]
    return f"{env_id}-v{max(versions)}" if versions else env_id


def _read_table(table, start):
    """P [S, A, S] and R [S, A] from lists of (Pr, s', reward, terminated)."""
    n_states, n_actions = len(table), len(table[0])
    P = np.zeros((n_states, n_actions, n_states))
    R = np.zeros((n_states, n_actions))
    goes_on = np.zeros((n_states, n_states), dtype=bool)
    final = np.zeros(n_states, dtype=bool)
    for s in range(n_states):
        for a in range(n_actions):
            for probability, to, reward, terminated in table[s][a]:
                P[s, a, to] += probability
                R[s, a] += probability * reward
                if probability > 0 and terminated:
                    final[to] = True
                elif probability > 0:
                    goes_on[s, to] = True
    P[final] = np.eye(n_states)[final][:, None]
    R[final] = 0
    reached = start > 0
    while True:
        more = reached | (P[reached].sum((0, 1)) > 0)
        if (more == reached).all():
            break
        reached = more
    # Taxi has such steps, but only out of states that no episode can be in
    unclear = goes_on[reached & ~final][:, final].any(0)
    if unclear.any():
        state = np.flatnonzero(final)[unclear][0]
        raise ValueError(
            f"P: the table says both that state {state} ends an episode and not"
        )
    return P, R
