"""The benchmarks' rows that cost nothing."""

import numpy as np
import pytest

from tests import benchmarks
from trpo_lite.course import n15


def test_the_stored_seeds_are_held_against_the_targets(capsys):
    assert not benchmarks.stored(5)
    rows = capsys.readouterr().out.splitlines()
    assert len(rows) == len(n15.TASKS) == len(benchmarks.SCORES)
    missed = [row for row in rows if not row.startswith("ok ")]
    assert len(missed) == 1 and "MISS Walker2d-v5" in missed[0]
    (swimmer,) = (row for row in rows if "Swimmer" in row)
    assert ">= 350, 9 of 10 > 300" in swimmer and "10 of 10 above" in swimmer


@pytest.mark.parametrize(
    "scores, met",
    [
        ([351] * 10, True),
        ([350] * 10, True),
        ([349.9] * 10, False),
        ([360] * 9 + [20], True),
        ([360] * 8 + [20] * 2, False),
        ([360] * 8 + [300] * 2, False),
        ([360] * 9, False),  # seeds are missing
    ],
)
def test_median_and_nine_of_ten(scores, met, capsys):
    found = benchmarks.stored_scores("Swimmer-v5", np.array(scores, float), 350, 300)
    assert found is met
    assert capsys.readouterr().out.startswith("ok " if met else "MISS")


def test_a_robot_is_scored_by_its_average_action(monkeypatch, capsys):
    """Which every call of the evaluation is given, and the target is the table's."""
    train, acts = benchmarks.training.train, []

    def short(env_id, **settings):
        return train(env_id, steps=400, batch=400, environments=2, **settings)

    def evaluate(env_id, policy, seed, act):
        seen = np.zeros((1, policy.sizes[0] - 1))
        box = benchmarks.training.make_environment(env_id, 1).single_action_space
        acts.append((act(seen, None), n15.on_average(policy, box)(seen)))
        return np.full(2, 349.0 + len(acts))

    monkeypatch.setattr(benchmarks.training, "train", short)
    monkeypatch.setattr(benchmarks, "evaluate_policy", evaluate)
    assert benchmarks.robot("Swimmer-v5", 1, 1_000_000, 30)
    np.testing.assert_array_equal(*acts[0])
    assert ">= 350" in capsys.readouterr().out


@pytest.mark.filterwarnings("error")
def test_the_cheetahs_file_is_not_complained_about(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    benchmarks.mj_step_share("HalfCheetah-v5", robots=2, steps=3)
    out, err = capfd.readouterr()
    assert "settotalmass" not in out + err and out.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
