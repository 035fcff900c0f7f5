"""Feature maps phi(s): what a linear policy sees of an observation."""

from dataclasses import dataclass, replace

import numpy as np

from trpo_lite import _check


def identity(observations):
    """The observations themselves as feature rows [N, F]: a copy, in float64."""
    return np.array(observations, dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Features:
    """phi(s) = [z, 1], or [sin(frequencies z + phases), 1], with z = (s - mean) / std.

    Parameters
    ----------
    mean, std : [D], frozen within an update; std > 0
    clip : z is kept inside [-clip, clip]; infinity for never
    frequencies, phases : [K, D] and [K], or None for the linear map
    bias : whether the constant 1 is there

    Source of the second form: Rajeswaran et al. 2017 (random Fourier features).
    """

    mean: np.ndarray
    std: np.ndarray
    clip: float = np.inf
    frequencies: np.ndarray | None = None
    phases: np.ndarray | None = None
    bias: bool = True

    def __post_init__(self):
        mean = _check.finite("mean", self.mean, (None,))
        std = _check.finite("std", self.std, mean.shape)
        if not (std > 0).all():
            raise ValueError(f"std must be > 0, got {std.min()}")
        if not self.clip > 0:
            raise ValueError(f"clip must be > 0, got {self.clip!r}")
        if (self.frequencies is None) != (self.phases is None):
            raise ValueError("frequencies and phases must be given together")
        _check.set_frozen(self, mean=mean, std=std)
        if self.frequencies is not None:
            frequencies = _check.finite(
                "frequencies", self.frequencies, (None, mean.size)
            )
            phases = _check.finite("phases", self.phases, (len(frequencies),))
            _check.set_frozen(self, frequencies=frequencies, phases=phases)

    @property
    def size(self):
        """F, the number of features."""
        waves = self.mean if self.frequencies is None else self.frequencies
        return len(waves) + bool(self.bias)

    def with_moments(self, mean, std):
        """The same map, normalising with another mean [D] and std [D]."""
        return replace(self, mean=mean, std=std)

    def __call__(self, observations):
        observations = np.asarray(observations)
        if observations.ndim != 2 or observations.shape[1] != self.mean.size:
            raise ValueError(
                f"observations has shape {observations.shape}, "
                f"expected (any, {self.mean.size})"
            )
        # Filled as [F, N] and seen as [N, F]: long runs in memory are much faster.
        columns = np.empty((self.size, len(observations)))
        linear = self.frequencies is None
        z = columns[: self.mean.size] if linear else np.empty(observations.T.shape)
        np.subtract(observations.T, self.mean[:, None], out=z)
        z /= self.std[:, None]
        if self.clip < np.inf:
            z.clip(-self.clip, self.clip, out=z)
        if not linear:
            waves = columns[: len(self.phases)]
            np.matmul(self.frequencies, z, out=waves)
            waves += self.phases[:, None]
            np.sin(waves, out=waves)
        if self.bias:
            columns[-1] = 1
        return columns.T


def linear_features(dim, bias=True, clip=np.inf):
    """[s, 1] for observations of `dim` numbers, not yet normalised."""
    return Features(np.zeros(dim), np.ones(dim), clip, bias=bias)


def fourier_features(dim, count, bandwidth, rng, bias=True, clip=np.inf):
    """`count` random waves: frequencies N(0, 1/bandwidth^2), phases U(-pi, pi)."""
    frequencies = rng.standard_normal((count, dim)) / _check.positive(
        "bandwidth", bandwidth
    )
    phases = rng.uniform(-np.pi, np.pi, count)
    return Features(np.zeros(dim), np.ones(dim), clip, frequencies, phases, bias)
