"""Files written whole or not at all, and policies in .npz files without pickle."""

import io
import os
import stat

import numpy as np

from trpo_lite._check import count, one_of
from trpo_lite.features import Features, identity
from trpo_lite.policies import LinearGaussian, LinearSoftmax, TabularSoftmax

_LINEAR = {"LinearSoftmax": LinearSoftmax, "LinearGaussian": LinearGaussian}
_FEATURES = ("mean", "std", "clip", "frequencies", "phases", "bias")
#: more bytes than this are no history but a mistake, or a trap
LARGEST = 2**30


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
    """The policy that `policy_to_arrays` wrote; ValueError if something is wrong."""
    try:
        kind, theta = str(arrays["kind"]), arrays["theta"]
        one_of("kind", kind, (*_LINEAR, "TabularSoftmax"))
        if theta.dtype.kind not in "fiu":
            raise ValueError(f"theta has dtype {theta.dtype}, expected numbers")
        if kind == "TabularSoftmax":
            sizes = [count(n, arrays[n].item()) for n in ("n_states", "n_actions")]
            return TabularSoftmax(theta, *sizes)
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
        outputs = count("outputs", arrays["outputs"].item())
        return _LINEAR[kind](theta, outputs, features)
    except KeyError as error:
        raise ValueError(f"not a saved policy: {error.args[0]} is missing") from error
    except TypeError as error:
        raise ValueError(f"not a saved policy: {error}") from error


def save_arrays(file, arrays, compressed=False):
    """Write named arrays to exactly `file` (.npz format) by `write`."""
    write(file, packed(arrays, compressed))


def packed(arrays, compressed=False):
    """The bytes of an .npz file of named arrays.

    TypeError for arrays of objects, which only a pickle could hold.
    """
    arrays = {name: np.asarray(array) for name, array in arrays.items()}
    for name, array in arrays.items():
        if array.dtype.hasobject:
            raise TypeError(f"{name} is an array of objects, which cannot be saved")
    content = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(content, **arrays)
    return content.getvalue()


def write(file, content, overwrite=True):
    """Write bytes to exactly `file`, whole or not at all; OSError if it can't be.

    A link stays a link and its target is written; a device or a pipe is written to. Any
    other file is replaced at once by a temporary one beside it, `*.part`, so that two
    writers never meet in one file. FileExistsError where there is one, unless
    `overwrite`; PermissionError if that is read-only.
    """
    target = _target(file)
    if os.path.exists(target) and not os.path.isfile(target):
        with open(target, "wb") as handle:
            handle.write(content)
        return
    part = _beside(target)
    try:
        with open(part, "xb") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())  # some disks say only now that they are full
        if os.path.exists(target):
            os.chmod(part, stat.S_IMODE(os.stat(target).st_mode))
        if overwrite or not _linked(part, target):
            os.replace(part, target)
    finally:
        if os.path.exists(part):
            os.remove(part)


def _linked(part, target):
    """Give `part` the name `target`, at once and whole; FileExistsError if it is taken.

    False where a disk has no links: then an empty file has taken the name.
    """
    try:
        os.link(part, target)
        return True
    except FileExistsError:
        raise
    except OSError:
        open(target, "xb").close()
        return False


def check_writable(file):
    """OSError unless `write` can write `file`; found by trying, nothing is left."""
    target = _target(file)
    if os.path.isfile(target) or not os.path.exists(target):
        try:
            part = _beside(target)
            open(part, "xb").close()
            os.remove(part)
        except OSError as problem:
            reason = problem.strerror
            raise OSError(
                f"{file}: its folder cannot be written to: {reason}"
            ) from None


def _target(file):
    """The path to write to, of a file behind links; OSError unless one may be there."""
    target = os.path.realpath(os.fspath(file))
    try:
        mode = os.stat(file).st_mode
    except FileNotFoundError:
        if os.path.isdir(os.path.dirname(target)) and os.path.basename(file):
            return target
        raise FileNotFoundError(f"{file}: not a file in an existing folder") from None
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(f"{file}: not a file in an existing folder")
    if not mode & 0o222 or not os.access(file, os.W_OK):  # root may, and should not
        raise PermissionError(f"{file} is read-only")
    # what stands behind /dev/stdout may be no path
    return target if stat.S_ISREG(mode) else os.fspath(file)


def _beside(target):
    """A new name in the folder of `target`, known by its end (see .gitignore)."""
    folder, name = os.path.split(target)
    return os.path.join(folder, f"{name[:40]}-{os.urandom(4).hex()}.part")


def load_arrays(file):
    """The arrays in `file`, by name; reads no pickles, so a stranger's file is safe.

    ValueError if it holds more than `LARGEST` bytes, packed or unpacked.
    """
    with open(file, "rb") as handle:
        content = io.BytesIO(handle.read(LARGEST + 1))
    size = content.getbuffer().nbytes
    import zipfile  # half the time of this module's import

    if zipfile.is_zipfile(content):
        with zipfile.ZipFile(content) as archive:
            size = max(size, sum(entry.file_size for entry in archive.infolist()))
    if size > LARGEST:
        raise ValueError(f"it holds {size} bytes or more, expected at most {LARGEST}")
    content.seek(0)
    with np.load(content, allow_pickle=False) as npz:
        return {name: npz[name] for name in npz.files}
