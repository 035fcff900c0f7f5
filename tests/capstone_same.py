"""Changes of page 18's solution that leave it the same function, with reasons."""

ANY = "NumPy takes any negative length for the unknown one"
HELD = "nothing varies between 9e-9 and 1.1e-8: a threshold between rounding and data"
EVEN = "the difference is squared"
SYMMETRIC = "a normal number and its negative are equally likely"
NEVER_EQUAL = "a uniform number equals a sum with probability 2^-53"
TURNED = "with features of the other sign the weights turn too: the same V"
MIDDLE = "np.clip takes the middle one of three numbers, in any order"
UNSEEN = "what doesn't vary gets weight 0, so its scale is never seen"
CENTRED = "A has mean 0, so a constant beside the ratio adds nothing"
SCALE = "the step's direction and length don't depend on the size of g or A"
POSITIVE = "only the sign of L is asked for"
CLOSE = "a threshold between rounding and data"

_SOFTMAX = {"log_softmax: `1` -> `2` (2)": ANY}
_GAUSSIAN = {"mean_and_sigma: `1` -> `2` (3)": ANY}
EQUIVALENT = {
    "softmax_log_prob": _SOFTMAX,
    "softmax_score": _SOFTMAX,
    "softmax_kl": _SOFTMAX,
    "softmax_fisher": {**_SOFTMAX, "softmax_fisher: `1` -> `2` (2)": ANY},
    "softmax_sample": {
        **_SOFTMAX,
        "softmax_sample: `rng.random((len(phi), 1)) > sums[:, :-1]` -> "
        "`rng.random((len(phi), 1)) >= sums[:, :-1]`": NEVER_EQUAL,
    },
    "gaussian_log_prob": {
        **_GAUSSIAN,
        "gaussian_log_prob: `actions - mean` -> `mean - actions`": EVEN,
    },
    "gaussian_score": _GAUSSIAN,
    "gaussian_kl": {
        **_GAUSSIAN,
        "gaussian_kl: `mean - mean_2` -> `mean_2 - mean`": EVEN,
    },
    "gaussian_fisher": {
        **_GAUSSIAN,
        "gaussian_fisher: `sigma = mean_and_sigma(theta, phi)[1]` -> "
        "`sigma = -mean_and_sigma(theta, phi)[1]`": EVEN,
    },
    "gaussian_sample": {
        **_GAUSSIAN,
        "gaussian_sample: `mean + sigma * rng.standard_normal(mean.shape)` -> "
        "`mean - sigma * rng.standard_normal(mean.shape)`": SYMMETRIC,
    },
    "features": {
        "features: `std > 1e-08` -> `std >= 1e-08`": HELD,
        "features: `1e-08` -> `9.000000000000001e-09`": HELD,
        "features: `1e-08` -> `1.1000000000000001e-08`": HELD,
    },
    "fit_value": {
        "value_features: `x = np.clip((np.column_stack([s, t]) - mean) / std, -5, 5)`"
        " -> `x = -np.clip((np.column_stack([s, t]) - mean) / std, -5, 5)`": TURNED,
        "value_features: `np.clip((np.column_stack([s, t]) - mean) / std, -5, 5)` -> "
        "`np.clip(-5, (np.column_stack([s, t]) - mean) / std, 5)`": MIDDLE,
        "value_features: `np.column_stack([s, t]) - mean` -> "
        "`mean - np.column_stack([s, t])`": TURNED,
        "value_features: `return np.hstack([np.ones_like(t), x, s[:, i] * s[:, j], "
        "t ** 2, t ** 3])` -> `return -np.hstack([np.ones_like(t), x, "
        "s[:, i] * s[:, j], t ** 2, t ** 3])`": TURNED,
        "fit_value: `x.std(0) > 1e-08` -> `x.std(0) >= 1e-08`": HELD,
        "fit_value: `1e-08` -> `9.000000000000001e-09`": HELD,
        "fit_value: `1e-08` -> `1.1000000000000001e-08`": HELD,
        "fit_value: `1.0` -> `0.9`": UNSEEN,
        "fit_value: `1.0` -> `1.1`": UNSEEN,
    },
    "collect": {
        "collect: `same_step = env.metadata['autoreset_mode'].name == 'SAME_STEP'` -> "
        "`same_step = -(env.metadata['autoreset_mode'].name == 'SAME_STEP')`": (
            "-1 counts as True, too"
        ),
        "collect: `np.clip(a, space.low, space.high)` -> "
        "`np.clip(space.low, a, space.high)`": MIDDLE,
        "collect: `np.array(after)` -> `after` (2)": (
            "Gymnasium's vector environments hand out copies"
        ),
        "collect: `np.array(x)` -> `x`": "a tuple of T rows holds the same numbers",
    },
    "cg": {
        "cg: `1e-20` -> `9e-21`": CLOSE,
        "cg: `1e-20` -> `1.1e-20`": CLOSE,
        "cg: `break` -> `continue`": "the residual stays as it is: it goes on doing so",
    },
    "update": {
        "update: `A.std() <= 1e-12 * np.abs(advantages).max()` -> "
        "`A.std() < 1e-12 * np.abs(advantages).max()`": CLOSE,
        "update: `1e-12` -> `9e-13`": CLOSE,
        "update: `1e-12` -> `1.1000000000000002e-12`": CLOSE,
        "update: `np.abs(advantages).max` -> `np.abs(advantages).min`": (
            "where all are equal, the smallest is the largest"
        ),
        "update: drop `A = A / A.std()`": SCALE,
        "update: `A / A.std()` -> `A * A.std()`": SCALE,
        "update: `A / A.std()` -> `A`": SCALE,
        "update: `policy.score(theta, phi, actions, A) / len(A)` -> "
        "`policy.score(theta, phi, actions, A) * len(A)`": SCALE,
        "update: `policy.score(theta, phi, actions, A) / len(A)` -> "
        "`policy.score(theta, phi, actions, A)`": SCALE,
        "update: `np.mean` -> `np.sum`": POSITIVE,
        "update: `ratio - 1` -> `ratio + 1`": CENTRED,
        "update: `ratio - 1` -> `ratio`": CENTRED,
        "update: `1` -> `2`": CENTRED,
        "update: `1` -> `0`": CENTRED,
    },
    "train": {
        "train: `1` -> `2`": ANY,
        "train: `gae(r, 0 * r, 0 * r, *ends, gamma, 1.0)` -> "
        "`gae(r, 0 * r, 0 * r, *ends, 1.0, gamma)`": (
            "with V = 0 only the product of gamma and lambda counts"
        ),
        "train: `0 * r` -> `0`": "0 is as good as a grid of zeros",
        "train: `0 * r` -> `0` (2)": "0 is as good as a grid of zeros",
    },
}
