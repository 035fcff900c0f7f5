"""Whether a reader's `train` puts the pieces together as it should.

It is run in a small world with pieces that write down what they are given. What is not
as it should be is told in words; "" if all is well.
"""

import inspect
from types import SimpleNamespace

import numpy as np

from trpo_lite.course.capstone import solution
from trpo_lite.course.capstone.world import World

LISTENED = (
    "collect", "features", "moments", "fit_value", "predict_value", "gae", "update",
)  # fmt: skip
KINDS = ("log_prob", "score", "kl", "fisher", "sample")


def policy_of(kind, functions=None):
    """The five functions of one kind of policy: "softmax" or "gaussian"."""
    functions = vars(solution) if functions is None else functions
    return SimpleNamespace(**{name: functions[f"{kind}_{name}"] for name in KINDS})


class Trace:
    """What the pieces are called with and give back, in order."""

    def __init__(self):
        self.calls = []
        self.inside = 0  # of collect

    def spy(self, name, function):
        """`function`, but written down."""
        signature = inspect.signature(function)

        def spied(*args, **kwargs):
            given = signature.bind(*args, **kwargs).arguments
            given = {k: _kept(x) for k, x in given.items()}
            call = SimpleNamespace(
                name=name, given=given, inside=self.inside, result=None
            )
            self.calls.append(call)
            self.inside += name == "collect"
            result = function(*args, **kwargs)
            self.inside -= name == "collect"
            call.result = _kept(result)
            return result

        return spied

    def of(self, name, inside=None):
        return [
            c for c in self.calls
            if c.name == name and inside in (None, bool(c.inside))
        ]  # fmt: skip


def _kept(x):
    """A copy of what may be changed later; others as they are."""
    if isinstance(x, np.ndarray):
        return x.copy()
    return {k: _kept(v) for k, v in x.items()} if isinstance(x, dict) else x


def complaint(train, kind, same_step, waves, settings):
    """What is wrong with `train`, in words; "" if nothing is.

    It calls the pieces by name among its globals, where the spies are put meanwhile.
    """
    updates, T, gamma, lam, delta = settings
    script = [[4, 0, 7], [0, 3, 0], [5, 5, 2]], [[0, 6, 0], [5, 0, 4], [0, 3, 0]]
    actions = 0 if kind == "softmax" else 2
    env, trace = World(script, actions, same_step), Trace()
    pieces = {name: trace.spy(name, getattr(solution, name)) for name in LISTENED}
    policy = policy_of(kind)
    policy.sample = trace.spy("sample", policy.sample)
    F = (len(waves[1]) if waves else 3) + 1
    theta = np.zeros(F * 3 if kind == "softmax" else (F + 1) * 2)
    names = train.__globals__
    before = {name: names[name] for name in LISTENED if name in names}
    names.update(pieces)
    rng = np.random.default_rng(5)
    try:
        result = train(
            env, policy, theta.copy(), waves, updates, T, gamma, lam, delta, rng
        )
    finally:
        for name in LISTENED:
            names.pop(name)
        names.update(before)
    given = SimpleNamespace(
        env=env, theta=theta, waves=waves, updates=updates, T=T, gamma=gamma, lam=lam,
        delta=delta, rng=rng,
    )  # fmt: skip
    for part in (_calls, _loop, _acting, _scales, _baselines, _updates, _end):
        found = part(trace, given, result)
        if found:
            return found
    return ""


def near(a, b):
    """Are these two numbers or arrays the same?"""
    try:
        a, b = np.asarray(a, float), np.asarray(b, float)
    except (TypeError, ValueError):
        return False
    return a.shape == b.shape and np.allclose(a, b, rtol=1e-6, atol=1e-9)


def _calls(trace, given, result):
    for name in LISTENED:
        if not trace.of(name):
            return (
                f"train never calls {name}: put it together from the pieces by their "
                "names"
            )
    for name in ("collect", "update"):
        n = len(trace.of(name))
        if n != given.updates:
            return f"{name} is called {n} times for updates = {given.updates}"


def _loop(trace, given, result):
    state, theta = None, given.theta
    for k, (batch, up) in enumerate(zip(trace.of("collect"), trace.of("update"))):
        if batch.given["T"] != given.T:
            return f"collect gets T = {batch.given['T']}, expected {given.T}"
        if batch.given["state"] is not state and k:
            return (
                "state is not handed on from batch to batch: every batch begins new "
                "episodes and the old ones never end"
            )
        state = batch.result[1]
        if not near(up.given["theta"], theta):
            return f"update {k} does not start at the theta that update {k - 1} gave"
        theta = up.result
        if up.given["delta"] != given.delta:
            return f"update gets delta = {up.given['delta']}, expected {given.delta}"
    for k, calls in enumerate(_cycles(trace)):
        expected = trace.of("update")[k].given["theta"]
        for call in calls:
            if call.name == "sample" and not near(call.given["theta"], expected):
                return (
                    f"batch {k} is collected by another theta than the one that is "
                    "then updated"
                )


def _acting(trace, given, result):
    for k, call in enumerate(trace.of("collect")):
        drawn = [c for c in _cycles(trace)[k] if c.name == "sample" and c.inside]
        if not drawn:
            return "act never calls policy.sample: the policy must act itself"
        if any(c.given["rng"] is not given.rng for c in drawn):
            return (
                "policy.sample gets another rng than the one that train is given: made "
                "anew with a seed it gives the same random numbers at every step, "
                "without one no run comes back. Hand on rng"
            )
        actions = np.ravel(call.result[0]["a"])
        if not near(actions, np.concatenate([np.ravel(c.result) for c in drawn])):
            return (
                "act gives other actions than policy.sample drew: hand them on as they "
                "are"
            )


def _cycles(trace):
    """The calls from each collect to its update."""
    cycles, open_ = [], []
    for call in trace.calls:
        if call.name == "collect":
            open_ = []
        open_.append(call)
        if call.name == "update":
            cycles.append([*open_])
    return cycles


RESETS_COUNT = "rows that only reset are counted in the scale: use valid rows only"


def _scale_of(call):
    D = call.given["s"].shape[1]
    return tuple(np.broadcast_to(call.given[k], D) for k in ("mean", "std"))


def _same_scale(one, other):
    return all(map(near, one, other))


def _scales(trace, given, result):
    seen = everything = previous = None
    first = np.zeros(3), np.ones(3)
    for k, calls in enumerate(_cycles(trace)):
        acting = [_scale_of(c) for c in calls if c.name == "features" and c.inside]
        outside = [c for c in calls if c.name == "features" and not c.inside]
        if not acting or not outside:
            return "features must be used twice: to act, and for the update"
        batch = calls[0].result[0]
        before, whole = seen, everything
        ok = batch["valid"]
        seen = solution.moments(seen, batch["s"][ok])
        everything = solution.moments(everything, batch["s"].reshape(-1, 3))
        if not all(_same_scale(x, acting[0]) for x in acting):
            return "the scale changes while a batch is collected: freeze mean and std"
        wanted = first if before is None else (before[1], np.sqrt(before[2]))
        used = _scale_of(outside[-1])
        own = seen[1], np.sqrt(seen[2])
        if k and not _same_scale(used, acting[0]):
            return (
                "the scale moves between acting and updating: log pi of the old policy "
                "is then not that of the policy that acted"
            )
        if not _same_scale(acting[0], wanted):
            last = before and solution.moments(None, previous)
            for text, x in (
                (RESETS_COUNT, whole),
                (
                    "the scale is that of the last batch alone, not of all before it",
                    last,
                ),
            ):
                if x and _same_scale(acting[0], (x[1], np.sqrt(x[2]))):
                    return text
            if before and _same_scale(acting[0], before[1:]):
                return "std is given the variance: a root is missing"
            if k and _same_scale(acting[0], first):
                return "the scale never becomes that of the observations"
            if not k:
                return "batch 0 is not collected at mean 0 and std 1"
            return f"batch {k} is collected at another scale than that of all before"
        if not k and not _same_scale(used, own):
            if _same_scale(used, seen[1:]):
                return "std is given the variance: a root is missing"
            if _same_scale(used, (everything[1], np.sqrt(everything[2]))):
                return RESETS_COUNT
            return "update 0 does not use the first batch's own scale"
        previous = batch["s"][ok]


def _baselines(trace, given, result):
    """What the advantages are made of."""
    value = None
    for k, calls in enumerate(_cycles(trace)):
        batch, last = calls[0].result[0], [c for c in calls if c.name == "gae"]
        if not last:
            return f"gae is not called for batch {k}"
        last, ok = last[-1], batch["valid"]
        s, t, r = batch["s"], batch["t"], batch["r"]
        ends = batch["terminated"], batch["truncated"]
        if near(last.given["terminated"], ends[1]) and not near(*ends):
            return "gae gets terminated and truncated exchanged"
        for name, grid in (("r", r), ("terminated", ends[0]), ("truncated", ends[1])):
            if np.shape(last.given[name]) != grid.shape:
                return (
                    f"gae gets {name} of shape {np.shape(last.given[name])}, expected "
                    f"the whole grid {grid.shape}: only there do steps follow another"
                )
            if not near(last.given[name][ok], grid[ok]):
                return f"gae gets another {name} than that of batch {k}"
        for name, x in (("gamma", given.gamma), ("lam", given.lam)):
            if last.given[name] != x:
                return f"gae gets {name} = {last.given[name]}, expected {x}"
        zero, firsts = np.zeros_like(r), {}
        if value is None:
            returns, other = (
                solution.gae(r, zero, zero, *ends, given.gamma, x)
                for x in (1.0, given.lam)
            )
            value = solution.fit_value(s[ok], t[ok], returns[ok])
            firsts = {
                "lam goes into the first returns: they are gae's with lam = 1": (
                    solution.fit_value(s[ok], t[ok], other[ok])
                ),
                "the first V is fitted to rows that only reset, too": (
                    solution.fit_value(s.reshape(-1, 3), t.ravel(), returns.ravel())
                ),
                "the first V is fitted to rewards, not to returns": (
                    solution.fit_value(s[ok], t[ok], r[ok])
                ),
            }
        v, next_v = _on(value, s, t), _on(value, batch["next_s"], t + 1)
        A = solution.gae(r, v, next_v, *ends, given.gamma, given.lam)
        refitted = solution.fit_value(s[ok], t[ok], (v + A)[ok])
        came, came_next = last.given["v"], last.given["next_v"]
        if np.shape(came) != r.shape or np.shape(came_next) != r.shape:
            return f"gae gets values of shape {np.shape(came)}, expected {r.shape}"
        if not near(came[ok], v[ok]):
            if near(came[ok], zero[ok]):
                return f"batch {k} is judged by V = 0"
            if near(came[ok], _on(value, s, 0 * t)[ok]):
                return "v is asked at t = 0 in all rows: hand on batch['t']"
            if near(came[ok], _on(value, s, t + 1)[ok]):
                return "v is asked at t + 1, but s is seen at t"
            for text, first in firsts.items():
                if near(came[ok], _on(first, s, t)[ok]):
                    return text
            if near(came[ok], _on(refitted, s, t)[ok]):
                return (
                    "V is fitted to the very batch that it then judges: it has learnt "
                    "the batch's luck by heart"
                )
            return f"batch {k} is judged by another V than expected"
        if not near(came_next[ok], next_v[ok]):
            for text, at in (
                ("next_v is asked at t, but next_s is seen at t + 1", t),
                ("next_v is asked at t = 0 in all rows: batch['t'] + 1", 0 * t),
                ("next_v is asked at t = 1 in all rows: batch['t'] + 1", 0 * t + 1),
            ):
                if near(came_next[ok], _on(value, batch["next_s"], at)[ok]):
                    return text
            if near(came_next[:-1][ok[:-1]], v[1:][ok[:-1]]):
                return (
                    "next_v is v of the next row, which belongs to another episode "
                    "where one ends: use next_s"
                )
            return "next_v is not V(next_s, t + 1)"
        here = next(i for i, c in enumerate(trace.calls) if c is last)
        later = trace.calls[here:]
        end = next((i for i, c in enumerate(later) if c.name == "collect"), len(later))
        fits = [c for c in later[:end] if c.name == "fit_value"]
        if not fits:
            if k + 1 < given.updates:
                return f"V is not fitted after the advantages of batch {k}"
            return ""
        rows, targets = fits[-1].given["s"], fits[-1].given["targets"]
        if len(rows) != ok.sum():
            return f"V is fitted to {len(rows)} rows, {ok.sum()} are valid"
        if not near(targets, (v + A)[ok]):
            for text, x in (
                ("advantages", A), ("rewards", r),
                ("standardised advantages", v + _standard(A[ok], A)),
            ):  # fmt: skip
                if near(targets, x[ok]):
                    return f"V is fitted to the {text}, not to v + advantages"
            return "V is fitted to something else than v + advantages"
        value = refitted
    return ""


def _on(value, s, t):
    return solution.predict_value(value, s.reshape(-1, 3), t.ravel()).reshape(t.shape)


def _standard(of, x):
    return (x - of.mean()) / of.std()


def _updates(trace, given, result):
    for k, calls in enumerate(_cycles(trace)):
        batch, up = calls[0].result[0], calls[-1].given
        ok = batch["valid"]
        s, a = batch["s"], batch["a"]
        A = [c for c in calls if c.name == "gae"][-1].result[ok]
        if len(up["phi"]) == ok.size > ok.sum():
            return "the rows that only reset are used as data: leave out ~valid"
        scale = _scale_of([c for c in calls if c.name == "features"][-1])
        if not near(up["phi"], solution.features(s[ok], *scale, given.waves)):
            return f"update {k} gets other features than those of its valid rows"
        if not near(up["actions"], a[ok]):
            return f"update {k} gets other actions than batch['a'] on its valid rows"
        came = np.asarray(up["advantages"])
        if came.shape != A.shape or not near(_standard(came, came), _standard(A, A)):
            return f"update {k} gets other advantages than those of its valid rows"


def _end(trace, given, result):
    if not isinstance(result, (tuple, list)) or len(result) != 3:
        return "train returns something else than (theta, mean, std)"
    theta, *scale = result
    last = trace.of("update")[-1]
    if not near(theta, last.result):
        if near(theta, last.given["theta"]):
            return "the theta returned lacks the last update"
        return "the theta returned is not the one of the last update"
    seen = None
    for call in trace.of("collect"):
        before, batch = seen, call.result[0]
        seen = solution.moments(seen, batch["s"][batch["valid"]])
    used, moved = ((x[1], np.sqrt(x[2])) for x in (before or seen, seen))
    if _same_scale(scale, used):
        return ""
    if _same_scale(scale, moved):
        return (
            "the scale that is returned is not that of the last update: keep it before "
            "it moves"
        )
    return "mean and std returned are not the scale of the last update"
