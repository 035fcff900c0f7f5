"""What page 12 claims and its cells do not assert."""

import json
from dataclasses import replace
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from scipy import stats

from tests import histories
from trpo_lite import lqr, mdp
from trpo_lite.advantage import LinearValue, gae, normalize
from trpo_lite.course import n12 as lesson
from trpo_lite.course.data import load
from trpo_lite.environments import make_environment
from trpo_lite.features import linear_features
from trpo_lite.line_search import line_search
from trpo_lite.policies import (
    LinearGaussian,
    LinearSoftmax,
    TabularSoftmax,
)
from trpo_lite.rollout import Samples, collect
from trpo_lite.spaces import make_policy
from trpo_lite.surrogate import surrogate
from trpo_lite.train import train
from trpo_lite.trpo import npg_update, trpo_update

PAGE = Path(__file__).resolve().parent.parent / "notebooks" / "12_trpo.ipynb"


def cells(prefix):
    page = json.loads(PAGE.read_text(encoding="utf-8"))
    return ["".join(c["source"]) for c in page["cells"] if c["id"].startswith(prefix)]


def test_the_six_items_are_at_most_forty_lines():
    code = cells("six-")
    lines = [line for cell in code for line in cell.splitlines() if line.strip()]
    assert len(code) == 5 and len(lines) <= 40


def test_the_forty_lines_train_like_the_package_does():
    """The page's loop against `cartpole_run`, which calls trpo_update."""
    names = dict(np=np, gae=gae, normalize=normalize, collect=collect)
    for cell in cells("six-"):
        exec(cell, names)
    env = make_environment("CartPole-v1", 64)
    run = names["trpo"](env, make_policy(env, linear_features(4)), LinearValue(),
                        0.995, 0.97, 0.1, 16384, np.random.default_rng(3))  # fmt: skip
    returns = [next(run)[1].episode_returns.mean() for _ in range(3)]
    env.close()
    wanted, made = lesson.cartpole_run(3, 3, lambda promise, solved: True)
    np.testing.assert_allclose(returns, wanted, rtol=1e-6)
    assert made.all()


@pytest.mark.parametrize("kind", ["table", "softmax", "gaussian"])
def test_promise_of_noise_by_monte_carlo(kind):
    rng, delta, rows = np.random.default_rng(0), 0.05, 2000
    policy, s, n = {  # n: parameters, less those that change no probability
        "table": (TabularSoftmax.zeros(3, 4), rng.integers(3, size=rows), 9),
        "softmax": (LinearSoftmax.zeros(5, 2), rng.normal(size=(rows, 5)), 5),
        "gaussian": (LinearGaussian.zeros(3, 1), rng.normal(size=(rows, 3)), 4),
    }[kind]

    batch, promises = Samples(s, policy.sample(s, rng)), []
    for _ in range(200):
        A_hat = normalize(rng.normal(size=rows))
        _, said = trpo_update(policy, batch, A_hat, delta, damping=1e-9)
        promises.append(said.predicted_surrogate)
    rms = np.sqrt(np.mean(np.square(promises)))
    assert rms == pytest.approx(lesson.noise_promise(delta, n, rows), rel=0.08)


def test_after_500():
    after = load("trpo_after")
    assert after["delta"].tolist() == [0.1, 0.01]
    falls = []
    for R in after["return_mean"]:
        first, low = lesson.first_then_lowest(R)
        assert (first >= 0).all()
        falls.append(low)
    assert [np.sum(low < 400) for low in falls] == [8, 7]
    assert np.min(falls[1]) > 2 * np.min(falls[0])
    assert np.median(falls[1]) > np.median(falls[0]) + 100
    # a full step: signal or not
    ratio = after["kl"] / after["delta"][:, None, None]
    assert ratio.max() <= 1.0001
    for solved in (after["return_mean"] >= 490, after["return_mean"] < 400):
        assert np.median(ratio[solved]) > 0.7


def test_the_exact_run_goes_on_improving():
    world, theta = lesson.mass()
    J = []
    for _ in range(80):
        old = theta[:2].reshape(1, 2), np.exp(theta[2:])
        J.append(lqr.performance(world, *old))
        slopes = lqr.gradient(world, *old, parameter="log_std")
        g = np.concatenate([x.ravel() for x in slopes])
        H = lqr.fisher(world, *old, parameter="log_std")
        x = np.linalg.solve(H, g)
        full = np.sqrt(2 * 0.05 / (g @ x)) * x

        def evaluate(new, old=old):
            new = new[:2].reshape(1, 2), np.exp(new[2:])
            return lqr.surrogate(world, old, new), lqr.mean_kl(world, old, new)

        theta = line_search(evaluate, theta, full, 0.05).theta
    assert (np.diff(J) > 0).all()


def test_half_of_the_sampled_gap_is_sigmas():
    """What the best gain would still cost at this sigma, as a share of the gap."""
    world, start = lesson.mass()
    best = lqr.optimal_gain(world)
    top = lqr.performance(world, best, 0.0)
    whole = top - lqr.performance(world, start[:2].reshape(1, 2), np.exp(start[2:]))
    shares, sigmas = [], []
    for seed in range(4):
        env, rng = lesson.mass_environment(), np.random.default_rng(seed)
        policy, V, state = lesson.mass_policy(), LinearValue(time_degree=0), None
        for k in range(31):
            gap = top - lqr.performance(world, policy.weights.T, policy.std)
            if k >= 15:
                left = top - lqr.performance(world, best, policy.std)
                shares.append(left / gap)
            if k == 20:
                assert gap < 0.11 * whole
                sigmas.append(policy.std[0])
            batch, state = collect(env, policy, 1220, rng, state)
            A_hat, V = lesson.estimate(batch, V, world.gamma, 0.97)
            policy, _ = trpo_update(policy, batch, normalize(A_hat), 0.05, 1e-3)
        env.close()
    assert 0.4 < np.median(shares) < 0.75
    assert min(sigmas) > 0.15  # the exact run has .06 then


def test_the_promise_when_solved_and_before_a_fall():
    after = load("trpo_after")
    ratio = [
        promise / lesson.noise_promise(delta, 5, 16384)
        for promise, delta in zip(after["predicted_surrogate"], after["delta"])
    ]
    solved = after["return_mean"] >= 490
    below = [np.mean(x[there] < 2) for x, there in zip(ratio, solved)]
    assert below == pytest.approx([0.77, 0.61], abs=0.01)
    R, before = after["return_mean"][0], solved[0][:, :-1]
    for high, low, falls, median in ((475, 400, 15, 1.02), (490, 450, 15, 1.28)):
        up, next_one = R[:, :-1] >= high, R[:, 1:]
        fall, stay = up & (next_one < low), up & (next_one >= high)
        assert fall.sum() == falls
        medians = [np.median(ratio[0][:, :-1][there]) for there in (fall, stay)]
        assert medians == pytest.approx([median, 1.28], abs=0.03)
    entropy = after["entropy"][0]
    falls = np.argwhere(before & (R[:, 1:] < 300))
    guilty = [entropy[i, k] - entropy[i, k - 1] for i, k in falls]
    then = [entropy[i, k + 1] - entropy[i, k] for i, k in falls]
    assert len(falls) == 6 and np.sum(np.array(guilty) > 0) == 4 and max(then) < 0


def test_a_wrong_v_can_promise_several_times_what_noise_does():
    """A solved policy whose rewards are 0: A is nothing but the error of V."""
    env, weights = make_environment("CartPole-v1", 64), np.zeros((5, 2))
    weights[:4, 1] = 1.0, 1.5, 20.0, 5.0  # pushes under the falling pole
    policy = make_policy(env, linear_features(4)).with_theta(weights.ravel())
    batch, _ = collect(env, policy, 16384, np.random.default_rng(0))
    env.close()
    assert not batch.terminated.any()
    batch, mixed = replace(batch, rewards=np.zeros(len(batch))), []
    middle, sd = batch.observations.mean(0), batch.observations.std(0)

    def over_noise(A_hat):
        _, said = trpo_update(policy, batch, normalize(A_hat), 0.1, damping=1e-3)
        return said.predicted_surrogate / lesson.noise_promise(0.1, 5, len(batch))

    ratios = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        slope, bend = rng.normal(size=4), rng.normal(size=(4, 4))

        def V(s, slope=slope, bend=bend):
            z = (s - middle) / sd
            return z @ slope + ((z @ bend) * z).sum(-1) / 2

        A_hat = gae(batch, V(batch.observations), V(batch.next_observations),
                    0.995, 0.97)  # fmt: skip
        ratios.append(over_noise(A_hat))
        mixed.append(over_noise(rng.permutation(A_hat)))
    assert 2 < np.median(ratios) < 3 and np.max(ratios) > 4
    assert np.median(mixed) < 1.2 and np.max(mixed) < 2


def test_scaled_inputs_save_about_two_updates():
    """Batches until CartPole is solved, with raw and with scaled inputs, in pairs."""
    raw, scaled = (
        [
            len(train("CartPole-v1", seed=seed, until=475, progress=False, **options))
            for seed in range(16)
        ]
        for options in ({"normalize_observations": False}, {})
    )
    saved = np.subtract(raw, scaled)
    assert 5 <= np.median(raw) <= 8
    assert saved.mean() == pytest.approx(2, abs=1)
    assert saved.mean() > 2 * saved.std(ddof=1) / np.sqrt(len(saved))


def test_the_run_on_the_dashboard():
    run = lesson.columns(load("trpo_after"), 0, 4)
    R, noise = run["return_mean"], lesson.noise_promise(0.1, 5, 16384)
    ratio = run["predicted_surrogate"] / noise
    assert (R[4:8] == 500).all() and 110 < R[8] < 130 and (R[10:] == 500).all()
    assert run["entropy"][8] < 0.5 * run["entropy"][7]
    assert run["explained_variance"][8] < 0.1 < 0.9 < run["explained_variance"][7]
    assert ratio[:2].min() > 10
    five = ratio[3:8]  # the updates from the batches 4 to 8; batch 9 has fallen
    assert (five.min(), five.max()) == pytest.approx((0.54, 1.63), abs=0.005)
    assert np.median(ratio[R == 500]) < 2
    assert run["backtracks"].max() <= 1 and run["log_residual"].max() < -8
    assert np.median(run["max_ratio"][8:]) > 10
    kl, delivered = run["kl"] / 0.1, run["surrogate"] / run["predicted_surrogate"]
    assert kl.min() > 0.65 and kl.max() <= 1.0001
    assert delivered.min() > 0 and np.sum(delivered < 0.7) == 14
    # nothing else announces the fall: KL and delivery of the five updates before it
    assert kl[3:8].min() > np.quantile(kl, 0.05)
    assert delivered[3:8].min() > np.quantile(delivered, 0.2)


def test_ablations_say_what_the_page_says():
    store = load("trpo_ablations")
    names = store["variant"].tolist()
    assert tuple(names) == lesson.VARIANTS == tuple(histories.ABLATIONS)
    reached, late, over, at = {}, {}, {}, {}
    for i, name in enumerate(names):
        first, _ = lesson.first_then_lowest(store["return_mean"][i])
        reached[name] = np.sum(first >= 0)
        at[name] = np.median(first[first >= 0]) + 1 if reached[name] else None
        late[name] = np.nanmean(store["return_mean"][i][:, -10:], 1)
        over[name] = store["kl"][i] / store["delta"][i]
    assert store["return_mean"].shape[1] == 40
    assert (reached["TRPO"], reached["no line search"]) == (31, 29)
    assert reached["one CG iteration"] == reached["plain gradient, 3"] == 40
    assert (reached["raw inputs"], reached["raw, one CG iteration"]) == (36, 0)
    assert over["TRPO"].max() < 1.0001 < over["no line search"].max() < 1.55
    assert np.mean(over["no line search"] > 1) == pytest.approx(0.23, abs=0.005)
    assert at["no line search"] < at["TRPO"] < at["one CG iteration"] == 10
    assert stats.fisher_exact([[31, 9], [40, 0]]).pvalue < 0.01
    assert over["plain gradient, 3"].max() == pytest.approx(71, abs=0.5)
    assert max(late, key=lambda name: late[name].mean()) == "plain gradient, 3"
    for name, falls, of in (
        ("TRPO", 26, 31),
        ("plain gradient, .3", 8, 28),
        ("plain gradient, 3", 15, 40),
        ("plain gradient, 30", 19, 34),
    ):
        first, low = lesson.first_then_lowest(store["return_mean"][names.index(name)])
        assert (np.sum(low < 400), np.sum(first >= 0)) == (falls, of)
        late_one = name in ("plain gradient, .3", "plain gradient, 30")
        assert (np.median(first[first >= 0]) > 18) == late_one
    R = store["return_mean"][names.index("TRPO")]
    first, _ = lesson.first_then_lowest(R)
    later = np.concatenate([r[k + 1 :] for r, k in zip(R, first) if k >= 0])
    assert np.mean(later >= 475) == pytest.approx(0.7, abs=0.02)
    for more, less, mean, error in (
        ("TRPO", "no line search", 54, 23),
        ("one CG iteration", "TRPO", 29, 21),
        ("plain gradient, 3", "TRPO", 77, 17),
        ("TRPO", "δ = 1", 144, 29),
        ("TRPO", "δ = 1, no line search", 200, 25),
        ("δ = 1", "δ = 1, no line search", 56, 30),
    ):
        apart = late[more] - late[less]
        assert apart.mean() == pytest.approx(mean, abs=1)
        assert apart.std(ddof=1) / np.sqrt(40) == pytest.approx(error, abs=1)
    assert all(lesson.first_then_lowest(R[:10])[0] >= 0)  # the first ten alone
    apart = (late["TRPO"] - late["no line search"])[:10]
    assert apart.mean() == pytest.approx(113, abs=1)
    down = store["surrogate"][names.index("δ = 1, no line search")] <= 0
    assert down.mean() == pytest.approx(0.22, abs=0.01)
    assert over["δ = 1, no line search"].max() == pytest.approx(109, abs=0.5)
    below = [name for name in names if over[name].max() < 1.0001]
    assert below == ["TRPO", "one CG iteration", "raw inputs", "raw, one CG iteration",
                     "plain gradient, .3", "δ = 1"]  # fmt: skip
    for name, first, last in ((".3", 0.05, 0.001), ("3", 3, 0.02), ("30", 2.8, 0.4)):
        size = over["plain gradient, " + name]
        assert np.median(size[:, :3]) == pytest.approx(first, rel=0.1)
        assert np.median(size[:, -10:]) == pytest.approx(last, rel=0.35)
    # the plain gradient's steps shrink by themselves, the natural ones do not
    for name, still in (("plain gradient, 3", False), ("TRPO", True)):
        solved = store["return_mean"][names.index(name)] > 490
        assert (np.nanmedian(over[name][solved]) > 0.5) == still


def test_what_the_line_search_saves():
    store = load("trpo_mass")
    assert store["episodes"].tolist() == [5, 10, 20, 40]
    below, lost, early = {}, {}, []
    for name in ("trpo", "npg"):
        deepest = [lesson.deepest_gaps(store, name, n) for n in store["episodes"]]
        below[name] = [np.sum(x > 1) for x in deepest]
        unstable = np.isinf(store[name])
        lost[name] = unstable[..., -1].sum(1).tolist()
        early.extend(unstable[unstable[..., -1]].argmax(-1))
    assert sum(below["trpo"]) == 27 and sum(below["npg"]) == 45
    ever = [
        sum(np.sum(lesson.deepest_gaps(store, x, n, 1) > 1) for n in store["episodes"])
        for x in below
    ]
    assert ever == [52, 60]
    assert lost == {"trpo": [4, 6, 2, 1], "npg": [11, 5, 4, 1]}
    assert np.mean(np.array(early) <= 4) > 0.8
    shares = {"trpo": [], "npg": []}  # of updates that lower J, run by run
    for name, found in shares.items():
        for J in store[name].reshape(-1, store[name].shape[-1]):
            there = np.isfinite(J[1:])
            found.append(np.mean((J[1:] < J[:-1])[there]) if there.any() else np.nan)
    apart = np.subtract(shares["npg"], shares["trpo"])
    apart = apart[np.isfinite(apart)]
    error = apart.std() / np.sqrt(len(apart))
    assert 0.02 < apart.mean() < 0.05 and apart.mean() > 2.5 * error
    for n in store["episodes"]:
        searched, free = (lesson.deepest_gaps(store, x, n) for x in ("trpo", "npg"))
        assert np.median(searched) < np.median(free)


def test_acrobot_and_its_failing_seed():
    swing = load("trpo_acrobot")
    R = swing["return_mean"]
    assert len(R) == 10
    failed = int(np.argmin(R[:, -1]))
    assert failed == 6 and np.nanmax(R[failed]) == -500
    others = np.delete(R[:, -1], failed)
    assert np.sort(others).round()[[0, 1, -1]].tolist() == [-147, -106, -85]
    assert (swing["explained_variance"][failed, 1:] > 0.99).all()
    assert swing["entropy"][failed, [0, -1]].round(2).tolist() == pytest.approx(
        [1.06, 0.81]
    )
    ratio = swing["predicted_surrogate"] / lesson.noise_promise(0.05, 14, 8000)
    assert np.median(ratio[failed]) < 1
    assert ratio[failed].max() == pytest.approx(1.4, abs=0.05)
    assert ratio[failed, -10:].max() < 1 and ratio[failed].min() < 0.35
    # V seems perfect; where no episode ends the return is nan
    flag = (swing["explained_variance"] > 0.94) & ~(R >= -350)
    assert flag[failed, 1:].all()
    shown = np.delete(flag, failed, 0).sum(1)
    assert np.sort(shown).tolist() == [0, 0, 0, 0, 1, 1, 1, 3, 5]
    assert flag[4].sum() == 3 and flag[8, 1:6].all()
    assert 1 < np.median(np.delete(ratio, failed, 0)[:, :8]) < 2
    assert np.median(swing["kl"][failed]) > 0.03  # full steps all the same
    for seed in (4, 8):  # nothing but -500 in the first three batches
        assert np.nanmax(R[seed, :3]) == -500


def test_the_guard_and_its_coin():
    guard = load("trpo_guard")
    assert guard["guard"].tolist() == [0, 1, 2, 3]
    found = [lesson.first_then_lowest(R) for R in guard["return_mean"]]
    assert [np.sum(first >= 0) for first, _ in found] == [20, 20, 20, 19]
    assert [np.sum(low < 400) for _, low in found] == [18, 15, 0, 5]
    coin = [lesson.first_then_lowest(R)[1] for R in guard["coin_return"]]
    assert [np.sum(low < 400) for low in coin] == [18, 13, 8, 8]
    # the shares are those of the guard's own runs; a coin of 1 is no coin
    for R, made, share in zip(guard["return_mean"], guard["made"], guard["share"]):
        solved = np.maximum.accumulate(R >= 475, 1)
        np.testing.assert_allclose(
            share, [made[~solved].mean(), made[solved].mean()], rtol=1e-6
        )
    assert guard["share"][2, 1] == pytest.approx(0.13, abs=0.005)
    np.testing.assert_array_equal(guard["return_mean"][0], guard["coin_return"][0])


def test_the_pages_run_takes_a_detour_and_most_do_not():
    """Seed 0 of twenty with raw inputs; batches until one has a mean of 475."""
    R = load("trpo_guard")["return_mean"][0]  # no guard: TRPO as it is
    needed = lesson.first_then_lowest(R)[0] + 1
    assert needed[0] == 13 and R[0, 3] > 200 > 100 > R[0, 4]
    assert np.mean((needed >= 5) & (needed <= 8)) == 0.8
    assert np.sum(needed >= 13) == 2


def test_a_guard_leaves_updates_out():
    """An update that isn't made keeps the policy, and so the next returns' level."""
    returns, made = lesson.cartpole_run(0, 4, lambda promise, solved: False)
    assert not made.any() and returns.max() < 30
    seen = []
    lesson.cartpole_run(0, 2, lambda *said: bool(seen.append(said)))
    assert seen[0][0] > 5 and not seen[0][1]


def test_histories_come_out_the_same_in_small():
    small = histories.trpo_after(seeds=1, batches=1)
    stored = load("trpo_after")
    assert small.keys() == stored.keys()
    first = stored["return_mean"][:, 0, 0]
    np.testing.assert_allclose(small["return_mean"][:, 0, 0], first, rtol=1e-5)
    small = histories.trpo_mass(seeds=1, updates=1)
    assert small.keys() == load("trpo_mass").keys()
    small = histories.trpo_ablations(seeds=1, batches=1)
    assert small.keys() == load("trpo_ablations").keys()
    assert small["return_mean"].shape == (len(lesson.VARIANTS), 1, 1)
    assert histories.trpo_guard(seeds=1, updates=1).keys() == load("trpo_guard").keys()


def test_stored_files_are_small():
    names = "acrobot", "ablations", "after", "mass", "guard"
    files = [histories.FOLDER / f"trpo_{name}.npz" for name in names]
    assert sum(file.stat().st_size for file in files) < 200_000


@pytest.mark.parametrize("name", lesson.stored.controls)
def test_each_control_moves_the_runs(name):
    drawn = []
    control = lesson.stored.controls[name]
    for value in control.ends[:2]:
        figure = lesson.draw_run(**{**lesson.stored.defaults, name: value})
        drawn.append(figure.axes[0].lines[1].get_ydata().copy())
    assert not np.array_equal(*drawn, equal_nan=True)


def test_the_widget_shows_the_stored_numbers():
    store = load("trpo_ablations")
    figure = lesson.draw_run("no line search", 3)
    left, right = figure.axes
    i = lesson.VARIANTS.index("no line search")
    assert np.array_equal(left.lines[1].get_ydata(), store["return_mean"][i, 3],
                          equal_nan=True)  # fmt: skip
    good, bad = (right.lines[k].get_ydata() for k in (0, 1))
    ratio = store["kl"][i, 3] / store["delta"][i]
    np.testing.assert_allclose(np.sort([*good, *bad]), np.sort(ratio), rtol=1e-5)
    assert len(bad) == np.sum(store["surrogate"][i, 3] <= 0)
    words = lesson.stored.words("no line search", 3)
    assert f"{len(bad)} of 36" in words and f"to {ratio.max():.2g};" in words


def test_flat_advantages_are_the_package_s():
    rng = np.random.default_rng(0)
    env = lesson.mass_environment(5)
    batch, _ = collect(env, lesson.mass_policy(), 100, rng)
    env.close()
    td = batch.to_grid(batch.rewards)
    goes_on = batch.to_grid(~batch.truncated, fill=False)
    zero = np.zeros(len(batch))
    came = lesson.flat_advantages.reference(td, goes_on, 0.95, 0.97)
    np.testing.assert_allclose(came, gae(batch, zero, zero, 0.95, 0.97))


def test_small_runs_of_train_agree_with_the_acrobot_preset():
    history = train("Acrobot-v1", batch=800, steps=800, seed=0, progress=False)
    assert history.settings["delta"] == 0.05  # what the page says


def test_figures_of_the_page_draw():
    assert lesson.draw_mass({"a": [-3.0, -2.0], "b": [-3.0]}, -1.0, -3.0).axes
    assert lesson.draw_mass_search(load("trpo_mass"), 20).axes
    assert lesson.mass_run(npg_update, 0, 1, 2, 0.01).shape == (2,)


def test_the_uniform_policy_falls_into_a_hole_almost_always():
    """98.6 % of its episodes on the lake, as they go on until one ends."""
    lake = gymnasium.make("FrozenLake-v1").unwrapped
    there, ends = lake.initial_state_distrib, {0.0: 0.0, 1.0: 0.0}
    for _ in range(1000):
        after = np.zeros_like(there)
        for state, moves in lake.P.items():
            for outcomes in moves.values():
                for p, target, reward, over in outcomes:
                    share = there[state] * p / 4
                    if over:
                        ends[reward] += share
                    else:
                        after[target] += share
        there = after
    assert sum(ends.values()) == pytest.approx(1)
    assert ends[0.0] == pytest.approx(0.986, abs=0.001)


def lake_names():
    """The names of the page's cells that learn the lake, before its run."""
    names = dict(np=np, mdp=mdp, surrogate=surrogate)
    for id in ("six-cg", "six-step", "lake-code", "lake-update"):
        exec(cells(id)[0], names)
    return names


def test_the_lakes_steps_raise_every_cell_and_what_a_larger_table_may_need():
    """Page 05's argument, cell by cell; where CG stops early it doesn't hold."""

    def worst(world, theta, iterations, updates, delta):
        names, least = lake_names(), []
        cg, S, A = names["cg"], *world.R.shape
        names["cells"] = np.arange(S)
        names["cg"] = lambda matvec, b: cg(matvec, b, iterations)
        pi = TabularSoftmax(theta, S, A)
        with np.errstate(all="ignore"):
            for _ in range(updates):
                now = mdp.evaluate(world, pi.probabilities())
                pi = names["lake_update"](pi, now, delta)
                least.append((pi.probabilities() * now.advantage).sum(-1).min())
        return min(least)

    lake, cliff = (
        mdp.TabularMDP.from_gymnasium(name, 0.95)
        for name in ("FrozenLake", "CliffWalking")
    )
    assert worst(lake, np.zeros(64), 10, 26, 0.05) > -1e-12
    theta = 2 * np.random.default_rng(0).standard_normal(cliff.R.size)
    early, late = (worst(cliff, theta, n, 3, 0.05) for n in (10, 400))
    assert early < -1e-4 and late > -1e-6, (early, late)


def test_the_likeliest_actions_are_optimal_in_every_cell_after_one_update():
    names = lake_names()
    lake, pi = names["lake"], TabularSoftmax.zeros(16, 4)
    best, cell = mdp.evaluate(lake, mdp.optimal_policy(lake)), np.arange(16)
    short = []
    for _ in range(6):
        now = mdp.evaluate(lake, pi.probabilities())
        short.append((best.v - best.q[cell, now.pi.argmax(-1)]).max())
        pi = names["lake_update"](pi, now, 0.05)
    assert short[0] > 0.1 and max(short[1:]) < 1e-9


def test_the_sampled_gap_wanders_between_one_and_four_percent():
    """The picture's alternative text: the page's own run, by the package's update."""
    world, start = lesson.mass()
    top = lqr.performance(world, lqr.optimal_gain(world), 0.0)
    whole = top - lqr.performance(world, start[:2].reshape(1, 2), np.exp(start[2:]))
    env, rng, gaps = lesson.mass_environment(), np.random.default_rng(0), []
    policy, V, state = lesson.mass_policy(), LinearValue(time_degree=0), None
    for _ in range(31):
        left = top - lqr.performance(world, policy.weights.T, policy.std)
        gaps.append(left / whole)
        batch, state = collect(env, policy, 1220, rng, state)
        A_hat, V = lesson.estimate(batch, V, world.gamma, 0.97)
        policy, _ = trpo_update(policy, batch, normalize(A_hat), 0.05, 1e-3)
    env.close()
    assert gaps[5] > 0.1 and min(gaps[10:]) > 0.005 and max(gaps[10:]) < 0.05
