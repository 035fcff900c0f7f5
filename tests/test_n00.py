"""What page 00 claims beyond its own cells."""

import base64
import json
from pathlib import Path

import gymnasium
import numpy as np
import pytest

from trpo_lite.course import n00
from trpo_lite.mdp import (
    evaluate,
    random_mdp,
    random_policy,
    road_and_ice,
    sample_trajectories,
    shared_policy,
)
from trpo_lite.policies import LinearSoftmax
from trpo_lite.rollout import collect
from trpo_lite.train import evaluate_policy, train

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"


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


def test_todays_drives_do_meet_ice():
    """By driving: a car meets ice unless each step before stayed on the road."""
    world, rng = road_and_ice(), np.random.default_rng(0)
    s = sample_trajectories(world, shared_policy(0.1), 100_000, 20, rng).states
    on_ice = s == 1
    assert on_ice[:, :6].any(1).mean() == pytest.approx(0.38, abs=0.005)
    assert on_ice[:, :20].any(1).mean() == pytest.approx(0.83, abs=0.005)
    for p, share in ((0.1, 0.08), (1.0, 0.89)):
        s = sample_trajectories(world, shared_policy(p), 20_000, 100, rng).states
        time = (s[:, :100] == 1).mean(0) @ (0.1 * 0.9 ** np.arange(100))
        assert time == pytest.approx(share, abs=0.006)


def test_the_promise_counts_the_cost_of_the_ice_by_todays_visits():
    world, old = road_and_ice(), evaluate(road_and_ice(), shared_policy(0.1))
    _, L, truth = n00.promise_and_truth()
    gain = (shared_policy(1.0) * old.advantage).sum(1)
    assert L[-1] == pytest.approx(old.visitation @ gain)
    # the same advantages by the visits of the new driver are the truth
    assert truth[-1] == pytest.approx(
        evaluate(world, shared_policy(1.0)).visitation @ gain
    )


def test_the_readme_shows_the_page_s_first_picture():
    page = json.loads((NOTEBOOKS / "00_start_here.ipynb").read_text(encoding="utf-8"))
    (cell,) = [c for c in page["cells"] if c["id"] == "promise"]
    shown = base64.b64decode("".join(cell["outputs"][0]["data"]["image/png"]))
    copy = NOTEBOOKS / "figures/promise_and_truth.png"
    assert copy.read_bytes() == shown, f"copy the page's picture to {copy.name}"


def long_cartpole():
    return gymnasium.make("CartPole-v1", max_episode_steps=2000)


def with_bar(policy, factor):
    """The policy whose weights of the cart's position are multiplied by `factor`."""
    weights = policy.weights.copy()
    weights[0] *= factor
    return policy.with_theta(weights.ravel())


class Likelier:
    """Who takes the likelier action, as in the page's test."""

    def __init__(self, policy):
        self.policy = policy

    def sample(self, observations, rng):
        return self.policy.mode(observations)


def played(policy, steps=10_000):
    """A batch of 20 CartPoles side by side, by the likelier action."""
    env = gymnasium.make_vec("CartPole-v1", 20, vectorization_mode="sync")
    return collect(env, Likelier(policy), steps, np.random.default_rng(0))[0]


def test_a_cart_on_the_right_is_mostly_pushed_further():
    """Training is chaotic: what is asked holds with room for another machine."""
    short, long, ends = [], [], []
    for seed in range(20):
        policy = train("CartPole-v1", seed=seed, until=475, progress=False).policy
        if n00.right_weights(policy)[0] > 0:
            bars = [with_bar(policy, factor) for factor in (1, -1)]
            for kept, env, episodes in ((short, "CartPole-v1", 100),
                                        (long, long_cartpole, 20)):  # fmt: skip
                kept.append([evaluate_policy(env, x, episodes).mean() for x in bars])
            turned = played(bars[1])
            ends.append(turned.next_observations[turned.terminated])
    place, _, angle, _ = np.abs(np.concatenate(ends)).T
    assert len(place) > 20 and (place > 2.4).all()  # no pole falls
    assert (np.degrees(angle) < 12).all()
    short, long = np.array(short), np.array(long)
    assert 12 <= len(short) <= 18 and (short[:, 0] == 500).sum() >= len(short) - 3
    assert (short[:, 1] < short[:, 0]).sum() >= 10
    assert 0.2 < np.median(1 - long[:, 1] / long[:, 0]) < 0.6


def test_cartpole_s_rules_are_those_that_the_page_gives():
    """Once each: the pole leans too far, the cart leaves its track, time is up."""
    env = gymnasium.make("CartPole-v1").unwrapped
    for state, ended in (
        ((0, 0, np.radians(11.9), 0), False),
        ((0, 0, np.radians(12.1), 0), True),
        ((2.39, 0, 0, 0), False),
        ((-2.41, 0, 0, 0), True),
    ):
        env.reset(seed=0)
        env.state = np.array(state, float)
        _, reward, terminated, truncated, _ = env.step(0)  # position first, no speed
        assert (reward, terminated, truncated) == (1.0, ended, False)
    spec = gymnasium.spec("CartPole-v1")
    assert (spec.max_episode_steps, spec.reward_threshold) == (500, 475.0)


def test_the_bars_deviations_are_those_of_all_practice():
    """The policy at the end lets the pole lean far less than its practice did."""
    history = train("CartPole-v1", seed=0, until=475, progress=False)
    practice = history.policy.features.std
    own = played(history.policy).observations.std(0)
    assert own[2] < practice[2] / 3
    coin = history.policy.with_theta(np.zeros(10))
    env = gymnasium.make_vec("CartPole-v1", 20, vectorization_mode="sync")
    falls = collect(env, coin, 10_000, np.random.default_rng(0))[0].observations
    assert own[2] < practice[2] < falls.std(0)[2]  # a mixture of both


def test_a_third_is_left_after_the_reach_and_a_quarter_at_one_half():
    for gamma in (0.8, 0.9, 0.95, 0.99):
        assert gamma ** (1 / (1 - gamma)) == pytest.approx(1 / 3, abs=0.035)
    assert 0.5 ** (1 / (1 - 0.5)) == 0.25


def test_pole_angles_start_near_zero_and_end_past_the_limit_without_a_policy():
    angles = n00.pole_angles(lambda observation: 0, seed=3)
    assert abs(angles[0]) < 3
    assert 12 <= abs(angles[-1]) < 20  # always pushing left tips it within 200 steps
    assert len(angles) < 50


def test_how_long_the_coin_s_pole_stands():
    rng, env = np.random.default_rng(3), gymnasium.make("CartPole-v1")
    env.reset(seed=3)
    steps, ended = 0, False
    while not ended:  # the pole's fall ends an episode
        _, _, ended, cut, _ = env.step(int(rng.integers(2)))
        assert not cut
        steps += 1
    env.close()
    assert steps == len(n00.random_pushes(seed=3)) - 1 == 15


def test_right_weights_say_which_way_each_measurement_pushes():
    theta = np.zeros((5, 2))
    theta[2] = -1, 1  # a pole leaning right pushes right
    assert n00.right_weights(LinearSoftmax(theta.ravel(), 2)).tolist() == [0, 0, 2, 0]


def test_each_setting_of_the_widget_draws_its_own_weights():
    for settings in n00.weights.settings():
        step, *reach = n00.draw_weights(**settings).axes[0].lines
        expected = settings["gamma"] ** np.arange(settings["horizon"])
        assert np.allclose(step.get_ydata(), expected)
        words = n00.weights.words(**settings)
        assert ("dashed line" in words) == bool(reach)
        assert f"{1 / (1 - settings['gamma']):.1f} steps" in words


def test_which_pages_break_their_method_and_which_open_with_questions():
    """Pages 01 to 17 break it; 01 to 18 ask; 01 shows the world that others name."""
    broken, asking, world = [], [], []
    for path in sorted(NOTEBOOKS.glob("[0-9A]*_*.ipynb")):
        text = path.read_text(encoding="utf-8")
        number = path.name.split("_")[0]
        broken += [number] if "**Break it.**" in text else []
        asking += [number] if '"## Recall' in text else []
        world += [number] if '"## A world in four tables' in text else []
    numbers = [f"{n:02d}" for n in range(19)]
    assert broken == numbers[:18]  # 00 only names it
    assert asking == numbers[1:]
    assert world == ["01"]


# --- where to begin: each right answer found in another way, and the others wrong


def right(number):
    return "abcd".index(n00.begin.questions[number - 1].right)


def test_the_page_asks_what_is_checked():
    page = json.loads((NOTEBOOKS / "00_start_here.ipynb").read_text(encoding="utf-8"))
    text = {cell["id"]: "".join(cell["source"]) for cell in page["cells"]}
    assert text["begin-numpy"] == n00.begin.asked(1, 3)
    assert text["begin-rl"] == n00.begin.asked(4, 7)
    assert text["begin-gradients"] == n00.begin.asked(8, 10)
    assert text["begin-answers"] == n00.begin.answers()
    count = len(n00.begin.questions)
    assert text["begin-check"] == f'lesson.begin.check("{"." * count}")'
    for number, (title, file) in n00.begin.pages.items():
        assert title.startswith(f"{number} · ")
        other = json.loads((NOTEBOOKS / file).read_text(encoding="utf-8"))
        assert "".join(other["cells"][0]["source"]).startswith(f"# {title}\n")


def test_who_knows_all_begins_after_the_pages_asked_for():
    letters = "".join(q.right for q in n00.begin.questions)
    assert n00.begin.first(letters) == ("04", False)
    for n, question in enumerate(n00.begin.questions):
        page, numpy = n00.begin.first(f"{letters[:n]}.{letters[n + 1 :]}")
        assert (page, numpy) == (
            ("04", True) if question.page == "NumPy" else (question.page, False)
        )
    assert len({*letters}) == 4  # no letter is a good guess


def test_numpy_answers_the_questions_on_numpy():
    shapes = [(3,), (4,), (4, 1), (1, 3)]
    assert shapes.index(np.zeros((4, 3)).sum(axis=1).shape) == right(1)
    pi, s, a = np.arange(6).reshape(2, 3), np.array([0, 1, 1]), np.array([2, 0, 0])
    assert pi[s, a].tolist() == [pi[x, y] for x, y in zip(s, a)] and right(2) == 0
    d, A = np.arange(5.0), np.ones((5, 3)) * np.arange(3)
    names = {"d": d, "A": A, "None": None}
    wanted, found = [d[s] * A[s] for s in range(5)], []
    for k, code in enumerate(n00.begin.questions[2].answers):
        try:
            came = eval(code.strip("`"), names)
        except ValueError:
            continue
        found += [k] if np.shape(came) == (5, 3) and np.allclose(came, wanted) else []
    assert found == [right(3)]


def test_a_world_answers_the_questions_on_values():
    rng = np.random.default_rng(0)
    world = random_mdp(rng, n_states=4, n_actions=3)
    old, new = (evaluate(world, random_policy(rng, 4, 3)) for _ in range(2))
    assert float((0.9 ** np.arange(1000)).sum()) == pytest.approx(
        (0.9, 9, 10)[right(4)]
    )
    v, after = old.v, world.P @ old.v
    four = (
        (world.R + world.gamma * after).max(1),
        (old.pi * world.R).sum(1) + world.gamma * v,
        (old.pi * (world.R + world.gamma * after)).sum(1),
        (old.pi * (world.R + after)).sum(1),
    )
    assert [np.allclose(v, x) for x in four].index(True) == right(5)
    assert sum(np.allclose(v, x) for x in four) == 1
    assert np.allclose((old.pi * old.advantage).sum(1), 0) and right(6) == 0
    pairs = (old, old), (old, new), (new, old), (new, new)
    sums = [d.visitation @ (e.pi * old.advantage).sum(1) for d, e in pairs]
    gain = new.performance - old.performance
    assert [np.isclose(gain, x) for x in sums] == [k == right(7) for k in range(4)]


def test_a_softmax_answers_the_questions_on_gradients():
    rng = np.random.default_rng(1)
    world, theta = random_mdp(rng, n_states=4, n_actions=3), rng.normal(size=(4, 3))

    def pi(theta):
        return np.exp(theta) / np.exp(theta).sum(1, keepdims=True)

    def J(nudge):
        return evaluate(world, pi(theta + nudge)).performance

    old = evaluate(world, pi(theta))
    slope, mean = np.zeros((4, 3)), np.zeros((4, 4, 3))
    for s, b in np.ndindex(4, 3):
        e = np.zeros((4, 3))
        e[s, b] = 1e-5
        slope[s, b] = (J(e) - J(-e)) / 2e-5
        p, A = old.pi[s], old.advantage[s]
        score = np.eye(3)[b] - p[b]  # of log pi(a|s) in theta[s, b], [a]
        terms = score * A, p * score * A, np.log(p) * A, score
        mean[:, s, b] = [old.visitation[s] * p @ term for term in terms]
    near = [np.allclose(slope, m, atol=1e-7) for m in mean]
    assert near == [k == right(9) for k in range(4)]
    assert np.allclose(mean[3], 0)  # as its reason says
    # the ratio, from draws of an action of probability .2
    taken = rng.random(200_000) < 0.2
    weights = 0.4, 2.5, 0.3, 1
    assert [abs(w * taken.mean() - 0.5) < 0.01 for w in weights].index(True) == right(8)
    # what the change of the visits is multiplied by
    assert np.allclose((old.pi * old.advantage).sum(1), 0) and right(10) == 2
