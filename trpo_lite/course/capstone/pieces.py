"""The pieces of page 18's file: each an exercise on one or two of its functions.

`solution.py` has the reference, `starter.py` the stubs. A likely mistake is a change of
one place in the reference, under the name that the reader is told.
"""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from trpo_lite.course.capstone import solution, starter
from trpo_lite.course.capstone.follow import complaint, policy_of
from trpo_lite.course.capstone.world import World
from trpo_lite.course.engine import Exercise, Source
from trpo_lite.course.outcome import same_code


@dataclass(frozen=True)
class Piece:
    """One piece: functions of the reader's file, and the exercise that judges them.

    names : the functions, the first of which names the piece
    uses : pieces that it calls by name
    adapt : {name: function} -> the answer that the exercise judges
    """

    names: tuple[str, ...]
    uses: tuple[str, ...]
    adapt: Callable
    exercise: Exercise

    @property
    def name(self):
        return self.names[0]

    def judge(self, functions):
        """(kind, text, details) as an exercise's, of {name: function}."""
        missing = [name for name in self.names if untouched(functions, name)]
        if missing:
            some = len(missing) < len(self.names)
            text = f"{missing[0]} is missing" if some else "not attempted yet"
            return "todo", f"{text}.", ()
        for name in self.names:
            if not callable(functions[name]):
                return "retry", f"{name} is no function.", ()
        kind, text, details = self.exercise.judge(self.answer(functions))
        return kind, text, [line.replace("lesson.", "pieces.") for line in details]

    def case(self, k):
        """The arguments of input k."""
        return self.exercise.case(k)

    def hint(self):
        self.exercise.hint()

    def solution(self):
        """Show them."""
        from IPython.display import display

        display(Source(source_of(self.names)))

    def answer(self, functions):
        """The reader's functions as one that the exercise can judge."""
        adapted = self.adapt(functions)
        if adapted is functions[self.name]:
            return adapted
        # what is read of the code, and the line of an error, are the reader's own
        own = dict(__signature__=inspect.signature(adapted))
        vars(adapted).update(own, __wrapped__=functions[self.name])
        return functools.partial(adapted)  # whose own code is nobody's stub


def untouched(functions, name):
    """Is a function not there, or still the starter's?"""
    function = functions.get(name, ...)
    return function is ... or same_code(function, getattr(starter, name))


HELPERS = ("log_softmax", "mean_and_sigma", "value_features")


def source_of(names):
    """The solution's functions as text, after the helpers that they call."""
    functions = [getattr(solution, name) for name in (*helpers_of(names), *names)]
    return "\n\n\n".join(inspect.getsource(f).rstrip() for f in functions)


def helpers_of(names):
    """The names of the helpers that the solution's functions call."""
    codes = [getattr(solution, name).__code__ for name in names]
    called = {x for c in codes for code in (c, *inner(c)) for x in code.co_names}
    return [name for name in HELPERS if name in called]


def inner(code):
    """The code of comprehensions and of functions within."""
    return [x for x in code.co_consts if inspect.iscode(x)]


def slip(names, changes):
    """{name: function}: the solution's, with `(old, new)` texts exchanged in them."""
    text = source_of(names)
    for old, new in changes:
        if text.count(old) != 1:
            raise ValueError(f"{names} has {old!r} {text.count(old)} times, expected 1")
        text = text.replace(old, new)
    made = dict(vars(solution))
    exec(text, made)
    return {name: made[name] for name in names}


def piece(names, cases, slips=None, hints=(), adapt=None, uses=(), difficulty=2,
          minutes=5, **more):  # fmt: skip
    """A `Piece`; slips : {what is told: the changes of the solution that make it}."""
    names = (names,) if isinstance(names, str) else names
    made = Piece(names, uses, adapt or (lambda f: f[names[0]]), None)
    exercise = Exercise(
        name=names[0],
        minutes=minutes,
        difficulty=difficulty,
        stub=made.answer({name: getattr(starter, name) for name in names}),
        reference=made.answer({name: getattr(solution, name) for name in names}),
        mistakes={
            text: made.answer(slip(names, changes))
            for text, changes in (slips or {}).items()
        },
        hints=hints,
        cases=cases,
        **more,
    )
    return Piece(names, uses, made.adapt, exercise)


# --- the policies


def softmax_world(rng, N, F, A, scale=1.0):
    return scale * rng.standard_normal(F * A), rng.standard_normal((N, F))


SOFTMAX_SIZES = ((5, 3, 4), (7, 4, 3), (6, 2, 5), (1, 3, 2))


def softmax_cases(more, huge=True):
    """rng -> cases (theta, phi, ...); the last ones have huge logits."""

    def cases(rng):
        found = []
        for N, F, A in SOFTMAX_SIZES:
            theta, phi = softmax_world(rng, N, F, A)
            found.append(more(theta, phi, A, rng))
        theta, phi = softmax_world(rng, 4, 3, 5, 800.0)
        found += [more(theta, phi, 5, rng)] * huge
        return [*found, more(*lifted(*softmax_world(rng, 5, 3, 4), 4), 4, rng)]

    return cases


def lifted(theta, phi, A):
    """Logits near 900, the last one near -800; rows 1 and 2 have one action left."""
    theta, phi = theta.copy(), phi.copy()
    theta[-A:] += 900.0
    theta[-1] -= 1700.0
    phi[:, -1] = 1.0
    phi[1:3] *= np.array([[400.0], [-400.0]])
    return theta, phi


def with_actions(theta, phi, A, rng):
    return theta, phi, rng.integers(A, size=len(phi))


def with_weights(theta, phi, A, rng):
    return theta, phi, rng.integers(A, size=len(phi)), rng.standard_normal(len(phi))


def with_new(theta, phi, A, rng):
    return theta, theta + rng.standard_normal(len(theta)), phi


def with_vector(theta, phi, A, rng):
    return theta, phi, rng.standard_normal(len(theta))


def gaussian_cases(more):
    """rng -> cases (theta, phi, ...)."""

    def cases(rng):
        found = []
        for N, F, m in ((5, 3, 2), (7, 2, 3), (4, 5, 3), (3, 2, 1), (1, 3, 2)):
            theta = np.append(rng.standard_normal(F * m), rng.uniform(-1, 1, m))
            phi = rng.standard_normal((N, F))
            found.append(more(theta, phi, m, rng))
        return found

    return cases


def with_moves(theta, phi, m, rng):
    return theta, phi, 2 * rng.standard_normal((len(phi), m))


def with_moves_and_weights(theta, phi, m, rng):
    return *with_moves(theta, phi, m, rng), rng.standard_normal(len(phi))


WRONG_ORDER = "theta holds the weights row by row: reshape(F, A), features first"


def sampled(kind):
    """A piece that draws: what is wrong with many draws, in words."""

    def adapt(functions):
        sample = functions[f"{kind}_sample"]

        def judge(theta, phi, seed):
            return what_is_drawn(kind, sample, theta, phi, seed)

        return judge

    return adapt


DRAWS = 4000


def what_is_drawn(kind, sample, theta, phi, seed):
    """What is wrong with draws of each row's actions, in words; "" if nothing is."""
    rows, N = np.repeat(phi, DRAWS, axis=0), len(phi)
    drawn = sample(theta, rows, np.random.default_rng(seed))
    if drawn is None:
        return None
    again = sample(theta, rows, np.random.default_rng(seed))
    other = sample(theta, rows, np.random.default_rng(seed + 1))
    drawn = np.asarray(drawn)
    m = len(theta) // (phi.shape[1] + 1)
    shape = (len(rows),) if kind == "softmax" else (len(rows), m)
    if drawn.shape != shape:
        return f"the actions have shape {drawn.shape}, expected {shape}"
    if not np.array_equal(drawn, again):
        return "the same rng gives other actions: draw from the rng that is given"
    if np.array_equal(drawn, other):
        if kind == "softmax" and np.array_equal(drawn, likeliest(theta, rows)):
            return "the likeliest action is always taken"
        return "another rng gives the same actions: nothing is drawn at random"
    if kind == "softmax":
        return _choices(drawn, theta, phi)
    return _moves(drawn.reshape(N, DRAWS, m), theta, phi)


def likeliest(theta, phi):
    return solution.log_softmax(theta, phi).argmax(1)


def _choices(drawn, theta, phi):
    log_p = solution.log_softmax(theta, phi)
    A = log_p.shape[1]
    if drawn.dtype.kind not in "iu":
        return f"the actions have dtype {drawn.dtype}, expected whole numbers"
    if drawn.min() < 0 or drawn.max() >= A:
        return f"the actions go from {drawn.min()} to {drawn.max()}, of {A} actions"
    counts = np.stack(
        [(drawn.reshape(len(phi), DRAWS) == a).mean(1) for a in range(A)], 1
    )
    p = np.exp(log_p)
    wrong = np.abs(counts - p) > 5 * np.sqrt(p * (1 - p) / DRAWS) + 2 / DRAWS
    if not wrong.any():
        return ""
    n, a = np.argwhere(wrong)[0]
    return (
        f"action {a} is drawn in {counts[n, a]:.1%} of row {n}, its probability is "
        f"{p[n, a]:.1%}"
    )


def _moves(drawn, theta, phi):
    mean, sigma = solution.mean_and_sigma(theta, phi)
    z = (drawn - mean[:, None]) / sigma
    bound = 5 / np.sqrt(DRAWS)
    found = z.std(1) * sigma
    if (np.abs(z.std(1) - 1) > bound).any():
        for text, wrong in (
            ("1, not sigma", np.ones_like(sigma)),
            ("sigma's square", sigma**2),
            ("log sigma, not sigma", np.abs(np.log(sigma))),
        ):
            if (np.abs(found / wrong - 1) < bound).all():
                return f"the deviation of the actions is {text}"
        n, i = np.argwhere(np.abs(z.std(1) - 1) > bound)[0]
        return (
            f"number {i} of row {n}'s action has deviation {found[n, i]:.3g}, sigma is "
            f"{sigma[i]:.3g}"
        )
    if (np.abs(z.mean(1)) > bound).any():
        n, i = np.argwhere(np.abs(z.mean(1)) > bound)[0]
        return (
            f"number {i} of row {n}'s action has mean {drawn[n, :, i].mean():.3g}, "
            f"expected {mean[n, i]:.3g}"
        )
    flat = z.reshape(-1, z.shape[2])
    if (
        z.shape[2] > 1
        and (np.abs(np.corrcoef(flat.T) - np.eye(z.shape[2])) > 0.1).any()
    ):
        return "the m numbers of an action share one random number: draw each its own"
    if len(z) > 1 and abs(np.mean(z[0] * z[1])) > 0.1:
        return "all rows share one random number: draw each its own"
    if abs(np.mean(flat**4) - 3) > 0.3:
        return "the actions are not normally distributed"
    return ""


def told(case, text):
    """The invariant of a piece whose judge tells what is wrong in words."""
    return str(text) or None


def draw_cases(kind):
    def cases(rng):
        def few(theta, phi, _, rng):
            return theta, phi[:3], int(rng.integers(1000))

        if kind == "softmax":
            return softmax_cases(few, huge=False)(rng)
        return gaussian_cases(few)(rng)

    return cases


LOGITS = "phi @ theta.reshape(phi.shape[1], -1)"
ORDER = {
    WRONG_ORDER: [(LOGITS, "phi @ theta.reshape(-1, phi.shape[1]).T")],
}
TURNED = "the result is transposed: it has theta's order, features first, [F, A]"
BOTH_TURNED = "theta and the result hold the weights row by row, features first: [F, A]"


def turned(result):
    """Slips of the order of a result [F, A], given by the text that flattens it."""
    other = [(result, result.replace(".ravel()", ".T.ravel()"))]
    return {TURNED: other, BOTH_TURNED: [*ORDER[WRONG_ORDER], *other]}


OVERFLOW = {
    "the largest logit must be taken off first, or exp overflows": [
        ("    z -= z.max(1, keepdims=True)\n", ""),
    ],
}
SPLIT = "phi @ theta[:-m].reshape(-1, m), np.exp(theta[-m:])"
LOG_FIRST = [(SPLIT, "phi @ theta[m:].reshape(-1, m), np.exp(theta[:m])")]
SIGMA = {
    "theta ends in log sigma: sigma is its exp": [("np.exp(theta[-m:])", "theta[-m:]")],
    "theta begins with the weights: log sigma is its end": LOG_FIRST,
}


def log_first(result, other):
    """Slips of the order of a result [F * m + m], given by its text and the wrong."""
    return {
        "the result begins with the weights: log sigma is its end": [(result, other)],
        "theta and the result begin with the weights: log sigma is their end": [
            *LOG_FIRST, (result, other),
        ],
    }  # fmt: skip


softmax_log_prob = piece(
    "softmax_log_prob",
    softmax_cases(with_actions),
    {
        **ORDER,
        **OVERFLOW,
        "the log of a softmax: exp overflows or vanishes; take the logs by hand": [
            ("    z -= z.max(1, keepdims=True)\n", ""),
            (
                "return z - np.log(np.exp(z).sum(1, keepdims=True))",
                "return np.log(np.exp(z) / np.exp(z).sum(1, keepdims=True))",
            ),
        ],
        "these are probabilities: take their log": [
            (
                "return log_softmax(theta, phi)",
                "return np.exp(log_softmax(theta, phi))",
            ),
        ],
        "these are probabilities: take their log, and the largest logit off first": [
            ("    z -= z.max(1, keepdims=True)\n", ""),
            (
                "return log_softmax(theta, phi)",
                "return np.exp(log_softmax(theta, phi))",
            ),
        ],
        "these are logits: the log of their exp's sum must be taken off": [
            ("return z - np.log(np.exp(z).sum(1, keepdims=True))", "return z"),
        ],
    },
    (
        "phi @ theta.reshape(F, -1) gives the logits [N, A]; F is phi.shape[1].",
        "log pi = z - log(sum(exp(z))), with z the logits less each row's largest.",
        "log_pi[np.arange(N), actions] takes one entry of each row.",
    ),
    difficulty=1,
)

softmax_score = piece(
    "softmax_score",
    softmax_cases(with_weights),
    {
        **ORDER,
        **turned("(np.eye(p.shape[1])[actions] - p))).ravel()"),
        "the probabilities are not taken off: (one-hot of the action) - pi": [
            ("np.eye(p.shape[1])[actions] - p", "np.eye(p.shape[1])[actions]"),
        ],
        "only the entry of the action taken is filled: the others get -pi": [
            (
                "np.eye(p.shape[1])[actions] - p",
                "np.eye(p.shape[1])[actions] * (1 - p)",
            ),
        ],
        "this is the slope of pi: that of log pi is (one-hot of the action) - pi": [
            (
                "np.eye(p.shape[1])[actions] - p",
                "p[np.arange(len(p)), actions][:, None] * "
                "(np.eye(p.shape[1])[actions] - p)",
            ),
        ],
    },
    (
        "In the logits z of one row the slope of log pi(a) is (one-hot of a) - pi.",
        "The logits are phi . weights, so weights[f, b] gets phi_f times entry b.",
        "(phi.T @ (weights[:, None] * (one_hot - pi))).ravel()",
    ),
)

softmax_kl = piece(
    "softmax_kl",
    softmax_cases(with_new),
    {
        **ORDER,
        "the mean is taken over the new policy's actions: the old one acts": [
            (
                "log_p = log_softmax(theta, phi)\n    return (np.exp(log_p)",
                "log_p = log_softmax(theta, phi)\n    "
                "return (np.exp(log_softmax(new, phi))",
            ),
        ],
        "each action counts by its probability: p is missing": [
            ("(np.exp(log_p) * (log_p", "((log_p"),
        ],
        "this is the cross entropy: the old policy's own part is missing": [
            ("(log_p - log_softmax(new, phi))", "(-log_softmax(new, phi))"),
        ],
    },
    (
        "KL = sum over a of p_a (log p_a - log q_a), p the old policy.",
        "You need log pi of all actions, [N, A]: a helper for this is worth its line.",
        "(np.exp(log_p) * (log_p - log_q)).sum(1)",
    ),
)

softmax_fisher = piece(
    "softmax_fisher",
    softmax_cases(with_vector, huge=False),
    {
        **ORDER,
        **turned("(phi.T @ change).ravel()"),
        "the change's logits are transposed: phi @ v.reshape(F, -1)": [
            ("v.reshape(phi.shape[1], -1)", "v.reshape(-1, phi.shape[1]).T"),
        ],
        "only diag(p): the part - p p^T is missing": [
            ("p * (change - (p * change).sum(1, keepdims=True))", "p * change"),
        ],
        "the mean over the actions must be weighted by p": [
            ("(p * change).sum(1, keepdims=True)", "change.mean(1, keepdims=True)"),
        ],
        "the factor p in front is missing": [
            ("p * (change - (p * change)", "(change - (p * change)"),
        ],
    },
    (
        "In the logits of one row F = diag(p) - p p^T (page 08).",
        "v is a change of the weights; phi @ v.reshape(F, -1) is that of the logits.",
        "c = p * (c - (p * c).sum(1, keepdims=True)); (phi.T @ c).ravel() / N",
    ),
    minutes=10,
)

softmax_sample = piece(
    "softmax_sample",
    draw_cases("softmax"),
    {},
    (
        "One uniform number for each row, and the sums of p from the left.",
        "The action is the number of sums that the uniform number exceeds.",
        "(rng.random((N, 1)) > p.cumsum(1)[:, :-1]).sum(1)",
    ),
    adapt=sampled("softmax"),
    invariants=(told,),
    tolerance=None,
)

gaussian_log_prob = piece(
    "gaussian_log_prob",
    gaussian_cases(with_moves),
    {
        **SIGMA,
        "log sigma is missing: the density of a narrow policy is higher": [
            ("z**2 / 2 + np.log(sigma) + ", "z**2 / 2 + "),
        ],
        "log(2 pi) / 2 belongs to each of the m numbers": [
            (
                "np.log(2 * np.pi) / 2).sum(1)",
                "np.log(2 * np.pi) / 2 / len(sigma)).sum(1)",
            ),
        ],
        "log(2 pi) / 2 is missing": [(" + np.log(2 * np.pi) / 2", "")],
        "the m numbers are independent: their log densities add up, no mean": [
            ("np.log(2 * np.pi) / 2).sum(1)", "np.log(2 * np.pi) / 2).mean(1)"),
        ],
        "z is (u - mean) / sigma: here sigma's root or square is taken": [
            ("(actions - mean) / sigma", "(actions - mean) / sigma**2"),
        ],
    },
    (
        "m is len(theta) // (F + 1): F * m weights and m entries of log sigma.",
        "log density = -z^2/2 - log sigma - log(2 pi)/2 with z = (u - mean) / sigma.",
        "Sum it over the m numbers: .sum(1).",
    ),
    difficulty=1,
)

gaussian_score = piece(
    "gaussian_score",
    gaussian_cases(with_moves_and_weights),
    {
        **SIGMA,
        **log_first(
            "np.append(of_weights, weights @ (z**2 - 1))",
            "np.append(weights @ (z**2 - 1), of_weights)",
        ),
        "the weights' part is transposed: features first, [F, m]": [
            ("np.append(of_weights,", "np.append(of_weights.T,"),
        ],
        "the slope in log sigma must be a sum over the rows, not a mean": [
            ("weights @ (z**2 - 1)", "weights @ (z**2 - 1) / len(phi)"),
        ],
        "the slope in the weights must be a sum over the rows, not a mean": [
            ("np.append(of_weights,", "np.append(of_weights / len(phi),"),
        ],
        "log sigma has a slope, too: z^2 - 1 (it is left out in public codes)": [
            ("weights @ (z**2 - 1)", "np.zeros(len(sigma))"),
        ],
        "this is the slope in sigma: in log sigma it is z^2 - 1": [
            ("weights @ (z**2 - 1)", "weights @ ((z**2 - 1) / sigma)"),
        ],
        "the slope in the mean is (u - mean) / sigma^2: one sigma is missing": [
            ("weights[:, None] * z / sigma", "weights[:, None] * z"),
        ],
        "the slope in log sigma is z^2 - 1: the -1 is missing": [
            ("(z**2 - 1)", "z**2"),
        ],
    },
    (
        "The slope of log pi in mean is (u - mean) / sigma^2, in log sigma z^2 - 1.",
        "The mean is phi . weights: weights[f, i] gets phi_f times that in mean i.",
        "np.append(phi.T @ (w[:, None] * z / sigma), w @ (z**2 - 1))",
    ),
)

BRACKET = "np.log(sigma_2 / sigma) + spread - 0.5"
gaussian_kl = piece(
    "gaussian_kl",
    gaussian_cases(with_new),
    {
        **SIGMA,
        "the bracket: log(sigma'/sigma) is not divided by 2 sigma'^2": [
            (BRACKET, "np.log(sigma_2 / sigma) / (2 * sigma_2**2) + spread - 0.5"),
        ],
        "the bracket: the old sigma^2 is divided by 2 sigma'^2, too": [
            ("(sigma**2 + (mean - mean_2) ** 2)", "sigma**2 + (mean - mean_2) ** 2"),
        ],
        "the new policy's sigma belongs below, not the old one's": [
            ("/ (2 * sigma_2**2)", "/ (2 * sigma**2)"),
        ],
        "the old sigma must be squared above": [
            ("(sigma**2 + (mean", "(sigma + (mean"),
        ],
        "the new sigma must be squared below": [
            ("/ (2 * sigma_2**2)", "/ (2 * sigma_2)"),
        ],
        "both sigmas must be squared": [
            ("(sigma**2 + (mean", "(sigma + (mean"),
            ("/ (2 * sigma_2**2)", "/ (2 * sigma_2)"),
        ],
        "the 2 is missing: 2 sigma'^2 belongs below": [
            ("/ (2 * sigma_2**2)", "/ sigma_2**2"),
        ],
        "the mean's gap must be squared": [
            ("(mean - mean_2) ** 2", "np.abs(mean - mean_2)"),
        ],
        "the 1/2 belongs to each of the m numbers": [
            (BRACKET, "np.log(sigma_2 / sigma) + spread - 0.5 / len(sigma)"),
        ],
        "log(sigma'/sigma) has the wrong sign": [
            ("np.log(sigma_2 / sigma)", "np.log(sigma / sigma_2)"),
        ],
    },
    (
        "One number: log(s'/s) + (s^2 + (mean - mean')^2) / (2 s'^2) - 1/2.",
        "A prime is the new policy. Independent numbers: their KLs add up.",
        "(np.log(s2 / s) + (s**2 + (m - m2)**2) / (2 * s2**2) - 0.5).sum(1)",
    ),
    minutes=8,
)

gaussian_fisher = piece(
    "gaussian_fisher",
    gaussian_cases(with_vector),
    {
        **SIGMA,
        **log_first(
            "np.append(phi.T @ change / len(phi), 2 * v[-len(sigma) :])",
            "np.append(2 * v[-len(sigma) :], phi.T @ change / len(phi))",
        ),
        "the weights' part is transposed: features first, [F, m]": [
            ("np.append(phi.T @ change /", "np.append((phi.T @ change).T /"),
        ],
        "the entries of log sigma get 2 v as it is: each row has 2, their mean too": [
            ("2 * v[-len(sigma) :]", "2 * v[-len(sigma) :] / len(phi)"),
        ],
        "the entries of log sigma must get 2 v, not v": [("2 * v[", "v[")],
        "the entries of log sigma must get 2 v: their Fisher is not 0": [
            ("2 * v[", "0 * v[")
        ],
        "that is the Fisher matrix in sigma: in log sigma it is 2": [
            ("2 * v[-len(sigma) :]", "2 * v[-len(sigma) :] / sigma**2"),
        ],
        "the mean's part must be divided by sigma^2: once is not enough": [
            ("/ sigma**2", "/ sigma"),
        ],
        "the mean's part must be a mean over the rows: / N is missing": [
            ("phi.T @ change / len(phi)", "phi.T @ change"),
        ],
    },
    (
        "In one row F is 1/sigma^2 in the mean and 2 in log sigma, nothing between.",
        "v holds changes of weights; phi @ v_weights is that of the mean, [N, m].",
        "np.append(phi.T @ (phi @ V / sigma**2) / N, 2 * v[-m:])",
    ),
    minutes=10,
)

gaussian_sample = piece(
    "gaussian_sample",
    draw_cases("gaussian"),
    {},
    (
        "The mean, plus sigma times a standard normal number for each entry.",
        "rng.standard_normal(mean.shape)",
        "mean + sigma * rng.standard_normal(mean.shape)",
    ),
    adapt=sampled("gaussian"),
    invariants=(told,),
    tolerance=None,
    difficulty=1,
)


# --- what the policy and the baseline see


def moments_cases(rng):
    cases = []
    for n_old, n, D, far in ((4, 7, 3, 0), (9, 2, 2, 0), (5, 8, 4, 1e7), (6, 5, 1, 0)):
        old = far + rng.standard_normal((n_old, D)) * 2 + 1
        s = far + rng.standard_normal((n, D))
        cases.append(((n_old, old.mean(0), old.var(0)), s))
    flat = np.column_stack([np.full(5, 3.0), rng.standard_normal(5)])
    return [*cases, (None, rng.standard_normal((6, 3))), (None, flat)]


def digits_kept(case, result):
    """The invariant of `moments`: no difference of large squares.

    What each make of it loses is another number, but always a rounding of the mean's
    square.
    """
    _, mean, var = solution.moments(*case)
    lost = np.abs(np.asarray(result[2]) - var)
    rounding = 16 * np.finfo(float).eps * mean**2
    if (rounding > 1e-6 * var).any() and (lost <= rounding + 1e-9 * var).all():
        return "mean of squares less square of the mean: far from 0 all digits are lost"


moments = piece(
    "moments",
    moments_cases,
    {
        "both means count alike: a larger batch must count more": [
            ("share, gap = n / (old[0] + n)", "share, gap = 1 / 2"),
        ],
        "the variance lacks what the gap between the two means adds": [
            (" + share * (1 - share) * gap**2", ""),
        ],
        "the third must be the variance, not the deviation: these rows' part": [
            ("s.var(0)", "s.std(0)"),
        ],
        "the third must be the variance, not the deviation, and old's third is one": [
            ("s.var(0)", "s.std(0)"),
            ("* old[2] + share * var +", "* old[2] ** 2 + share * var**2 +"),
            ("share * gap, var", "share * gap, np.sqrt(var)"),
        ],
        "the old rows are forgotten": [
            ("if old is None:", "if True:"),
        ],
        "the count must be that of all rows": [("return old[0] + n,", "return n,")],
        "the variance must divide by the count, not by the count less 1": [
            ("s.var(0)", "s.var(0, ddof=1)"),
        ],
    },
    (
        "The mean moves by share * (new mean - old mean), share = n / (n_old + n).",
        "The variance is the mean of both, by size, and share (1 - share) gap^2 more.",
        "var = (1 - share) * var_old + share * var + share * (1 - share) * gap**2",
    ),
    invariants=(digits_kept,),
    minutes=8,
    tolerance=1e-9,
)


def features_cases(rng):
    cases = []
    for N, D, K in ((5, 3, None), (6, 2, 4), (4, 5, 3), (3, 4, None), (2, 3, 3)):
        s, mean = rng.standard_normal((N, D)) + 2, rng.standard_normal(D)
        std = rng.uniform(0.3, 3, D)
        waves = None if K is None else (
            rng.standard_normal((K, D)), rng.uniform(-3, 3, K)
        )  # fmt: skip
        cases.append((s, mean, std, waves))
    s, mean, std, waves = cases[2]
    std = std.copy()
    std[1] = 0.0
    cases.append((np.where(np.arange(5) == 1, mean, s), mean, std, waves))
    std = np.array([1.0, 0.0])
    s = np.column_stack([rng.standard_normal(4), np.full(4, 3.0)])
    return [*cases, (s, np.array([0.5, 2.0]), std, None)]


features = piece(
    "features",
    features_cases,
    {
        "where nothing varied, std is 0: divide by 1 there": [
            ("np.where(std > 1e-8, std, 1.0)", "std"),
        ],
        "std + 1e-8 is not asked for: divide by 1 where std is 0, else by std alone": [
            ("np.where(std > 1e-8, std, 1.0)", "(std + 1e-8)"),
        ],
        "where nothing varied, divide by 1, not by a tiny number": [
            ("np.where(std > 1e-8, std, 1.0)", "np.maximum(std, 1e-8)"),
        ],
        "the phases belong inside of the sine": [
            ("np.sin(z @ waves[0].T + waves[1])", "np.sin(z @ waves[0].T) + waves[1]"),
        ],
        "the waves must see z, not s": [
            ("np.sin(z @ waves[0].T", "np.sin(s @ waves[0].T")
        ],
        "sin, not cos, is asked for": [("np.sin(", "np.cos(")],
        "the phases are missing: all waves would be 0 at z = 0": [
            ("waves[0].T + waves[1]", "waves[0].T"),
        ],
        "the constant 1 must come last": [
            ("[z, np.ones(len(s))]", "[np.ones(len(s)), z]"),
        ],
        "the constant 1 is missing": [("np.column_stack([z, np.ones(len(s))])", "z")],
        "the mean must be taken off": [("z = (s - mean)", "z = s")],
        "divide by std, not by its square": [
            ("np.where(std > 1e-8, std, 1.0)", "np.where(std > 1e-8, std**2, 1.0)")
        ],
    },
    (
        "z = (s - mean) / std; np.where(std > 0, std, 1) keeps a 0 from dividing.",
        "frequencies [K, D]: all waves at once are z @ frequencies.T + phases, [N, K].",
        "np.column_stack([np.sin(...), np.ones(len(s))])",
    ),
    difficulty=1,
)


def baseline_answer(functions):
    fit, predict = functions["fit_value"], functions["predict_value"]

    def fit_then_predict(s, t, targets, s_new, t_new):
        baseline = fit(s, t, targets)
        return None if baseline is None else predict(baseline, s_new, t_new)

    return fit_then_predict


def baseline_cases(rng):
    cases = []
    for N, M, D in ((60, 7, 3), (80, 9, 2), (5, 8, 1), (40, 6, 4), (50, 5, 2)):
        scale = rng.uniform(0.5, 5, D)
        s, t = scale * rng.standard_normal((N, D)) + 1, rng.integers(200, size=N)
        y = s[:, 0] ** 2 - s[:, -1] + 0.03 * t + rng.standard_normal(N)
        new = 3 + 2 * scale * rng.standard_normal((M, D))
        cases.append([s, t, y, new, rng.integers(200, size=M)])
    cases[3][0][:, 1] = 2.0  # does not vary
    cases[3][3][:, 1] = 2.5
    cases[4][3] *= 40  # far outside of what was seen
    cases[1][1] = np.minimum(cases[1][1], 3)  # one long episode
    cases[1][1][0] = 199
    return [tuple(case) for case in cases]


fit_value = piece(
    ("fit_value", "predict_value"),
    baseline_cases,
    {
        "the scale of the rows fitted to must be kept: these rows get their own": [
            (
                "return value_features(s, t, *baseline[:2]) @ baseline[2]",
                "x = np.column_stack([s, t])\n    "
                "std = np.where(x.std(0) > 1e-8, x.std(0), 1.0)\n    "
                "return value_features(s, t, x.mean(0), std) @ baseline[2]",
            ),
        ],
        "x is not cut off at -5 and 5: squares of outliers carry V away": [
            (
                "np.clip((np.column_stack([s, t]) - mean) / std, -5, 5)",
                "(np.column_stack([s, t]) - mean) / std",
            ),
        ],
        "the ridge is added to the mean of squares: it is N times too small here": [
            ("f.T @ f / len(f) + 1e-5", "f.T @ f / len(f) + 1e-5 / len(f)"),
        ],
        "the ridge is missing": [
            (" + 1e-5 * np.eye(f.shape[1])", " + 1e-12 * np.eye(f.shape[1])")
        ],
        "the ridge is missing at the constant: |w|^2 has all weights": [
            (
                "1e-5 * np.eye(f.shape[1])",
                "1e-5 * np.diag(np.arange(f.shape[1]) > 0)",
            ),
        ],
        "t^2 and t^3 must be those of the entry of x, not of t itself": [
            ("s, t = x[:, :-1], x[:, -1:]", "s, t = x[:, :-1], t[:, None]"),
        ],
        "t must be standardised like the rest of x": [
            (
                "    f = value_features(s, t, mean, std)",
                "    mean[-1], std[-1] = 0.0, 1.0\n"
                "    f = value_features(s, t, mean, std)",
            ),
        ],
        "the products are those of s alone: none with t": [
            (
                "i, j = np.triu_indices(s.shape[1])",
                "s = x\n    i, j = np.triu_indices(s.shape[1])",
            ),
        ],
        "the products are those of s alone: t has its own powers, no product": [
            (
                "i, j = np.triu_indices(s.shape[1])",
                "s = x\n    i, j = np.triu_indices(s.shape[1])",
            ),
            (", t**2, t**3])", ", t**3])"),
        ],
        "t must be standardised and cut off like the rest of x": [
            (
                "np.clip((np.column_stack([s, t]) - mean) / std, -5, 5)",
                "np.column_stack([np.clip((s - mean[:-1]) / std[:-1], -5, 5), t])",
            ),
        ],
        "the squares of s are missing: i = j counts, too": [
            ("np.triu_indices(s.shape[1])", "np.triu_indices(s.shape[1], 1)"),
        ],
        "t^2 and t^3 are missing": [(", t**2, t**3])", "])")],
        "t^3 is missing": [(", t**2, t**3])", ", t**2])")],
        "the products of different entries are missing: not only squares": [
            ("s[:, i] * s[:, j]", "s * s"),
        ],
        "the squares and products of s are missing": [(" s[:, i] * s[:, j],", "")],
        "the constant is missing": [("[np.ones_like(t), x,", "[x,")],
        "x is not standardised": [
            (
                "mean, std = x.mean(0), np.where(x.std(0) > 1e-8, x.std(0), 1.0)",
                "mean, std = np.zeros(x.shape[1]), np.ones(x.shape[1])",
            ),
        ],
        "an entry of s that doesn't vary has deviation 0: divide by 1 there": [
            ("np.where(x.std(0) > 1e-8, x.std(0), 1.0)", "x.std(0)"),
        ],
    },
    (
        "A helper for the features, given the scale, serves both functions.",
        "(f.T f / N + 1e-5 I) w = f.T targets / N, by np.linalg.solve.",
        "Return mean, std and w; predict_value makes the features with that mean and "
        "std.",
    ),
    adapt=baseline_answer,
    minutes=15,
    tolerance=1e-6,
)


# --- samples and advantages

KEYS = ("valid", "s", "a", "r", "next_s", "terminated", "truncated", "t")


def collect_answer(functions):
    collect = functions["collect"]

    def two_batches(script, actions, same_step, T):
        return collected(collect, script, actions, same_step, T)

    return two_batches


def wishes(actions):
    """What acts: actions that follow from the observations, some outside of the Box."""

    def act(s):
        if not actions:
            return (np.abs(s.sum(1) * 7) % 3).astype(int)
        return np.column_stack([2.5 * np.sin(9 * s[:, 0] + i) for i in range(actions)])

    return act


def collected(collect, script, actions, same_step, T):
    """Both batches of two calls of `collect`, on the rows that are steps; a dict."""
    env = World(script, actions, same_step)
    act, state, found = wishes(actions), None, []
    for steps in T:
        came = collect(env, act, steps, state)
        if came is None:
            return None
        batch, state = came
        missing = [key for key in KEYS if key not in batch]
        if missing:
            raise KeyError(f"the batch has no {missing[0]!r}")
        found.append({key: np.array(batch[key]) for key in KEYS})
    if env.resets > 1:
        raise ValueError("env.reset is called for the second batch: hand on the state")
    real, n = np.array(env.real), env.num_envs
    if len(real) != sum(T):
        raise ValueError(f"env.step is called {len(real)} times for T = {sum(T)}")
    result = {}
    for key in KEYS:
        for batch, steps in zip(found, T, strict=True):
            if batch[key].shape[:2] != (steps, n):
                raise ValueError(
                    f"{key} has shape {batch[key].shape}, expected {(steps, n)} at its "
                    "beginning"
                )
        grid = np.concatenate([batch[key] for batch in found])
        grid = grid if key == "valid" else grid[real]
        result[key] = grid.astype(float) if key == "t" else grid
    return {**result, "sent": np.array(env.sent)[real]}


def collect_cases(rng):
    short = [[4, 0, 2], [0, 3, 0], [0, 0, 6], [3, 1, 0]], [
        [0, 5, 0], [7, 0, 1], [4, 4, 0], [3, 0, 2],
    ]  # fmt: skip
    never = [[0], [0]], [[0], [0]]
    cases = [
        (never, 2, False, (4, 3)),
        (never, 0, True, (4, 3)),
        (short, 0, False, (9, 8)),
        (short, 3, False, (4, 9)),
        (short, 2, True, (9, 8)),
        (short, 0, True, (4, 9)),
        (([[1]], [[0]]), 1, False, (5, 4)),
    ]
    lengths = rng.integers(0, 6, size=(2, 3, 5))
    lengths[1] *= lengths[0] == 0
    lengths[1][:, 0] += 3 * ((lengths[0] + lengths[1])[:, 0] == 0)
    return [
        *cases,
        (lengths.tolist(), 2, False, (7, 5)),
        (lengths.tolist(), 0, True, (7, 5)),
    ]


FINAL = """        if same_step and done.any():
            next_s[done] = np.stack(info["final_obs"][done])
"""
BEGIN = "s, t, reset = state or (env.reset()[0], np.zeros(n, int), np.zeros(n, bool))"
collect = piece(
    "collect",
    collect_cases,
    {
        "actions go to the Box unclipped": [
            ('a if hasattr(space, "n") else np.clip(a, space.low, space.high)', "a"),
        ],
        "a must keep what the policy drew: log pi of the clipped action is another's": [
            ("rows.append((s, a, r,", "rows.append((s, sent, r,"),
        ],
        "the rows that only reset count as steps: valid is False there": [
            ("truncated, t, ~reset))", "truncated, t, np.ones(n, bool)))"),
        ],
        "SAME_STEP: next_s of a last step is in info['final_obs'], not the new "
        "episode's start": [(FINAL, "")],
        "SAME_STEP: s of the next row is the new episode's start, not final_obs (is "
        "next_s a copy of what env.step gave?)": [
            (
                "terminated | truncated, np.array(after)",
                "terminated | truncated, after",
            ),
        ],
        "SAME_STEP: a truncated episode has its last observation in final_obs, too": [
            (
                FINAL,
                FINAL.replace("done.any", "terminated.any").replace(
                    "[done]", "[terminated]"
                ),
            ),
        ],
        "an enum never equals a string: compare with AutoresetMode.SAME_STEP, or its "
        ".name with 'SAME_STEP'": [(".name == ", " == ")],
        "info has final_obs in SAME_STEP only (and an enum never equals a string: ask "
        "its .name)": [('.name == "SAME_STEP"', ' != "NEXT_STEP"')],
        "SAME_STEP has no rows that only reset: all are valid": [
            ("reset = done & (not same_step)", "reset = done"),
        ],
        "t goes on over an episode's end": [
            ("np.where(done | reset, 0, t + 1)", "t + 1"),
        ],
        "t is one too many after a reset: the row that only resets has no time": [
            ("np.where(done | reset, 0, t + 1)", "np.where(done, 0, t + 1)"),
        ],
        "t begins again with each batch: it belongs to the state": [
            (
                BEGIN,
                f"{BEGIN}\n    t = np.zeros(n, int)",
            ),
        ],
        "whether an environment must reset next belongs to the state, too": [
            (
                BEGIN,
                f"{BEGIN}\n    reset = np.zeros(n, bool)",
            ),
        ],
        "a truncated episode ends, too": [
            ("done, next_s = terminated | truncated,", "done, next_s = terminated,"),
        ],
        "s must be what act saw, not what followed": [
            ("rows.append((s, a,", "rows.append((np.array(after), a,"),
        ],
        "terminated and truncated are exchanged": [
            ("next_s, terminated, truncated, t,", "next_s, truncated, terminated, t,"),
        ],
        "next_s must be what followed, not the state of the same row": [
            ("rows.append((s, a, r, next_s,", "rows.append((s, a, r, s,"),
        ],
        "env.reset() at each batch: episodes go on, with the state": [
            ("s, t, reset = state or (", "s, t, reset = ("),
        ],
    },
    (
        "The state is (the observations to act on, t, which environments only reset).",
        "NEXT_STEP: after terminated | truncated the next row is a reset, not valid.",
        "SAME_STEP: next_s[done] = np.stack(info['final_obs'][done]); all rows valid.",
        "t for the next row: 0 after a last step and after a reset, else t + 1.",
    ),
    adapt=collect_answer,
    minutes=20,
    difficulty=3,
)


def gae_cases(rng):
    cases = []
    for T, N, p in ((6, 3, 0.0), (7, 2, 0.3), (5, 4, 0.3), (8, 3, 0.5)):
        r, v, next_v = (rng.standard_normal((T, N)) for _ in range(3))
        ended, which = rng.random((T, N)) < p, rng.random((T, N)) < 0.5
        flags = [ended & which, ended & ~which]
        if p:
            flags[0][2, 0] = flags[1][2, 0] = True  # both at once
            flags[0][-1, 1], flags[1][-1, 0] = True, True  # on the last row
            flags[1][1, 0], flags[0][1, 1] = True, True
            flags[0][1, 0] = flags[0][-1, 0] = False
        cases.append((r, v, next_v, *flags, 0.9, 0.7))
    same = cases[1]
    return [
        *cases,
        (*same[:5], 0.97, 0.0),
        (*same[:5], 0.8, 1.0),
        (*same[:5], 0.0, 0.6),
    ]


gae = piece(
    "gae",
    gae_cases,
    {
        "done is taken for terminated: a truncated step still has V(next_s)": [
            ("next_v * ~terminated", "next_v * ~(terminated | truncated)"),
        ],
        "after a termination nothing follows: next_v must count as 0": [
            ("next_v * ~terminated", "next_v"),
        ],
        "the sum runs over the end of a truncated episode into the next one": [
            ("~(terminated | truncated)[t]", "~terminated[t]"),
        ],
        "the sum runs over the ends of episodes into the next ones": [
            (" * ~(terminated | truncated)[t]", ""),
        ],
        "terminated and truncated are exchanged": [
            ("next_v * ~terminated", "next_v * ~truncated"),
        ],
        "lambda is missing in the sum": [("gamma * lam * ~", "gamma * ~")],
        "gamma is missing in the sum": [("+= gamma * lam", "+= lam")],
        "gamma is missing in the TD error": [("r + gamma * next_v", "r + next_v")],
        "these are the targets of V: v must be taken off": [
            ("~terminated - v\n", "~terminated\n"),
        ],
        "the end is asked of the next row: ask this one": [
            ("(terminated | truncated)[t]", "(terminated | truncated)[t + 1]"),
        ],
        "the sum begins at 0 after the last row: next_v is in its TD error already": [
            (
                "    for t in reversed",
                "    A[-1] += gamma * lam * ~(terminated | truncated)[-1] * "
                "next_v[-1]\n    for t in reversed",
            ),
        ],
        "the sum begins at 0 after the last row, whether that ends an episode or not": [
            (
                "    for t in reversed",
                "    A[-1] += gamma * lam * next_v[-1]\n    for t in reversed",
            ),
        ],
        "only the TD errors: the sum over later ones is missing": [
            ("A[t] += ", "A[t] += 0 * "),
        ],
    },
    (
        "TD error: r + gamma V(next_s) - V(s), with V(next_s) = 0 after a termination.",
        "A_t = TD_t + gamma lambda A_(t+1), unless step t ends an episode, in any way.",
        "Backwards: A[t] += gamma * lam * ~(terminated | truncated)[t] * A[t + 1]",
    ),
    minutes=8,
)


# --- the update


class Products:
    """v -> A v; more calls than allowed are refused."""

    def __init__(self, matrix, most):
        self.matrix, self.left, self.start = matrix, most, False

    def __call__(self, v):
        v = np.asarray(v)
        self.left, self.start = self.left - 1, self.start or not v.any()
        if self.left < 0:
            why = (
                "At x = 0 the residual is b: it takes no product"
                if self.start
                else "One for each iteration, A p, is enough"
            )
            raise ValueError(f"more products than iterations allow. {why}")
        return self.matrix @ v


def positive(rng, n, spread=10.0):
    """A symmetric positive definite matrix [n, n]."""
    q, _ = np.linalg.qr(rng.standard_normal((n, n)))
    return (q * np.geomspace(1, spread, n)) @ q.T


def cg_cases(rng):
    cases = []
    for n, k in ((5, 2), (4, 1), (6, 3), (4, 4), (3, 10), (7, 5)):
        cases.append((Products(positive(rng, n), k), rng.standard_normal(n), k))
    b = np.array([3.0, -1.0, 2.0])
    cases.append((Products(2 * np.eye(3), 10), b, 10))  # done after one
    for part in (3e-6, 3e-9):  # left of b after one iteration; x lacks 99 times that
        q, _ = np.linalg.qr(rng.standard_normal((3, 3)))
        nearly = Products((q * (1.0, 0.01, 1.0)) @ q.T, 3)
        cases.append((nearly, q @ (1.0, part, 0.0), 3))
    for size in (1e-13, 1e7):
        cases.append((Products(positive(rng, 4), 3), size * rng.standard_normal(4), 3))
    return [*cases, (Products(positive(rng, 3), 10), np.zeros(3), 10)]


cg = piece(
    "cg",
    cg_cases,
    {
        "beta must be the new r.r over the old one, not the reverse": [
            ("p = r + (r @ r) / rr * p", "p = r + rr / max(r @ r, 1e-300) * p"),
        ],
        "every direction is the residual: that is steepest descent": [
            ("p = r + (r @ r) / rr * p", "p = r"),
        ],
        "r and p are one and the same array: r -= ... changes p, too": [
            (
                "x, r, p = np.zeros_like(b), b, b",
                "x, r = np.zeros_like(b), b.copy()\n    p = r",
            ),
            (
                "x, r = x + rr / (p @ Ap) * p, r - rr / (p @ Ap) * Ap",
                "alpha = rr / (p @ Ap)\n        x = x + alpha * p\n"
                "        r -= alpha * Ap",
            ),
        ],
        "r.r is read after r has moved: alpha and beta need the old one": [
            ("p = r + (r @ r) / rr * p", "p = r + p"),
        ],
        "alpha divides by p.p: it must be p.Ap": [
            (
                "x, r = x + rr / (p @ Ap) * p, r - rr / (p @ Ap) * Ap",
                "x, r = x + rr / (p @ p) * p, r - rr / (p @ p) * Ap",
            ),
        ],
        "the residual grows: r - alpha Ap": [
            ("r - rr / (p @ Ap) * Ap", "r + rr / (p @ Ap) * Ap"),
        ],
        "it goes on when it is done and divides 0 by 0: stop when r.r is tiny": [
            ("        if rr <= 1e-20 * (b @ b):\n            break\n", ""),
        ],
        "b = 0 divides 0 by 0: test the residual before the first step": [
            ("if rr <= 1e-20 * (b @ b):", "if rr < 1e-20 * (b @ b):"),
        ],
        "it stops too early: r.r against 1e-20 b.b, as both sides are squared": [
            ("1e-20", "1e-10"),
        ],
        "r.r must be tiny beside b.b: alone it depends on how large b is": [
            ("1e-20 * (b @ b)", "1e-20"),
        ],
        "r.r must be tiny beside b.b, and 1e-10 of it is not: both sides are squared": [
            ("1e-20 * (b @ b)", "1e-10"),
        ],
        "one iteration too few": [("range(iterations)", "range(iterations - 1)")],
    },
    (
        "x = 0, r = b, p = b. alpha = r.r / p.Ap; x moves by alpha p, r by -alpha Ap.",
        "Then p = r + (new r.r / old r.r) p. Stop when r.r is tiny beside b.b.",
        "Never r -= ... while p is the same array.",
    ),
    minutes=8,
)


def natural_step_cases(rng):
    cases = []
    for n, delta in ((4, 0.01), (3, 0.3), (5, 2.0), (2, 0.05)):
        g = 3 * rng.standard_normal(n)
        cases.append((g, Products(positive(rng, n), 12), delta))
    many = Products(positive(rng, 30, 1e4), 12)
    cases.append((rng.standard_normal(30), many, 0.1))
    return [*cases, (np.zeros(3), Products(positive(rng, 3), 12), 0.1)]


STEP = "np.sqrt(2 * delta / (g @ x)) * x if g.any() else x"
natural_step = piece(
    "natural_step",
    natural_step_cases,
    {
        "a root is missing: x must be multiplied by that of 2 delta / g.x": [
            (STEP, "2 * delta / (g @ x) * x if g.any() else x"),
        ],
        "this is delta as length squared: 2 delta, as KL is half of the square": [
            (STEP, "np.sqrt(delta / (g @ x)) * x if g.any() else x"),
        ],
        "2 delta must be divided by g.x, not multiplied": [
            (STEP, "np.sqrt(2 * delta * (g @ x)) * x if g.any() else x"),
        ],
        "the direction must be x, not g": [
            (STEP, "np.sqrt(2 * delta / (g @ x)) * g if g.any() else x"),
        ],
        "g.g stands where g.x belongs": [
            (STEP, "np.sqrt(2 * delta / (g @ g)) * x if g.any() else x"),
        ],
        "x.x stands where g.x belongs": [
            (STEP, "np.sqrt(2 * delta / (x @ x)) * x if g.any() else x"),
        ],
        "g.Fg stands where x.Fx belongs": [
            (STEP, "np.sqrt(2 * delta / (g @ matvec(g))) * x if g.any() else x"),
        ],
        "g = 0 divides by 0: the step must be 0 there": [
            (STEP, "np.sqrt(2 * delta / (g @ x)) * x"),
        ],
        "ten iterations are asked for": [("cg(matvec, g, 10)", "cg(matvec, g, 5)")],
    },
    (
        "x = cg(matvec, g, 10). Then scale x so that x.Fx / 2 is delta.",
        "x.Fx = g.x for the x of conjugate gradients (page 10).",
        "np.sqrt(2 * delta / (g @ x)) * x",
    ),
    uses=("cg",),
    difficulty=1,
)


class Tries:
    """theta + .8^j step -> (L, KL) from a list; worse than that elsewhere."""

    def __init__(self, theta, step, found):
        self.theta, self.step, self.found = theta, step, found

    def __call__(self, candidate):
        part = (np.asarray(candidate) - self.theta) @ self.step
        part /= self.step @ self.step
        for j in range(14):
            if abs(part - 0.8**j) < 1e-6:
                return self.found[min(j, len(self.found) - 1)]
        return (5.0, 0.001) if part > 0 else (9.0, 0.0)


def line_search_cases(rng):
    fine, low, far = (1.0, 0.05), (0.0, 0.05), (1.0, 0.2)
    tables = (
        (fine, (2.0, 0.05)),  # the first that passes, not the best
        (far, fine),
        (low, fine),
        ((-1.0, 0.05), (-1.0, 0.2), (2.0, 0.1), fine),  # KL = delta is fine
        (far, low, far, fine),
        (*[far] * 10, fine),  # the last try
        (*[low] * 11, fine),  # one beyond it
        (far,) * 12,
        (low,) * 12,
        ((np.nan, 0.05), (1.0, np.nan), fine),
    )
    cases = []
    for k, table in enumerate(tables):
        n = k % 3 + 2
        theta, step = rng.standard_normal(n), rng.standard_normal(n)
        cases.append((Tries(theta, step, table), theta, step, 0.1))
    return cases


TEST = "L > 0 and kl <= delta"
line_search = piece(
    "line_search",
    line_search_cases,
    {
        "if no try passes, the old theta must come back, not the last try": [
            (
                "            return theta + 0.8**j * step\n    return theta",
                "            return theta + 0.8**j * step\n"
                "    return theta + 0.8**j * step",
            ),
        ],
        "the search is overwritten: this is always the full step": [
            (
                "            return theta + 0.8**j * step\n    return theta",
                "            break\n    return theta + step",
            ),
        ],
        "if no try passes, this takes the full step, untested": [
            (
                "            return theta + 0.8**j * step\n    return theta",
                "            return theta + 0.8**j * step\n    return theta + step",
            ),
        ],
        "each try starts from the one before: they add up": [
            (
                "L, kl = evaluate(theta + 0.8**j * step)",
                "theta = theta + 0.8**j * step\n        L, kl = evaluate(theta)",
            ),
            (
                "            return theta + 0.8**j * step\n    return theta",
                "            return theta\n    return theta",
            ),
        ],
        "the test of KL is missing": [(TEST, "L > 0")],
        "the test of L is missing": [(TEST, "kl <= delta")],
        "L = 0 is no improvement: L > 0": [(TEST, "L >= 0 and kl <= delta")],
        "KL = delta must be allowed": [(TEST, "L > 0 and kl < delta")],
        "the full step is never tried: j starts at 0": [
            ("range(11)", "range(1, 11)"),
        ],
        "the full step is never tried: the power is j, not j + 1": [
            (
                "L, kl = evaluate(theta + 0.8**j * step)",
                "L, kl = evaluate(theta + 0.8 ** (j + 1) * step)",
            ),
            (
                "            return theta + 0.8**j * step\n",
                "            return theta + 0.8 ** (j + 1) * step\n",
            ),
        ],
        "ten tries only: j = 0, ..., 10 are eleven": [("range(11)", "range(10)")],
        "every try is as short as the second: the power j is missing": [
            (
                "L, kl = evaluate(theta + 0.8**j * step)",
                "L, kl = evaluate(theta + 0.8 * step)",
            ),
            (
                "            return theta + 0.8**j * step\n",
                "            return theta + 0.8 * step\n",
            ),
        ],
    },
    (
        "A loop over j = 0, ..., 10: candidate = theta + 0.8**j * step.",
        "Return the first candidate with L > 0 and KL <= delta.",
        "After the loop: return theta, the old one.",
    ),
    difficulty=1,
)


def update_answer(functions):
    update = functions["update"]

    def updated(kind, theta, phi, actions, advantages, delta):
        return update(policy_of(kind), theta, phi, actions, advantages, delta)

    return updated


def update_cases(rng):
    cases = []
    for kind, k, N, F, delta, shift in (
        ("softmax", 3, 40, 4, 0.05, 5.0),
        ("gaussian", 2, 50, 3, 0.02, -4.0),
        ("softmax", 4, 60, 2, 2.0, 3.0),
        ("gaussian", 1, 7, 2, 1.5, 2.0),
        ("gaussian", 3, 30, 5, 0.3, 1.0),
    ):
        size = F * k if kind == "softmax" else (F + 1) * k
        theta, phi = 0.5 * rng.standard_normal(size), rng.standard_normal((N, F))
        sample = getattr(solution, f"{kind}_sample")
        A = 6 * rng.standard_normal(N) + shift
        cases.append((kind, theta, phi, sample(theta, phi, rng), A, delta))
    # so far that L and KL have the last word; on the last three L's size has it:
    # clipped, of logs or not tested, L picks another try
    draws = [(rng, 6.0)] * 8 + [(np.random.default_rng(k), 1.0) for k in (8, 15, 155)]
    for draw, delta in draws:
        theta, phi = 0.5 * draw.standard_normal(2), draw.standard_normal((20, 1))
        actions = solution.gaussian_sample(theta, phi, draw)
        A = 6 * draw.standard_normal(20)
        cases.append(("gaussian", theta, phi, actions, A, delta))
    kind, theta, phi, actions, A, delta = cases[0]
    equal = np.where(A.mean() < A, -3e4, -1e5 * (0.1 * 3))  # but for rounding
    return [*cases, (kind, theta, phi, actions, equal, delta)]


SCORE = "policy.score(theta, phi, actions, A)"
SURROGATE = "np.mean((ratio - 1) * A)"
CLIPPED = "np.clip(ratio, 0.8, 1.2)"
update = piece(
    "update",
    update_cases,
    {
        "g points downhill: the step climbs, theta + step": [(SCORE, "-" + SCORE)],
        "the mean of the advantages must be taken off": [
            ("A = advantages - advantages.mean()", "A = advantages + 0.0"),
        ],
        "KL must have the old policy first": [
            ("policy.kl(theta, new, phi)", "policy.kl(new, theta, phi)"),
        ],
        "the damping is missing": [(" + 1e-3 * v", "")],
        "the damping multiplies theta in place of v": [("1e-3 * v", "1e-3 * theta")],
        "L has the ratio upside down": [
            (
                "policy.log_prob(new, phi, actions) - log_old",
                "log_old - policy.log_prob(new, phi, actions)",
            ),
        ],
        "L is not tested: the step must promise more than 0": [(SURROGATE, "1.0")],
        "L has the log of the ratio, not the ratio - 1": [
            (SURROGATE, "np.mean(np.log(ratio) * A)"),
        ],
        "L has the wrong sign": [(SURROGATE, f"-{SURROGATE}")],
        "the ratio is clipped in L: only PPO does that (page 14)": [
            (SURROGATE, f"np.mean(({CLIPPED} - 1) * A)"),
        ],
        "this L is PPO's clipped one (page 14): TRPO's has the ratio as it is": [
            (
                SURROGATE,
                f"np.mean(np.minimum((ratio - 1) * A, ({CLIPPED} - 1) * A))",
            ),
        ],
        "the line search is left out": [
            ("return line_search(evaluate, theta, step, delta)", "return theta + step"),
        ],
        "advantages that differ by rounding alone teach nothing: theta comes back": [
            (
                "    if A.std() <= 1e-12 * np.abs(advantages).max():\n"
                "        return theta\n",
                "",
            ),
        ],
        "this is KL at the largest row: it must be the mean": [
            ("np.mean(policy.kl(", "np.max(policy.kl("),
        ],
    },
    (
        "A to mean 0 and deviation 1; g = score / N; F v + 1e-3 v.",
        "L = mean((ratio - 1) A) with ratio = exp(log pi_new - log pi_old).",
        "line_search(evaluate, theta, natural_step(g, matvec, delta), delta)",
    ),
    adapt=update_answer,
    uses=("natural_step", "line_search"),
    minutes=12,
    difficulty=3,
    tolerance=1e-6,
)


def train_answer(functions):
    train = functions["train"]

    def followed(kind, same_step, waves, settings):
        return complaint(train, kind, same_step, waves, settings)

    return followed


def train_cases(rng):
    waves = rng.standard_normal((5, 3)), rng.uniform(-3, 3, 5)
    return [
        ("softmax", False, None, (4, 12, 0.9, 0.7, 0.02)),
        ("gaussian", True, waves, (3, 15, 0.95, 0.8, 0.05)),
        ("gaussian", False, None, (1, 10, 0.9, 0.6, 0.03)),
    ]


train = piece(
    "train",
    train_cases,
    {},
    (
        "collect; moments; (first batch: scale and baseline); advantages; fit; update.",
        "Keep `scale` in one variable and change it only after the update.",
        "v and next_v are grids [T, N]; the update gets the rows where valid is True.",
    ),
    adapt=train_answer,
    invariants=(told,),
    tolerance=None,
    uses=(
        "collect",
        "moments",
        "features",
        "fit_value",
        "predict_value",
        "gae",
        "update",
    ),
    minutes=25,
    difficulty=3,
)

pieces = (
    softmax_log_prob, softmax_score, softmax_kl, softmax_fisher, softmax_sample,
    gaussian_log_prob, gaussian_score, gaussian_kl, gaussian_fisher, gaussian_sample,
    moments, features, fit_value, collect, gae, cg, natural_step, line_search, update,
    train,
)  # fmt: skip
