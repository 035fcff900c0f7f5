"""The record of a run, which can be saved and loaded again."""

import json
import os
import sys
from dataclasses import dataclass, field, replace

import numpy as np

from trpo_lite.files import (
    load_arrays,
    packed,
    policy_from_arrays,
    policy_to_arrays,
    write,
)

#: what makes a run's numbers
PACKAGES = ("numpy", "gymnasium", "mujoco")


def versions():
    """{package: version} of those of `PACKAGES` that this process has imported."""
    found = {
        name: getattr(sys.modules.get(name), "__version__", "") for name in PACKAGES
    }
    return {name: str(version) for name, version in found.items() if version}


@dataclass(frozen=True)
class History:
    """A run: its settings, the policy it ended with, and a row for each iteration.

    `history["kl"]` is one column [K]. `stopped` says why it ended: "steps", "until",
    "interrupted" or "error".
    """

    settings: dict
    policy: object
    columns: dict
    stopped: str
    evaluation: np.ndarray | None = None  #: [E] returns of fresh episodes, by the mode
    versions: dict = field(default_factory=dict)  #: {package: version}; {} if unknown

    def __getitem__(self, name):
        if name not in self.columns:
            raise KeyError(f"no column {name!r}; there are {', '.join(self.columns)}")
        return self.columns[name]

    def __len__(self):
        return len(next(iter(self.columns.values()), ()))

    def with_evaluation(self, returns):
        """The same run, and the returns [E] of fresh episodes with its policy."""
        return replace(self, evaluation=np.asarray(returns, dtype=np.float64))

    def save(self, file, overwrite=True):
        """Write to exactly `file` by `files.write`, in .npz format."""
        write(file, self.content(), overwrite)

    def content(self):
        """The bytes of its file."""
        header = {
            "settings": self.settings,
            "stopped": self.stopped,
            "versions": self.versions,
        }
        arrays = {"trpo_lite_history": np.array(json.dumps(header))}
        for name, array in policy_to_arrays(self.policy).items():
            arrays[f"policy/{name}"] = array
        for name, array in self.columns.items():
            arrays[f"column/{name}"] = array
        if self.evaluation is not None:
            arrays["evaluation"] = self.evaluation
        return packed(arrays)

    @classmethod
    def load(cls, file):
        """The history in `file`; ValueError if that is broken or something else.

        Reads no pickles, so a file from a stranger can do no harm.
        """
        try:
            arrays = load_arrays(file)
            header = json.loads(str(arrays.pop("trpo_lite_history")))
            evaluation = arrays.pop("evaluation", None)
            parts = {"policy": {}, "column": {}}
            for name, array in arrays.items():
                part, name = name.split("/", 1)
                parts[part][name] = array
            settings, stopped = header["settings"], header["stopped"]
            if not isinstance(settings.get("env_id"), str):
                raise ValueError("its settings name no environment")
            shapes = {array.shape for array in parts["column"].values()}
            if len(shapes) > 1 or any(len(shape) != 1 for shape in shapes):
                raise ValueError(f"its columns have shapes {sorted(shapes)}")
            policy = policy_from_arrays(parts["policy"])
            made_by = {k: str(v) for k, v in header.get("versions", {}).items()}
            return cls(
                settings, policy, parts["column"], str(stopped), evaluation, made_by
            )
        except OSError:  # there is no such file, or it cannot be read
            raise
        except Exception as problem:
            raise ValueError(
                f"{os.fspath(file)} is not a trpo_lite history, or it is broken "
                f"({type(problem).__name__}: {problem})"
            ) from None
