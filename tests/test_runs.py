"""Many runs in one small file: what is thinned, counted and read again."""

import dataclasses
import json

import numpy as np
import pytest

from trpo_lite.course import runs
from trpo_lite.history import History
from trpo_lite.policies import LinearGaussian
from trpo_lite.settings import Settings
from trpo_lite.train import train


def history(K=7, seed=0, algorithm="trpo", decay=0.0, **columns):
    """A made-up run of K updates of 100 steps, each column overwritable."""
    rng = np.random.default_rng(seed)
    settings = Settings(
        steps=100 * K, batch=100, environments=4, delta=0.1, decay=decay
    )
    header = {"env_id": "Task-v5", "algorithm": algorithm, "seed": seed}
    made = {
        "steps": 100 * np.arange(1, K + 1),
        "seconds": np.arange(1.0, K + 1),
        "return_mean": rng.normal(size=K),
        "surrogate": np.full(K, 0.5),
        "step_norm": np.ones(K),
        "predicted_surrogate": np.full(K, 0.2),
        **{name: rng.random(K) for name in runs.CURVES if name != "return_mean"},
        "kl": np.full(K, 0.05),
        **columns,
    }
    policy = LinearGaussian.zeros(3, 1)
    all_settings = header | dataclasses.asdict(settings)
    return History(all_settings, policy, made, "steps", rng.normal(size=5))


def test_curves_are_means_over_neighbouring_updates():
    R = np.array([1.0, 3, np.nan, 5, np.nan, np.nan, 7])
    [row] = runs.compact([("", history(return_mean=R))], points=4)["return_mean"]
    # seven updates in four bins: 2, 2, 2, 1
    np.testing.assert_array_equal(row, np.float32([2, 5, np.nan, 7]))
    arrays = runs.compact([("", history(return_mean=R))], points=4)
    assert arrays["steps"][0].tolist() == [200, 400, 600, 700]
    long = runs.compact([("", history(return_mean=R))], points=9)
    np.testing.assert_array_equal(long["return_mean"][0, :7], np.float32(R))
    assert np.isnan(long["return_mean"][0, 7:]).all()
    assert np.isnan(long["steps"][0, 7:]).all() and long["steps"].dtype == np.float32


def test_what_stands_beside_the_curves():
    one, other = history(seed=3), history(K=4, seed=4, algorithm="npg")
    arrays = runs.compact([("", one), ("wrong", other)])
    assert arrays["env_id"].tolist() == ["Task-v5"] * 2
    assert arrays["algorithm"].tolist() == ["trpo", "npg"]
    assert arrays["label"].tolist() == ["", "wrong"]
    assert arrays["seed"].tolist() == [3, 4] and arrays["updates"].tolist() == [7, 4]
    assert arrays["parameters"].tolist() == [4, 4]
    np.testing.assert_allclose(arrays["evaluation"][1], other.evaluation, rtol=1e-6)
    assert json.loads(arrays["settings"][0]) == one.settings
    assert all(x.dtype.kind in "biufU" for x in arrays.values())


def test_versions_are_those_that_made_the_runs():
    """Each once, of all the runs; none if a file is too old to say."""
    made = {"numpy": "1.0", "gymnasium": "0.1"}
    old, new = history(), dataclasses.replace(history(), versions=made)
    newer = dataclasses.replace(history(), versions={**made, "numpy": "0.9"})
    of = lambda *found: runs.compact([("", x) for x in found])["versions"].tolist()  # noqa: E731
    assert of(new, new) == ["numpy 1.0", "gymnasium 0.1"]
    assert of(new, newer) == ["numpy 0.9", "numpy 1.0", "gymnasium 0.1"]
    assert of(old) == [] and of(old, new) == of(new)


def test_counts_are_of_every_update():
    counted = runs.counts(
        history(
            kl=np.array([0.1, 0.1 + 1e-12, 0.11, 0.25, 0.0, 0.05, 0.05]),
            step_norm=np.array([1, 1, 1, 1, 0, 1, 1.0]),
            surrogate=np.array([1, 0, -1, 1, 0, 1, 1.0]),
            backtracks=np.array([0, 1, 2, 0, 10, 0, 3.0]),
            return_mean=np.array([5, 4, np.nan, 3, 2, 1, 6.0]),
        )
    )
    assert counted["updates"] == 7 and counted["kept"] == 1
    assert counted["over"] == 2 and counted["worst_share"] == pytest.approx(2.5)
    assert counted["not_up"] == 2  # where a step was made
    assert counted["shortened"] == 3  # update 5 kept the policy: not a short step
    # falls after update 1 (5 to 4), 4 (3 to 2); 5 made no step; 6 rose; 2, 3 unknown
    assert (counted["pairs"], counted["falls"]) == (3, 2)
    assert counted["hours"] == pytest.approx(7 / 3600)


def test_columns_in_their_own_units():
    found = runs.in_units(history(decay=0.5))
    delta = 0.1 * (1 - 0.5 * np.arange(7) / 7)
    np.testing.assert_allclose(found["kl_share"], 0.05 / delta)
    noise = np.sqrt(2 * delta * 4 / 100)
    np.testing.assert_allclose(found["over_noise"], 0.2 / noise)


@pytest.mark.parametrize("several", [{}, {"starts": 3, "start_steps": 2500}])
def test_limits_are_those_that_training_had(several):
    """The natural step without damping has (step F step) / 2 = delta, as logged."""
    if several and not hasattr(Settings(), "starts"):
        pytest.skip("no several starts yet")
    run = train(
        "CartPole-v1", "npg", seed=1, progress=False, until=np.inf, decay=0.8,
        damping=0.0, cg_iterations=20, batch=1000, environments=8, steps=12_000,
        normalize_observations=True, **several,
    )  # fmt: skip
    limits = runs.limits(run)
    np.testing.assert_allclose(run["predicted_kl"], limits, rtol=1e-6)
    ends, length = runs.ends_of_starts(run)
    assert (len(ends), length) == ((3, 2500) if several else (0, 0))
    assert (np.diff(limits)[ends[:-1]] > 0).all()  # each next start begins anew


def stored():
    pairs = [("", history(seed=s)) for s in (1, 2, 3)]
    pairs += [("", history(seed=1, algorithm="npg")), ("bad", history(K=3, seed=2))]
    return runs.Runs(runs.compact(pairs))


def test_runs_are_found():
    all_of = stored()
    assert len(all_of) == 5
    assert all_of.of("Task-v5", "trpo")["seed"].tolist() == [1, 2, 3]
    assert all_of.of(algorithm="trpo", seeds=(2, 3, 9))["seed"].tolist() == [2, 3]
    assert all_of.of(label="bad")["updates"].tolist() == [3]
    assert len(all_of.of(label=None)) == 5
    assert all_of.of(label="bad")["versions"].tolist() == all_of["versions"].tolist()
    with pytest.raises(KeyError, match=r"no stored run .*'pg'"):
        all_of.of(algorithm="pg")


def test_what_runs_say():
    found = stored().of("Task-v5", "trpo")
    wanted = [history(seed=s).evaluation.mean() for s in (1, 2, 3)]
    np.testing.assert_allclose(found.scores, wanted, rtol=1e-6)
    assert found.total_steps.tolist() == [700] * 3
    assert [s["seed"] for s in found.settings] == [1, 2, 3]


def test_returns_at_equal_steps():
    R = np.array([np.nan, 2.0, 4.0, 4.0, 4.0, 4.0, 8.0])
    pairs = [("", history(return_mean=R)), ("", history(K=4, return_mean=R[1:5]))]
    steps, found = runs.Runs(runs.compact(pairs)).on_a_grid(points=7)
    np.testing.assert_allclose(steps, np.arange(100, 701, 100))
    np.testing.assert_allclose(found[0], R)
    # the shorter run: 2, 4, 4, 4 until step 400, then it stays
    np.testing.assert_allclose(found[1], [2, 4, 4, 4, 4, 4, 4])
