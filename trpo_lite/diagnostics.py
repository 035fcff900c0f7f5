"""What an update says about itself."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Diagnostics:
    """One update, measured on its own batch; NaN where a number doesn't apply.

    Averages are over the rows of the batch. The surrogate is the sample's gain
    mean((r - 1) A): the advantages as they were given, zero at the old policy.
    """

    stop: str  #: why the update ended; each update's docstring lists its words
    kl: float  #: mean KL(old || new), nats
    surrogate: float  #: mean((r - 1) A), in the advantages' units
    entropy: float  #: mean entropy of the new policy, nats
    max_ratio: float  #: largest r = pi_new / pi_old
    gradient_norm: float  #: |g| at the old policy
    step_norm: float  #: |theta_new - theta_old|
    refused: bool = False  #: theta would not have stayed finite, so the old was kept
    predicted_surrogate: float = float("nan")  #: g.step of the full natural step
    predicted_kl: float = float("nan")  #: step.F step / 2 of the full natural step
    backtracks: float = float("nan")  #: of the line search
    cg_iterations: float = float("nan")
    cg_residual: float = float("nan")  #: |g - F x| / |g| at the end
    clip_fraction: float = float("nan")  #: rows with r outside [1 - clip, 1 + clip]
    beta: float = float("nan")  #: penalty for the *next* update
    epochs: float = float("nan")  #: passes over the batch
    explained_variance: float = float("nan")  #: of the baseline; left to the caller
