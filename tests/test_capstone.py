"""Page 18's file: the solution, the checks of its pieces, and how files are judged."""

import ast
import inspect
import io
import re
import time
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from tests import capstone_loops
from tests.capstone_mutants import accepted, changed
from tests.capstone_same import EQUIVALENT
from trpo_lite import advantage, conjugate_gradient, rollout, trpo
from trpo_lite.course import capstone
from trpo_lite.course.capstone import run, solution, starter, worker
from trpo_lite.course.capstone.follow import complaint, policy_of
from trpo_lite.course.capstone.pieces import pieces, slip, source_of, what_is_drawn
from trpo_lite.course.capstone.tasks import TASKS
from trpo_lite.features import fourier_features, linear_features
from trpo_lite.policies import LinearGaussian, LinearSoftmax

NAMES = [name for piece in pieces for name in piece.names]
MISTAKES = [
    pytest.param(piece, text, id=f"{piece.name}: {text}")
    for piece in pieces
    for text in piece.exercise.mistakes
]


def of(module, piece):
    return {name: getattr(module, name) for name in piece.names}


def by_name(piece):
    return piece.name


# --- the solution


def test_the_solution_is_short_and_needs_numpy_alone():
    text = Path(solution.__file__).read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 200
    imports = [
        ast.unparse(n) for n in ast.walk(ast.parse(text))
        if isinstance(n, (ast.Import, ast.ImportFrom))
    ]  # fmt: skip
    assert imports == ["import numpy as np"]


def policies():
    rng = np.random.default_rng(1)
    phi = rng.standard_normal((30, 4))
    yield "softmax", LinearSoftmax(rng.standard_normal(12), 3), phi, rng
    theta = 0.3 * rng.standard_normal(10)
    yield "gaussian", LinearGaussian(theta, 2), phi, rng


@pytest.mark.parametrize("kind, policy, phi, rng", [*policies()])
def test_the_solutions_policies_are_the_packages(kind, policy, phi, rng):
    mine, theta = policy_of(kind), policy.theta
    new = theta + 0.5 * rng.standard_normal(theta.size)
    actions, weights = policy.sample(phi, rng), rng.standard_normal(30)
    old, v = policy.at(phi), rng.standard_normal(theta.size)
    for came, expected in (
        (mine.log_prob(theta, phi, actions), old.log_prob(actions)),
        (mine.score(theta, phi, actions, weights), old.score_sum(actions, weights)),
        (mine.kl(theta, new, phi), old.kl(old.with_theta(new))),
        (mine.fisher(theta, phi, v), old.fisher_product(v)),
    ):
        np.testing.assert_allclose(came, expected, rtol=1e-9, atol=1e-11)
    A = 3 + rng.standard_normal(30)
    for delta in (0.01, 1.0):
        mine_new = solution.update(mine, theta, phi, actions, A, delta)
        batch = rollout.Samples(phi, actions)
        theirs, _ = trpo.trpo_update(
            policy, batch, advantage.normalize(A), delta, damping=1e-3
        )
        np.testing.assert_allclose(mine_new, theirs.theta, rtol=1e-7, atol=1e-9)


def test_the_solutions_features_baseline_and_cg_are_the_packages():
    rng = np.random.default_rng(2)
    s, mean, std = rng.standard_normal((40, 3)), rng.standard_normal(3), np.ones(3) * 2
    wave = fourier_features(3, 5, 2.0, rng).with_moments(mean, std)
    line = linear_features(3).with_moments(mean, std)
    came = solution.features(s, mean, std, (wave.frequencies, wave.phases))
    np.testing.assert_allclose(came, wave(s), atol=1e-12)
    np.testing.assert_allclose(
        solution.features(s, mean, std, None), line(s), atol=1e-12
    )
    t, y = rng.integers(50, size=40), rng.standard_normal(40)
    mine = solution.predict_value(solution.fit_value(s, t, y), 2 * s, t)
    theirs = advantage.LinearValue().fit(s, t, y).predict(2 * s, t)
    np.testing.assert_allclose(mine, theirs, rtol=1e-6, atol=1e-8)
    m = rng.standard_normal((6, 6))
    found = conjugate_gradient.conjugate_gradient((m @ m.T).__matmul__, y[:6], 4)
    np.testing.assert_allclose(
        solution.cg((m @ m.T).__matmul__, y[:6], 4), found.x, rtol=1e-8
    )
    moments, whole = None, rollout.RunningMoments.zeros(3)
    for rows in (s[:7], s[7:9], s[9:]):
        moments, whole = solution.moments(moments, rows), whole.update(rows)
    np.testing.assert_allclose(moments[1], whole.mean)
    np.testing.assert_allclose(np.sqrt(moments[2]), whole.std)


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_the_solution_collects_what_the_package_collects(mode):
    """Pendulum, cut at 20 steps and pushed beyond its bounds, in two batches."""

    def make():
        env = gymnasium.make("Pendulum-v1", max_episode_steps=20)
        return env

    class Pushes:
        def sample(self, s, rng):
            return 4 * s[:, :1]

    def environments():
        return gymnasium.vector.SyncVectorEnv([make] * 3, autoreset_mode=mode)

    env, rng = environments(), np.random.default_rng(0)
    theirs, state = rollout.collect(env, Pushes(), 3 * 35, rng)
    later, _ = rollout.collect(env, Pushes(), 3 * 30, rng, state)
    mine = environments()
    mine.reset(seed=int(np.random.default_rng(0).integers(2**31)))
    first = mine.reset
    seed = int(np.random.default_rng(0).integers(2**31))
    mine.reset = lambda: first(seed=seed)
    state = None
    for T, batch in ((35, theirs), (30, later)):
        found, state = solution.collect(mine, lambda s: 4 * s[:, :1], T, state)
        ok = found["valid"]
        assert np.array_equal(ok, batch.valid)
        np.testing.assert_allclose(found["s"][ok], batch.observations, atol=1e-6)
        np.testing.assert_allclose(found["a"][ok], batch.actions, atol=1e-5)
        np.testing.assert_allclose(found["r"][ok], batch.rewards, atol=1e-6)
        np.testing.assert_allclose(
            found["next_s"][ok], batch.next_observations, atol=1e-6
        )
        assert np.array_equal(found["truncated"][ok], batch.truncated)
        assert np.array_equal(found["t"][ok], batch.time)
        v, next_v = np.random.default_rng(1).standard_normal((2, *ok.shape))
        ends = found["terminated"], found["truncated"]
        A = solution.gae(found["r"], v, next_v, *ends, 0.95, 0.9)
        expected = advantage.gae(batch, v[ok], next_v[ok], 0.95, 0.9)
        np.testing.assert_allclose(A[ok], expected, atol=1e-6)


# --- the pieces


def test_the_starter_has_the_solutions_functions_untouched():
    for name in NAMES:
        one, other = getattr(starter, name), getattr(solution, name)
        assert list(inspect.signature(one).parameters) == list(
            inspect.signature(other).parameters
        )
        assert one.__doc__
    for piece in pieces:
        assert piece.judge(of(starter, piece))[:2] == ("todo", "not attempted yet.")
        assert piece.judge({}) == ("todo", "not attempted yet.", ())


@pytest.mark.parametrize("module", [solution, capstone_loops])
@pytest.mark.parametrize("piece", pieces, ids=by_name)
def test_right_functions_are_ok(piece, module):
    kind, text, _ = piece.judge(of(module, piece))
    assert kind == "ok", text


@pytest.mark.parametrize("piece, text", MISTAKES)
def test_each_slip_is_told_by_its_name(piece, text):
    kind, told, _ = piece.exercise.judge(piece.exercise.mistakes[text])
    assert (kind, told) == ("retry", f"{text}.")


@pytest.mark.parametrize("piece", pieces, ids=by_name)
def test_every_mutant_of_the_solution_is_told_or_is_the_same_function(piece):
    kept = [text for text, made in changed(piece) if accepted(piece, made)]
    known = EQUIVALENT.get(piece.name, {})
    assert kept == [text for text in kept if text in known]
    assert set(known) == set(kept), "declared the same, but told"
    assert all(len(reason) > 10 for reason in known.values())


@pytest.mark.parametrize("piece", pieces, ids=by_name)
def test_odd_answers_are_told_and_none_raises(piece):
    n = len(piece.exercise.case(0))
    odd = [
        lambda *a: None,
        lambda *a: ...,
        lambda *a: [[1.0], [2.0, 3.0]],
        lambda *a: {"a": 1},
        lambda *a: 1 / 0,
        lambda: 1,
        lambda *a: np.array([object()]),
        *(lambda *a, i=i: a[min(i, len(a) - 1)] for i in range(n)),
    ]
    for answer in odd:
        kind, text, _ = piece.judge({name: answer for name in piece.names})
        assert kind == "retry" and text
        assert not any(text == f"{m}." for m in piece.exercise.mistakes)
    kind, text, _ = piece.judge({name: 3 for name in piece.names})
    assert (kind, text) == ("retry", f"{piece.name} is no function.")


def test_each_piece_can_be_had_by_its_name():
    from trpo_lite.course.capstone import pieces as module

    for piece in pieces:
        assert getattr(module, piece.name) is piece
        assert len(piece.case(0)) > 1


@pytest.mark.parametrize("kind", ["softmax", "gaussian"])
def test_common_slips_that_the_engine_knows_by_itself(kind):
    def told(name, function):
        piece = next(p for p in pieces if p.name == f"{kind}_{name}")
        return piece.judge({piece.name: function})[1]

    right = policy_of(kind)
    text = told("kl", lambda theta, new, phi: right.kl(new, theta, phi))
    assert text == "the arguments theta and new are exchanged."
    text = told(
        "score",
        lambda theta, phi, actions, weights: (
            right.score(theta, phi, actions, weights) / len(phi)
        ),
    )
    assert text.startswith("1/N of the right answer: a mean where a sum was meant")
    text = told("log_prob", lambda *case: print(right.log_prob(*case)))
    assert text.startswith("it prints, but returns nothing")


def judged(name, function):
    piece = next(p for p in pieces if p.name == name)
    return piece.judge({name: function})[:2]


@pytest.mark.parametrize("power", range(-10, -3))
def test_a_loose_stop_of_cg_is_told(power):
    loose = slip(("cg",), [("1e-20", f"1e{power}")])["cg"]
    told = "it stops too early: r.r against 1e-20 b.b, as both sides are squared."
    assert judged("cg", loose) == ("retry", told)


@pytest.mark.parametrize("stop", ["1e-16", "1e-14", "1e-3"])
def test_other_loose_stops_of_cg_are_not_ok(stop):
    assert judged("cg", slip(("cg",), [("1e-20", stop)])["cg"])[0] == "retry"


def test_products_too_many_are_told_where_they_are():
    start = slip(("cg",), [("np.zeros_like(b), b, b", "np.zeros_like(b), b, b\n"
                            "    p = r = b - matvec(x)")])  # fmt: skip
    kind, text = judged("cg", start["cg"])
    assert kind == "retry" and "more products than iterations allow. At x = 0 the" in (
        text
    )
    assert "residual is b: it takes no product" in text
    twice = slip(("cg",), [("Ap = matvec(p)", "Ap = matvec(p) + 0 * matvec(p)")])
    kind, text = judged("cg", twice["cg"])
    assert kind == "retry" and "One for each iteration, A p, is enough" in text


SQUARES = {
    "sums": lambda n, m, v, k, a, b: (
        (n * (v + m**2) + k * (b + a**2)) / (n + k) - ((n * m + k * a) / (n + k)) ** 2
    ),
    "shares": lambda n, m, v, k, a, b: (
        n / (n + k) * (v + m * m) + k / (n + k) * (b + a * a)
        - (m + k / (n + k) * (a - m)) ** 2
    ),
    "by means": lambda n, m, v, k, a, b: (
        (1 - k / (n + k)) * (v + m**2) + k / (n + k) * (b + a**2)
        - (n / (n + k) * m + k / (n + k) * a) ** 2
    ),
}  # fmt: skip


@pytest.mark.parametrize("make", SQUARES)
def test_lost_digits_of_moments_are_told_in_every_make(make):
    def moments(old, s):
        if old is None:
            return len(s), s.mean(0), s.var(0)
        both = *old, len(s), s.mean(0), s.var(0)
        n, mean, _ = solution.moments(old, s)
        return n, mean, SQUARES[make](*both)

    told = "mean of squares less square of the mean: far from 0 all digits are lost."
    kind, text = judged("moments", moments)
    assert kind == "retry" and text.endswith(told)

    def other(old, s):  # a wrong number where digits could be lost is not that
        n, mean, var = solution.moments(old, s)
        return n, mean, var + (abs(mean[0]) > 1e6)

    assert not judged("moments", other)[1].endswith(told)


def test_an_overflow_does_not_hide_the_slip_before_it():
    def log_prob(theta, phi, actions):  # the log forgotten, the largest logit not off
        p = np.exp(phi @ theta.reshape(phi.shape[1], -1))
        return (p / p.sum(1, keepdims=True) + 0.1)[np.arange(len(p)), actions]

    piece = next(p for p in pieces if p.name == "softmax_log_prob")
    kind, text, details = piece.judge({"softmax_log_prob": log_prob})
    assert kind == "retry" and "NaN" not in text
    assert details[0].startswith("input 0, entry [0]: came")


@pytest.mark.parametrize("width", [0.1, 0.2, 0.3])
@pytest.mark.parametrize("least", ["", "np.minimum(ratio * A, "])
def test_an_L_with_a_clipped_ratio_is_told(width, least):
    clipped = f"np.clip(ratio, {1 - width}, {1 + width}) * A"
    L = f"np.mean({least}{clipped}{')' if least else ''} - A)"
    assert judged("update", slip(("update",), [("np.mean((ratio - 1) * A)", L)])[
        "update"])[0] == "retry"  # fmt: skip


def test_a_sum_of_scores_that_is_a_mean_in_one_part_is_told():
    def score(theta, phi, actions, weights):
        right = solution.gaussian_score(theta, phi, actions, weights)
        return right / len(phi)

    text = "1/N of the right answer: a mean where a sum was meant, or a second one."
    assert judged("gaussian_score", score) == ("retry", text)


def test_half_of_a_pair_is_told():
    baseline = next(p for p in pieces if p.name == "fit_value")
    half = {"fit_value": solution.fit_value, "predict_value": starter.predict_value}
    assert baseline.judge(half)[:2] == ("todo", "predict_value is missing.")


@pytest.mark.parametrize("piece", pieces, ids=by_name)
def test_hints_grow_and_the_source_runs(piece):
    hints = piece.exercise.hints
    assert len(set(hints)) == len(hints) >= 3
    names = dict(np=np, ENDS=solution.ENDS)
    for other in pieces:  # what it calls
        names.update(of(solution, other))
    names.update(
        {h: getattr(solution, h) for h in ("features", "moments")},
    )
    exec(source_of(piece.names), names)
    made = {name: names[name] for name in piece.names}
    assert piece.judge(made)[0] == "ok"


DRAWS = {
    "softmax": {
        "the likeliest action is always taken": (
            lambda theta, phi, rng: solution.log_softmax(theta, phi).argmax(1)
        ),
        "the actions have shape": lambda theta, phi, rng: 0,
        "expected whole numbers": lambda theta, phi, rng: rng.random(len(phi)),
        "the same rng gives other actions": (
            lambda theta, phi, rng: np.random.default_rng().integers(2, size=len(phi))
        ),
        "its probability is": lambda theta, phi, rng: rng.integers(4, size=len(phi)),
    },
    "gaussian": {
        "is 1, not sigma": lambda theta, phi, rng: noisy(theta, phi, rng, np.ones_like),
        "is sigma's square": lambda theta, phi, rng: noisy(theta, phi, rng, np.square),
        "is log sigma, not sigma": (
            lambda theta, phi, rng: noisy(theta, phi, rng, lambda x: np.log(x))
        ),
        "share one random number": lambda theta, phi, rng: shared(theta, phi, rng),
        "not normally distributed": lambda theta, phi, rng: uniform(theta, phi, rng),
        "nothing is drawn at random": (
            lambda theta, phi, rng: solution.mean_and_sigma(theta, phi)[0]
        ),
        "has mean": lambda theta, phi, rng: (
            1 + solution.gaussian_sample(theta, phi, rng)
        ),
    },
}


def noisy(theta, phi, rng, change):
    mean, sigma = solution.mean_and_sigma(theta, phi)
    return mean + change(sigma) * rng.standard_normal(mean.shape)


def shared(theta, phi, rng):
    mean, sigma = solution.mean_and_sigma(theta, phi)
    return mean + sigma * rng.standard_normal((len(phi), 1))


def uniform(theta, phi, rng):
    mean, sigma = solution.mean_and_sigma(theta, phi)
    return mean + sigma * np.sqrt(3) * rng.uniform(-1, 1, mean.shape)


@pytest.mark.parametrize(
    "kind, words", [(kind, words) for kind in DRAWS for words in DRAWS[kind]]
)
def test_wrong_draws_are_told(kind, words):
    piece = next(p for p in pieces if p.name == f"{kind}_sample")
    case = piece.case(0)
    with np.errstate(all="ignore"):
        assert words in what_is_drawn(kind, DRAWS[kind][words], *case)
    kind_of, text, _ = piece.judge({piece.name: DRAWS[kind][words]})
    assert kind_of == "retry" and words in text


# --- the loop


FIRST = "            scale = seen[1], np.sqrt(seen[2])\n            value"
UPDATE = 'update(policy, theta, phi, batch["a"][ok], A[ok], delta)'
ADVANTAGES = 'gae(r, v, V(batch["next_s"], batch["t"] + 1), *ends, gamma, lam)'
SAMPLE = "return policy.sample(theta, features(s, *scale, waves), rng)"
LOOPS = {
    "state is not handed on": [("(env, act, T, state)", "(env, act, T, None)")],
    "does not start at the theta that update 0 gave": [
        (f"        theta = {UPDATE}", f"        {UPDATE}"),
    ],
    "update gets delta": [("A[ok], delta)", "A[ok], 2 * delta)")],
    "collect is called 3 times for updates = 4": [
        ("range(updates)", "range(max(1, updates - 1))"),
    ],
    "collect gets T": [("collect(env, act, T,", "collect(env, act, T + 1,")],
    "the scale moves between acting and updating": [
        ("phi, used = features(s, *scale, waves), scale",
         "scale = used = seen[1], np.sqrt(seen[2])\n"
         "        phi = features(s, *scale, waves)"),
    ],
    "the scale is that of the last batch alone": [
        ("seen = moments(seen, s)", "seen = moments(None, s)"),
    ],
    "rows that only reset are counted in the scale: use valid rows only": [
        ("seen = moments(seen, s)", 'seen = moments(seen, batch["s"].reshape(-1, 3))'),
    ],
    "counted in the scale: use valid rows only": [  # from the second batch on
        ("seen = moments(seen, s)", 'seen = moments(seen, batch["s"].reshape(-1, 3))'),
        (FIRST,
         "            first = moments(None, s)\n"
         "            scale = first[1], np.sqrt(first[2])\n            value"),
    ],
    "std is given the variance": [
        (FIRST,
         "            scale = seen[1], seen[2]\n            value"),
    ],
    "does not use the first batch's own scale": [
        (FIRST, "            value"),
    ],
    "gae gets terminated and truncated exchanged": [
        ("[batch[k] for k in ENDS]", "[batch[k] for k in ENDS[::-1]]"),
    ],
    "gae gets lam": [("*ends, gamma, lam)", "*ends, gamma, 1.0)")],
    "is judged by V = 0": [
        ('v = V(batch["s"], batch["t"])', 'v = 0 * V(batch["s"], batch["t"])'),
    ],
    "V is fitted to the very batch that it then judges": [
        ('        v = V(batch["s"], batch["t"])',
         '        v = V(batch["s"], batch["t"])\n'
         f"        A = {ADVANTAGES}\n"
         "        value = fit_value(s, t, (v + A)[ok])\n"
         '        v = V(batch["s"], batch["t"])'),
    ],
    "lam goes into the first returns": [("gamma, 1.0)[ok]", "gamma, lam)[ok]")],
    "the first V is fitted to rows that only reset, too": [
        ("fit_value(s, t, gae(r, 0 * r, 0 * r, *ends, gamma, 1.0)[ok])",
         'fit_value(batch["s"].reshape(-1, 3), batch["t"].ravel(), '
         "gae(r, 0 * r, 0 * r, *ends, gamma, 1.0).ravel())"),
    ],
    "the first V is fitted to rewards": [
        ("gae(r, 0 * r, 0 * r, *ends, gamma, 1.0)[ok]", "r[ok]"),
    ],
    "v is asked at t = 0": [
        ('v = V(batch["s"], batch["t"])', 'v = V(batch["s"], 0 * batch["t"])'),
    ],
    "v is asked at t + 1": [
        ('v = V(batch["s"], batch["t"])', 'v = V(batch["s"], batch["t"] + 1)'),
    ],
    "next_v is asked at t = 0": [
        ('V(batch["next_s"], batch["t"] + 1)', 'V(batch["next_s"], 0 * batch["t"])'),
    ],
    "next_v is asked at t = 1": [
        ('V(batch["next_s"], batch["t"] + 1)',
         'V(batch["next_s"], 0 * batch["t"] + 1)'),
    ],
    "next_v is asked at t,": [
        ('V(batch["next_s"], batch["t"] + 1)', 'V(batch["next_s"], batch["t"])'),
    ],
    "next_v is v of the next row": [
        ('V(batch["next_s"], batch["t"] + 1)', "np.vstack([v[1:], v[-1:]])"),
    ],
    "V is fitted to the advantages": [
        ("value = fit_value(s, t, (v + A)[ok])", "value = fit_value(s, t, A[ok])"),
    ],
    "V is fitted to the rewards": [
        ("value = fit_value(s, t, (v + A)[ok])", "value = fit_value(s, t, r[ok])"),
    ],
    "the rows that only reset are used": [
        ("        phi, used", "        ok = np.ones(r.shape, bool)\n        phi, used"),
        ("features(s, *scale, waves), scale",
         'features(batch["s"][ok], *scale, waves), scale'),
    ],
    "other advantages": [("A[ok], delta)", "r[ok], delta)")],
    "other actions": [('batch["a"][ok]', '0 * batch["a"][ok]')],
    "lacks the last update": [
        (f"        theta = {UPDATE}\n", f"        before, theta = theta, {UPDATE}\n"),
        ("return theta, *used", "return before, *used"),
    ],
    "the scale that is returned is not that of the last update": [
        ("return theta, *used", "return theta, *scale"),
    ],
    "mean and std returned": [("return theta, *used", "return theta, 0.0, 1.0")],
    "returns something else": [("return theta, *used", "return theta")],
    "train never calls moments": [
        ("moments(seen, s)", "(len(s), s.mean(0), s.var(0))"),
    ],
    "act never calls policy.sample": [
        (SAMPLE, "return np.array([env.single_action_space.sample() for _ in s])"),
    ],
    "made anew with a seed it gives the same": [
        (SAMPLE, SAMPLE.replace("rng)", "np.random.default_rng(0))")),
    ],
    "without one no run comes back": [
        (SAMPLE, SAMPLE.replace("rng)", "np.random.default_rng())")),
    ],
    "act gives other actions than policy.sample drew": [
        (SAMPLE, SAMPLE.replace("return", "return 0 *")),
    ],
}  # fmt: skip


@pytest.mark.parametrize("words", LOOPS)
def test_a_wrong_loop_is_told(words):
    train = slip(("train",), LOOPS[words])["train"]
    piece = next(p for p in pieces if p.name == "train")
    kind, text, _ = piece.judge({"train": train})
    assert kind == "retry" and words in text


def test_following_a_loop_leaves_its_names_as_they_were():
    before = dict(vars(solution))
    case = pieces[-1].case(0)
    assert complaint(solution.train, *case) == ""
    assert vars(solution) == before


# --- whole files


FILE = """
import numpy as np
print("hello")
def softmax_log_prob(theta, phi, actions):
    while True:
        pass
def softmax_score(theta, phi, actions, weights):
    import os
    os._exit(7)
def softmax_kl(theta, new, phi):
    for i in range(3000):
        print("flood", i)
    return 1 / 0
def softmax_fisher(theta, phi, v):
    raise SystemExit
def natural_step(g, matvec, delta):
    x = cg(matvec, g, 10)
    return np.sqrt(2 * delta / (g @ x)) * x if g.any() else x
gae = 3
"""


def written(folder, text):
    path = folder / "my trpo ü.py"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_file_with_every_kind_of_trouble_is_judged_to_its_end(tmp_path):
    path = written(tmp_path, FILE)
    limits = dict(run.LIMITS, piece=1.5)
    found = {v.name: v for v in run.judge(path, limits=limits)}
    assert found[run.READING].details == ("hello",)
    text = found["softmax_log_prob"].text
    assert re.match(r"it ran for more than 1\.?5 seconds.*, now in line ", text)
    assert "Python itself ended here" in found["softmax_score"].text
    assert "ZeroDivisionError" in found["softmax_kl"].text
    assert found["softmax_kl"].details[-1] == "    … 2,996 more lines"
    assert "SystemExit" in found["softmax_fisher"].text
    assert found["gae"].text == "gae is no function."
    # the solution's cg stands in for the one that isn't there
    assert found["natural_step"].kind == "ok"
    assert found["cg"].kind == "todo"
    assert set(found) == {run.READING, *(p.name for p in pieces)}


@pytest.mark.parametrize(
    "text, words",
    [
        ("def f(:\n", "can't read it: invalid syntax (line 1: `def f(:`)"),
        ("import nosuchmodule\n", "(line 1: `import nosuchmodule`): ModuleNotFound"),
        ("x = input()\n", "EOFError"),
        ("import sys\nsys.exit(2)\n", "SystemExit"),
        (b"\xff\xfe bad", "can't read it"),
        ("import os\nos._exit(1)\n", "Python itself ended here"),
        ("import time\ntime.sleep(99)\n", "for more than 10 seconds, now in line 2"),
        ("while True: pass\n", ", now in line 1: `while True: pass`"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_in_one_sentence(tmp_path, text, words):
    limits = dict(run.LIMITS, read=1.0)
    [verdict] = run.judge(written(tmp_path, text), limits=limits)
    assert verdict.kind == "retry" and words in verdict.text


def test_the_time_is_told_as_what_it_is():
    """Of the processor; of the clock, if something waits and does nothing."""
    assert worker.too_much(19.9, 199, 20.0) == ""
    assert worker.too_much(20.1, 101, 20.0) == "20 seconds of processor time"
    assert worker.too_much(0.1, 201, 20.0) == "200 seconds"


def printed(function, *args, **kwargs):
    out = io.StringIO()
    with redirect_stdout(out):
        result = function(*args, **kwargs)
    return result, out.getvalue()


def test_the_command_writes_a_file_once_and_checks_it(tmp_path):
    path = tmp_path / "mine.py"
    status, text = printed(capstone.main, [str(path)])
    assert status == 0 and "is written" in text
    assert "python -m trpo_lite.course capstone mine.py" in path.read_text()
    mine = path.read_text() + "# mine\n"
    path.write_text(mine)
    path.chmod(0o444)
    assert capstone.start(path) is False and path.read_text() == mine
    status, text = printed(capstone.main, [str(path), "--only", "cg", "gae"])
    assert status == 1 and path.read_text() == mine
    assert text.splitlines()[:2] == [
        "[todo] gae: not attempted yet.",
        "[todo] cg: not attempted yet.",
    ]
    assert "pieces done: 0 of 2" in text and "--hint gae" in text
    status, text = printed(capstone.main, [str(path), "--only", "predict_value"])
    assert status == 1 and text.startswith("[todo] fit_value: not attempted yet.\n")
    assert "pieces done: 0 of 1" in text
    status, text = printed(capstone.main, [str(path), "--hint", "predict_value"])
    assert status == 0 and text.startswith("predict_value: A helper for the features")
    status, text = printed(capstone.main, [str(path), "--hint", "cg", "--hint", "cg"])
    assert status == 0 and len(text.splitlines()) == 2
    status, text = printed(capstone.main, [str(path), "--solution", "fit_value"])
    assert status == 0 and "def value_features" in text and "def predict_value" in text


def test_wrong_calls_are_refused(tmp_path, capsys):
    for arguments in (
        [str(tmp_path)],
        [str(tmp_path / "x.txt")],
        ["a.py", "--only", "b"],
    ):
        with pytest.raises(SystemExit) as end:
            capstone.main(arguments)
        assert end.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


def test_in_a_notebook_a_missing_file_is_todo(tmp_path):
    nothing, text = printed(capstone.check, tmp_path / "my_trpo.py")
    assert nothing is None and text.startswith("[todo] there is no my_trpo.py yet")


def test_the_solution_handed_in_is_done_but_for_the_tasks(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(Path(solution.__file__).read_text(encoding="utf-8"))
    _, text = printed(capstone.check, path, only=[piece.name for piece in pieces])
    assert "pieces done: 20 of 20" in text


def test_a_piece_imported_from_the_readers_own_module_borrows_too(tmp_path):
    (tmp_path / "my_steps.py").write_text(
        "import numpy as np\n\n" + inspect.getsource(solution.natural_step)
    )
    path = written(tmp_path, "from my_steps import natural_step\n")
    [verdict] = run.judge(path, only=["natural_step"])
    assert verdict.kind == "ok", verdict


# --- the tasks


def test_the_solution_beats_cartpole():
    assert TASKS[0].run(vars(solution), seed=1) >= TASKS[0].goal


def test_a_task_tells_its_score_its_seeds_and_its_errors(tmp_path):
    short = replace(TASKS[0], T=8, updates=1)
    kind, text, _ = worker.played(short, vars(solution), tmp_path, 4)
    assert kind == "retry"
    assert re.fullmatch(
        r"mean return [\d.]+ of 100 episodes, 475 to beat \(seed 4 [\d.]+, "
        r"seed 5 [\d.]+, seed 6 [\d.]+\)\.",
        text,
    )
    easy = replace(short, goal=5.0)
    kind, text, _ = worker.played(easy, vars(solution), tmp_path, 4)
    assert kind == "ok" and "seed" not in text

    def broken(*arguments):
        print("begun")
        raise ValueError("no")

    functions = {**vars(solution), "train": broken}
    kind, text, heard = worker.played(short, functions, tmp_path, 0)
    assert (kind, text, heard) == ("retry", "it stops: ValueError: no.", ["begun"])
    absent = replace(short, needs="no_such_package")
    assert worker.played(absent, {}, tmp_path, 0)[0] == "skip"


def test_continuous_actions_and_waves_in_a_task():
    short = replace(TASKS[2], T=8, updates=2)
    assert -2000 < short.run(vars(solution)) < 0


def test_no_page_before_touches_the_last_task():
    notebooks = Path(__file__).resolve().parent.parent / "notebooks"
    for path in notebooks.glob("*.ipynb"):
        if path.name[:2] != "18":
            assert "Pusher" not in path.read_text(encoding="utf-8")
    assert TASKS[-1].env_id == "Pusher-v5"


def test_one_who_listens_no_more_ends_the_worker(tmp_path):
    path = written(tmp_path, "import time\ntime.sleep(60)\n")
    before = time.perf_counter()
    events = run.events(
        dict(path=str(path), target=str(tmp_path / "e"), only=[], tasks=False, seed=0,
             limits=run.LIMITS, verdicts={}),
        tmp_path / "e", tmp_path / "errors",
    )  # fmt: skip
    (tmp_path / "e").write_text("")
    assert next(events) == {"begin": run.READING}
    events.close()
    assert time.perf_counter() - before < 50
