"""Every hyper-parameter of a run, and the presets of known environments."""

import dataclasses
import re
from dataclasses import dataclass, field

import numpy as np

from trpo_lite import _check

ALGORITHMS = ("trpo", "npg", "pg", "ppo-penalty", "ppo-clip")


def _a_return(name, value):
    if np.isnan(value):
        raise ValueError(f"{name} must be a return, got nan")


def _log_deviation(name, value):
    if not abs(value) <= 40:
        raise ValueError(
            f"{name} must be in [-40, 40], deviations of 4e-18 to 2e17, got {value!r}"
        )


def _kind_of_features(name, value):
    _check.one_of(name, value, ("linear", "fourier"))


def _setting(default, text, check=None):
    """A field: what `--help` says of it, and what refuses a wrong value."""
    return field(default=default, metadata={"help": text, "check": check})


@dataclass(frozen=True)
class Settings:
    """Every hyper-parameter of a run; each is a keyword of `train` and a CLI option.

    What is not given comes from the environment's preset, then from the kind of its
    actions, then from here.
    """

    steps: int = _setting(200_000, "environment steps in all", _check.count)
    batch: int = _setting(4096, "steps in one batch, so in one update", _check.count)
    environments: int = _setting(16, "environments stepped side by side", _check.count)
    starts: int = _setting(
        1, "short runs, as many as fit, the best of which goes on", _check.count
    )
    start_steps: int = _setting(
        100_000, "environment steps of each start, if there are several", _check.count
    )
    decay: float = _setting(
        0.0, "share of delta or learning rate gone by the end", _check.fraction
    )
    until: float = _setting(
        np.inf, "stop once a batch's mean return reaches this", _a_return
    )
    gamma: float = _setting(0.99, "discount", _check.discount)
    lam: float = _setting(
        0.97, "GAE's lambda: 0 trusts the baseline, 1 the rewards", _check.fraction
    )
    features: str = _setting(
        "linear", "of the observations: linear or fourier", _kind_of_features
    )
    fourier_count: int = _setting(
        200, "number of random Fourier features", _check.count
    )
    bandwidth: float = _setting(
        2.0, "their length scale, in standard deviations", _check.positive
    )
    normalize_observations: bool = _setting(True, "by running mean and deviation")
    log_std: float = _setting(
        0.0, "first log standard deviation of a Gaussian policy", _log_deviation
    )
    ridge: float = _setting(
        1e-5, "ridge penalty of the value baseline", _check.not_negative
    )
    delta: float = _setting(0.01, "KL limit of one update (trpo, npg)", _check.positive)
    damping: float = _setting(
        1e-3, "added to the Fisher matrix's diagonal", _check.not_negative
    )
    cg_iterations: int = _setting(10, "conjugate gradient steps", _check.count)
    cg_tolerance: float = _setting(
        1e-10, "relative residual at which CG stops", _check.not_negative
    )
    backtrack: float = _setting(0.8, "factor of the line search (trpo)", _check.inside)
    max_backtracks: int = _setting(
        10, "how often it shortens a step at most (trpo)", _check.not_negative
    )
    learning_rate: float = _setting(
        0.01, "step size (pg), Adam's (ppo)", _check.positive
    )
    epochs: int = _setting(10, "passes over a batch (ppo)", _check.count)
    minibatches: int = _setting(8, "gradient steps in a pass (ppo)", _check.count)
    clip: float = _setting(
        0.2, "epsilon, the clip range of the ratio (ppo-clip)", _check.positive
    )
    beta: float = _setting(
        1.0, "first penalty coefficient (ppo-penalty)", _check.positive
    )
    target_kl: float = _setting(
        0.01, "KL that beta is adapted to (ppo-penalty)", _check.positive
    )

    def __post_init__(self):
        for f in dataclasses.fields(self):
            value = _typed(f, getattr(self, f.name))
            if f.metadata["check"]:
                f.metadata["check"](f.name, value)
            object.__setattr__(self, f.name, value)


def _typed(f, value):
    """`value` as the type of field `f`; TypeError if it isn't one."""
    integer = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if f.type is bool and isinstance(value, (bool, np.bool_)):
        return bool(value)
    if f.type is str and isinstance(value, str):
        return value
    if f.type is int and (
        integer or (isinstance(value, float) and value.is_integer())  # 1e6 is clear
    ):
        return int(value)
    if f.type is float and (integer or isinstance(value, (float, np.floating))):
        return float(value)
    kind = {"bool": "True or False", "str": "a string", "int": "an integer"}.get(
        f.type.__name__, "a number"
    )
    raise TypeError(f"{f.name} must be {kind}, got {value!r}")


#: what differs from `Settings`, by action space and by environment; what stands under
#: an algorithm's name holds for that algorithm only
DISCRETE = {"delta": 0.02, "pg": {"learning_rate": 1.0}}
CONTINUOUS = {"pg": {"learning_rate": 0.05}}
ROBOT = {  # of MuJoCo
    "batch": 4000,
    "environments": 8,
    "gamma": 0.995,
    "features": "fourier",
    "delta": 0.1,
}


def _step_sizes(ppo_clip, ppo_penalty, pg):
    """The learning rates of a robot (grids/robots_step_size.json)."""
    return {
        "ppo-clip": {"learning_rate": ppo_clip},
        "ppo-penalty": {"learning_rate": ppo_penalty, "target_kl": 0.05},
        "pg": {"learning_rate": pg},
    }


PRESETS = {
    "CartPole": dict(
        batch=16384,
        environments=64,
        gamma=0.995,
        lam=0.97,
        delta=0.1,
        target_kl=0.05,
        until=490.0,
        pg={"learning_rate": 3.0},
    ),
    "Acrobot": dict(batch=8000, gamma=0.995, delta=0.05, normalize_observations=False),
    "Pendulum": dict(
        steps=240_000,
        batch=4000,
        gamma=0.98,
        lam=0.95,
        delta=0.03,
        features="fourier",
    ),
    "Swimmer": ROBOT
    | _step_sizes(0.001, 0.001, 1.5)
    | dict(
        steps=900_000,
        starts=4,
        start_steps=64_000,
        batch=8000,
        gamma=0.9995,
        lam=0.99,
        delta=0.05,
        features="linear",
        normalize_observations=False,
    ),
    "Hopper": ROBOT
    | _step_sizes(0.001, 0.00033, 0.056)
    | dict(steps=1_000_000, bandwidth=5.0, decay=0.9, cg_iterations=3),
    "HalfCheetah": ROBOT
    | _step_sizes(0.001, 0.00033, 0.056)
    | dict(
        steps=800_000,
        environments=4,
        fourier_count=400,
        bandwidth=8.0,
        log_std=-0.5,
        decay=0.5,
    ),
    "Walker2d": ROBOT
    | _step_sizes(0.001, 0.001, 0.056)
    | dict(steps=1_000_000, bandwidth=6.0, decay=0.9, cg_iterations=3),
    "Reacher": ROBOT
    | _step_sizes(0.0005, 0.0015, 0.05)
    | dict(gamma=0.95, lam=0.95, bandwidth=4.0, log_std=-1.0, delta=0.05),
    "InvertedPendulum": ROBOT
    | _step_sizes(0.003, 0.003, 0.5)
    | dict(
        steps=60_000,
        batch=2000,
        gamma=0.99,
        features="linear",
        log_std=-0.5,
        delta=0.05,
        decay=0.9,
    ),
    "InvertedDoublePendulum": ROBOT
    | _step_sizes(0.003, 0.001, 0.056)
    | dict(
        steps=500_000,
        bandwidth=10.0,
        damping=0.1,
        decay=0.5,
        until=9300.0,
    ),
    "Ant": ROBOT  # its learning rates are the Walker2d's, not tuned
    | _step_sizes(0.001, 0.001, 0.056)
    | dict(
        steps=1_000_000,
        gamma=0.99,
        lam=0.95,
        bandwidth=15.0,
        log_std=-1.5,
        decay=0.5,
        cg_iterations=3,
    ),
}


def preset(env_id, algorithm="trpo", discrete=False):
    """The settings dict that differs from `Settings()` for this environment id."""
    name = re.sub(r"-v\d+$", "", env_id.split(":")[-1].split("/")[-1])
    chosen = {}
    for layer in (DISCRETE if discrete else CONTINUOUS, PRESETS.get(name, {})):
        chosen |= {k: v for k, v in layer.items() if k not in ALGORITHMS}
        chosen |= layer.get(algorithm, {})
    return chosen


def settled(env_id, algorithm, discrete, given):
    """The Settings of a run: what is `given`, a dict, then the preset of `env_id`."""
    return Settings(**{**preset(env_id, algorithm, discrete), **given})
