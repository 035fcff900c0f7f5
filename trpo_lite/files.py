"""Policies in .npz files, written whole or not at all and read without pickle."""

import io
import os

import numpy as np

from trpo_lite._check import one_of
from trpo_lite.features import Features, identity
from trpo_lite.policies import LinearGaussian, LinearSoftmax, TabularSoftmax

_LINEAR = {"LinearSoftmax": LinearSoftmax, "LinearGaussian": LinearGaussian}
_FEATURES = ("mean", "std", "clip", "frequencies", "phases", "bias")


def policy_to_arrays(policy):
    """The policy as named arrays, ready for `save_arrays`."""
    arrays = {"kind": np.array(type(policy).__name__), "theta": policy.theta}
    if isinstance(policy, TabularSoftmax):
        return arrays | {
            "n_states": np.array(policy.n_states),
            "n_actions": np.array(policy.n_actions),
        }
    arrays["outputs"] = np.array(policy.sizes[1])
    if policy.features is identity:
        return arrays
    if not isinstance(policy.features, Features):
        raise TypeError(
            f"only identity and Features can be saved, not features {policy.features!r}"
        )
    for name in _FEATURES:
        value = getattr(policy.features, name)
        if value is not None:
            arrays[f"features_{name}"] = np.asarray(value)
    return arrays


def policy_from_arrays(arrays):
    """The policy that `policy_to_arrays` wrote; ValueError if something is missing."""
    try:
        kind, theta = str(arrays["kind"]), arrays["theta"]
        one_of("kind", kind, (*_LINEAR, "TabularSoftmax"))
        if kind == "TabularSoftmax":
            return TabularSoftmax(
                theta, int(arrays["n_states"]), int(arrays["n_actions"])
            )
        features = identity
        if "features_mean" in arrays:
            values = {
                name: arrays[f"features_{name}"]
                for name in _FEATURES
                if f"features_{name}" in arrays
            }
            values["clip"] = float(values["clip"])
            values["bias"] = bool(values["bias"])
            features = Features(**values)
        return _LINEAR[kind](theta, int(arrays["outputs"]), features)
    except KeyError as error:
        raise ValueError(f"not a saved policy: {error.args[0]} is missing") from error


def save_arrays(file, arrays, compressed=False):
    """Write named arrays to exactly `file` (.npz format), whole or not at all."""
    file = os.fspath(file)
    part = file + ".npz.part"
    try:
        with open(part, "wb") as handle:
            (np.savez_compressed if compressed else np.savez)(handle, **arrays)
        os.replace(part, file)
    except BaseException:
        if os.path.exists(part):
            os.remove(part)
        raise


def load_arrays(file):
    """The arrays in `file`, by name; reads no pickles, so a stranger's file is safe."""
    with open(file, "rb") as handle:
        content = io.BytesIO(handle.read())
    with np.load(content, allow_pickle=False) as npz:
        return {name: npz[name] for name in npz.files}
