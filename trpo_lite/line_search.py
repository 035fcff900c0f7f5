"""Backtracking: the sample has the last word on the step that Taylor proposed."""

from dataclasses import dataclass

import numpy as np

from trpo_lite import _check


@dataclass(frozen=True)
class Trial:
    """One candidate theta + scale * step and what was found there."""

    scale: float
    surrogate: float
    kl: float
    reason: str  #: "accepted", "KL > delta", "L <= 0" or "not finite"


@dataclass(frozen=True)
class LineSearch:
    """Where the search ended: at a candidate that passed, or where it began."""

    theta: np.ndarray  #: [n]; the old theta unless accepted
    accepted: bool
    backtracks: int  #: how often the step was shortened
    tried: tuple[Trial, ...]
    stop: str  #: "accepted", "max_backtracks" or "zero step"
    found: tuple | None = None  #: what `evaluate` said of theta; None unless accepted


def line_search(evaluate, theta, step, delta, backtrack=0.8, max_backtracks=10):
    """The first j = 0, 1, ... at which theta + backtrack^j step passes both tests.

    Accepted if L > 0 and KL(old || candidate) <= delta, both finite; if none of
    max_backtracks + 1 candidates passes, theta is kept.

    Parameters
    ----------
    evaluate : function theta [n] -> (L, mean KL), and more if it likes, which the
        result hands on as `found`; never called with a theta that isn't finite
    theta, step : [n]
    delta : KL limit in nats, > 0
    backtrack : in (0, 1), the lecture's alpha

    Source: the slide "Step IV: line search", with its missing "else theta_k".
    """
    theta = _check.finite("theta", theta, (None,))
    step = np.asarray(step, dtype=np.float64)
    if step.shape != theta.shape:
        raise ValueError(f"step has shape {step.shape}, expected {theta.shape}")
    delta = _check.positive("delta", delta)
    backtrack = _check.inside("backtrack", backtrack)
    max_backtracks = _check.count("max_backtracks", max_backtracks, least=0)
    if not step.any():
        return LineSearch(theta, False, 0, (), "zero step")
    tried = []
    for j in range(max_backtracks + 1):
        scale = backtrack**j
        candidate = theta + scale * step
        found = np.nan, np.nan
        if np.isfinite(candidate).all():
            found = evaluate(candidate.copy())
        surrogate, kl, *_ = found
        reason = _verdict(surrogate, kl, delta)
        tried.append(Trial(scale, float(surrogate), float(kl), reason))
        if reason == "accepted":
            return LineSearch(candidate, True, j, tuple(tried), "accepted", found)
    return LineSearch(theta, False, max_backtracks, tuple(tried), "max_backtracks")


def _verdict(surrogate, kl, delta):
    if not (np.isfinite(surrogate) and np.isfinite(kl)):
        return "not finite"
    if kl > delta:
        return "KL > delta"
    return "accepted" if surrogate > 0 else "L <= 0"
