"""Argument checks that name the argument, what was given and what was expected."""

import numpy as np


def finite(name, value, shape=None):
    """`value` as a float64 array; ValueError unless finite and of `shape`."""
    array = shaped(name, value, shape)
    # the sum of squares is finite only if all are, and sooner known; it may overflow
    if not np.isfinite(np.vdot(array, array)) and not np.isfinite(array).all():
        raise ValueError(
            f"{name} must be finite, found {array[~np.isfinite(array)][0]}"
        )
    return array


def shaped(name, value, shape=None):
    """`value` as a float64 array; ValueError unless of `shape` (None: any).

    An entry of `shape` that is None matches any length.
    """
    array = np.asarray(value, dtype=np.float64)
    if array.shape == shape:  # as nearly always
        return array
    if shape is not None and (
        array.ndim != len(shape)
        or any(n is not None and n != m for n, m in zip(shape, array.shape))
    ):
        lengths = ["any" if n is None else str(n) for n in shape]
        expected = f"({lengths[0]},)" if len(shape) == 1 else f"({', '.join(lengths)})"
        raise ValueError(f"{name} has shape {array.shape}, expected {expected}")
    return array


def frozen(array):
    """A read-only copy, so that a frozen dataclass really is frozen."""
    array = np.array(array)
    array.flags.writeable = False
    return array


def set_frozen(instance, **arrays):
    """Set read-only copies of the arrays on an instance of a frozen dataclass."""
    for name, array in arrays.items():
        object.__setattr__(instance, name, frozen(array))


def integer(name, value):
    """`value` as an int; TypeError unless it is one (True is none)."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    return int(value)


def count(name, value, least=1):
    """`value` as an int >= `least`; TypeError or ValueError otherwise."""
    if integer(name, value) < least:
        raise ValueError(f"{name} must be an integer >= {least}, got {value!r}")
    return int(value)


def not_negative(name, value):
    """`value` as a float; ValueError unless it is finite and >= 0."""
    number = float(value)
    if not (np.isfinite(number) and number >= 0):
        raise ValueError(f"{name} must be a finite number >= 0, got {value!r}")
    return number


def fraction(name, value):
    """`value` as a float; ValueError unless 0 <= value <= 1."""
    number = float(value)
    if not 0 <= number <= 1:
        raise ValueError(f"{name} must be in [0, 1], got {value!r}")
    return number


def inside(name, value):
    """`value` as a float; ValueError unless 0 < value < 1."""
    number = float(value)
    if not 0 < number < 1:
        raise ValueError(f"{name} must be in (0, 1), got {value!r}")
    return number


def one_of(name, value, choices):
    """`value`; ValueError unless it is among `choices`."""
    if value not in choices:
        raise ValueError(
            f"{name} must be one of {', '.join(map(str, choices))}, got {value!r}"
        )
    return value


def positive(name, value):
    """`value` as a float; ValueError unless it is finite and > 0."""
    number = float(value)
    if not (np.isfinite(number) and number > 0):
        raise ValueError(f"{name} must be a finite number > 0, got {value!r}")
    return number


def discount(name, value):
    """`value` as a float; ValueError unless 0 <= value < 1."""
    number = float(value)
    if not 0 <= number < 1:
        raise ValueError(f"{name} must be in [0, 1), got {value!r}")
    return number


def apart(value, expected, digits=6):
    """`value` in so many digits, or in as many more as tell it from `expected`."""
    texts = (f"{value:.{digits}g}" for digits in range(digits, 18))
    return next((text for text in texts if float(text) != expected), f"{value:.17g}")


def distributions(name, value, shape=None):
    """`value` as probabilities along its last axis; ValueError otherwise."""
    array = finite(name, value, shape)
    if (array < 0).any():
        raise ValueError(f"{name} has a negative probability {array.min():.3g}")
    sums = array.sum(-1)
    if np.abs(sums - 1).max(initial=0) > 1e-9:
        worst = np.unravel_index(np.argmax(np.abs(sums - 1)), sums.shape)
        row = f"row {tuple(int(i) for i in worst)} of {name}" if sums.ndim else name
        raise ValueError(f"{row} sums to {apart(sums[worst], 1)}, expected 1")
    return array
