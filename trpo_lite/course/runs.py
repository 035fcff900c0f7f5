"""A grid's runs as one small file, and as what pages ask of them.

`compact` makes plain arrays of many histories: curves thinned to a few points, what is
counted over all updates, the evaluations, and each run's settings. `Runs` reads them.
"""

import json
from dataclasses import dataclass

import numpy as np

from trpo_lite.course.data import load
from trpo_lite.history import PACKAGES

POINTS = 60  # of a thinned curve
CURVES = ("return_mean", "kl", "backtracks", "entropy", "explained_variance",
          "max_ratio", "clip_fraction")  # fmt: skip


def compact(runs, points=POINTS):
    """Arrays of `runs`, pairs (label, History); R runs, P = `points`, E episodes.

    Returns
    -------
    env_id, algorithm, label, settings (JSON) : [R] text
    seed, parameters : [R]
    evaluation : [R, E] the returns of fresh episodes
    steps : [R, P] environment steps done by the end of a bin of updates
    each of `CURVES` and of `in_units` : [R, P] mean over a bin, NaN where there is none
    each of `counts` : [R], over all updates
    versions : of the packages that made the numbers, "name version", as far as the
        histories say
    """
    rows, made_by = [], []
    for label, history in runs:
        settings = history.settings
        made_by.append(history.versions)
        row = {
            "env_id": settings["env_id"],
            "algorithm": settings["algorithm"],
            "label": label,
            "settings": json.dumps(settings),
            "seed": settings["seed"],
            "parameters": history.policy.theta.size,
            "evaluation": np.float32(history.evaluation),
            **counts(history),
        }
        columns = {name: history[name] for name in CURVES} | in_units(history)
        bins = np.array_split(np.arange(len(history)), min(points, len(history)))
        blank = [np.nan] * (points - len(bins))
        row["steps"] = np.float32([history["steps"][b[-1]] for b in bins] + blank)
        for name, column in columns.items():
            row[name] = np.float32([_mean(column[b]) for b in bins] + blank)
        rows.append(row)
    arrays = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    return arrays | {"versions": np.array(_distinct(made_by), dtype=str)}


def _mean(x):
    """Of what is not NaN; NaN if all is."""
    known = x[np.isfinite(x)]
    return known.mean() if known.size else np.nan


def ends_of_starts(history):
    """The last update of each short start, and the steps of one; ([], 0) of one start.

    As `train` does it: a start ends when one more batch might not fit.
    """
    s = history.settings
    n = min(s["environments"], s["batch"], s["steps"])
    rows = min(s["batch"], s["steps"]) // n * n
    length = max(s.get("start_steps", 0), rows)
    starts = min(s.get("starts", 1), max(s["steps"] // length, 1))
    ends, before = [], 0
    for k, done in enumerate(history["steps"]):
        if len(ends) < starts > 1 and done - before + rows > length:
            ends.append(k)
            before = done
    return ends, length * bool(ends)


def limits(history):
    """delta of each update [K]: it shrinks along a run if there is a `decay`."""
    s, R, steps = history.settings, history["return_mean"], history["steps"]
    ends, length = ends_of_starts(history)
    before, own, last = np.concatenate([[0], steps[:-1]]), [], []
    for first, end in zip([0, *(k + 1 for k in ends)], ends):
        offset = before[first]
        before[first : end + 1] -= offset
        own.append(steps[end] - offset)
        last.append([-np.inf, *R[first : end + 1][np.isfinite(R[first : end + 1])]][-1])
    if ends and ends[-1] + 1 < len(steps):
        before[ends[-1] + 1 :] -= steps[ends[-1]] - own[int(np.argmax(last))]
    total = s["steps"] - (len(ends) - 1) * length
    return s["delta"] * (1 - s["decay"] * before / total)


def in_units(history):
    """Columns [K] in units of their own scale.

    kl_share: KL over delta; over_noise: what the full step promises over what it would
    promise typically if the advantages were noise, sqrt(2 delta n / N) (page 12).
    """
    delta = limits(history)
    n, N = history.policy.theta.size, history.settings["batch"]
    noise = np.sqrt(2 * delta * n / N)
    return {
        "kl_share": history["kl"] / delta,
        "over_noise": history["predicted_surrogate"] / noise,
    }


def counts(history):
    """What is counted over all updates of a run.

    updates
    kept : the policy stayed as it was, though not because of `until`
    shortened : the line search took less than the full step
    over : KL above delta, beyond rounding ; worst_share : the largest KL over delta
    not_up : a step was made and L on the sample is not above 0
    pairs : a step was made and there is a mean return before it and after it
    falls : those of the pairs whose return is lower after
    hours : of one core, by the training's clock
    """
    share, R = in_units(history)["kl_share"], history["return_mean"]
    moved = history["step_norm"] > 0
    known = moved[:-1] & np.isfinite(R[:-1]) & np.isfinite(R[1:])
    known[[end for end in ends_of_starts(history)[0] if end < len(known)]] = False
    return {
        "updates": len(history),
        "kept": np.sum(~moved) - (history.stopped == "until"),
        "shortened": np.sum(moved & (history["backtracks"] > 0)),
        "over": np.sum(share > 1 + 1e-9),
        "worst_share": np.float32(share.max()),
        "not_up": np.sum(moved & (history["surrogate"] <= 0)),
        "pairs": np.sum(known),
        "falls": np.sum(known & (R[1:] < R[:-1])),
        "hours": np.float32(history["seconds"][-1] / 3600),
    }


def _distinct(made_by):
    """Each "name version" once, of dicts {name: version}."""
    return [
        f"{name} {number}"
        for name in PACKAGES
        for number in sorted({of[name] for of in made_by if name in of})
    ]


@dataclass(frozen=True)
class Runs:
    """Stored runs: `runs.of("Hopper-v5", "trpo")["kl"]` is [R, P] of those runs."""

    arrays: dict

    @classmethod
    def stored(cls, name):
        """Those of a stored measurement; what it has beside them is left out."""
        return cls({k: v for k, v in load(name).items() if "/" not in k})

    def __len__(self):
        return len(self.arrays["seed"])

    def __getitem__(self, name):
        return self.arrays[name]

    def of(self, env_id=None, algorithm=None, label="", seeds=None):
        """The runs with all of these; None is any, and so is label=None.

        KeyError if there is none.
        """
        there = np.ones(len(self), dtype=bool)
        wanted = {"env_id": env_id, "algorithm": algorithm, "label": label}
        for name, value in wanted.items():
            if value is not None:
                there &= self[name] == value
        if seeds is not None:
            there &= np.isin(self["seed"], seeds)
        if not there.any():
            raise KeyError(f"no stored run with {wanted}, seeds {seeds}")
        versions = {"versions": self["versions"]}
        rows = {k: v[there] for k, v in self.arrays.items() if k not in versions}
        return Runs(rows | versions)

    @property
    def scores(self):
        """[R] mean return of the fresh episodes."""
        return self["evaluation"].astype(float).mean(1)

    @property
    def settings(self):
        """A dict for each run."""
        return [json.loads(text) for text in self["settings"]]

    def on_a_grid(self, points=POINTS):
        """(steps [P], mean returns [R, P]) of runs at equal steps.

        NaN before a run's first mean return; after its end the last one stays.
        """
        known = [np.isfinite(row) for row in self["return_mean"]]
        pairs = [
            (steps[there], R[there].astype(float))
            for steps, R, there in zip(self["steps"], self["return_mean"], known)
            if there.any()
        ]
        first, last = min(x[0] for x, _ in pairs), max(x[-1] for x, _ in pairs)
        grid = np.linspace(first, last, points)
        return grid, np.array([np.interp(grid, *pair, left=np.nan) for pair in pairs])

    @property
    def total_steps(self):
        """[R] environment steps of each run."""
        return np.nanmax(self["steps"], 1).astype(int)
