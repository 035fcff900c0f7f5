"""Stored measurements that pages load, because a page must not take minutes.

`python -m tests.histories [NAME ...]` measures them afresh.
"""

from pathlib import Path

import numpy as np

FOLDER = Path(__file__).resolve().parent


def names():
    """The stored measurements."""
    return sorted(path.stem for path in FOLDER.glob("*.npz"))


def load(name):
    """The arrays of one stored measurement, by name; ValueError if there is none."""
    if name not in names():
        raise ValueError(
            f"no stored measurement {name!r}, there are {', '.join(names())}; "
            "python -m tests.histories NAME makes one"
        )
    with np.load(FOLDER / f"{name}.npz", allow_pickle=False) as stored:
        return {key: stored[key] for key in stored.files}
