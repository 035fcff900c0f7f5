"""Diagnostics: plain numbers, NaN where one doesn't apply."""

import dataclasses
import math

import numpy as np
import pytest

from tests.test_trpo import softmax
from trpo_lite.diagnostics import Diagnostics
from trpo_lite.ppo import ppo_clip_update, ppo_penalty_update
from trpo_lite.trpo import npg_update, policy_gradient_update, trpo_update


def seeded(update):
    return lambda *data: update(*data, rng=np.random.default_rng(0))


ALWAYS = {"kl", "surrogate", "entropy", "max_ratio", "gradient_norm", "step_norm"}
NATURAL = {"predicted_surrogate", "predicted_kl", "cg_iterations", "cg_residual"}


@pytest.mark.parametrize(
    "update, more",
    [
        (policy_gradient_update, set()),
        (npg_update, NATURAL),
        (trpo_update, NATURAL | {"backtracks"}),
        (seeded(ppo_penalty_update), {"beta", "epochs"}),
        (seeded(ppo_clip_update), {"clip_fraction", "epochs"}),
    ],
    ids=["pg", "npg", "trpo", "ppo-penalty", "ppo-clip"],
)
def test_each_update_fills_in_what_applies(update, more):
    _, diagnostics = update(*softmax())
    found = dataclasses.asdict(diagnostics)
    assert isinstance(found.pop("stop"), str)
    assert found.pop("refused") is False
    assert all(isinstance(x, (int, float)) for x in found.values())
    assert {k for k, x in found.items() if not math.isnan(x)} == ALWAYS | more


def test_it_is_frozen_and_can_be_added_to():
    diagnostics = Diagnostics("accepted", 0.01, 0.1, 1.0, 1.2, 0.5, 0.1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        diagnostics.kl = 0.0
    more = dataclasses.replace(diagnostics, explained_variance=0.9)
    assert more.explained_variance == 0.9 and more.kl == 0.01
