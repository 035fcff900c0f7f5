"""The exercise engine: check, hint, solution, progress.

`check` prints one line, and below it at most one input with what came and what was
expected:

    [todo]  not attempted: the answer still does what the untouched stub does
    [retry] the likely cause
    [ok]    right on every input

It never raises: whatever the answer does becomes text.
"""

import dataclasses
import inspect
import linecache
import re
import textwrap
import warnings
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Exercise:
    """One exercise: a stub to complete, its reference, and the known wrong answers.

    Parameters
    ----------
    name : the function's name on the page and the exercise's in the lesson module.
    minutes, difficulty : expected time; 1 (fill one line) to 3 (write a function).
    stub, reference : the function as the reader finds it, and the right one.
    mistakes : wrong functions by name; the name is what the reader is told.
    hints : from a nudge to nearly the answer.
    cases : rng -> list of argument tuples, two or more; the same for every reader.
    invariants : functions (arguments, result) -> None, or what is broken as text.
    tolerance : largest error, relative to the largest entry expected; None if the
        answer is not unique, so that the invariants alone decide.
    to_array : result -> array, or tuple or dict of arrays; for results of other kinds.
    """

    name: str
    minutes: int
    difficulty: int
    stub: Callable
    reference: Callable
    mistakes: Mapping[str, Callable]
    hints: tuple[str, ...]
    cases: Callable[[np.random.Generator], list[tuple]]
    invariants: tuple[Callable, ...] = ()
    tolerance: float | None = 1e-8
    to_array: Callable | None = None
    _state: dict = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self):
        if self.difficulty not in (1, 2, 3):
            raise ValueError(f"difficulty must be 1, 2 or 3, got {self.difficulty!r}")
        if isinstance(self.hints, str) or not self.hints:
            raise ValueError(f"hints must be a tuple of texts, got {self.hints!r}")
        if self.tolerance is None and not self.invariants:
            raise ValueError("tolerance None needs at least one invariant")

    @property
    def done(self):
        """True once `check` has said [ok]."""
        return self._state.get("done", False)

    def check(self, answer):
        """Print whether `answer`, the reader's function, is right; never raises."""
        kind, text, example = self.judge(answer)
        if kind == "ok":
            self._state["done"] = True
        print(f"[{kind}] {self.name}: {text}")
        if example:
            print(f"    {example}")

    def hint(self):
        """Print the first hint, then the next, stronger one; the last one repeats."""
        shown = min(self._state.get("hints", 0) + 1, len(self.hints))
        self._state["hints"] = shown
        print(f"hint {shown} of {len(self.hints)}: {self.hints[shown - 1]}")

    def solution(self):
        """Show the reference, the very function that `check` compares with."""
        text = Source(self.source(self.reference))
        try:
            from IPython.display import display
        except ImportError:
            display = print
        display(text)

    def source(self, function):
        """The source of `function` under the exercise's name, as on the page."""
        text = textwrap.dedent(inspect.getsource(function)).rstrip()
        return re.sub(rf"\b{re.escape(function.__name__)}\b", self.name, text)

    def judge(self, answer):
        """(kind, text, example) of what `check` prints: kind is todo, retry or ok."""
        if answer is None or answer is Ellipsis:
            return "todo", "not attempted yet.", ""
        if not callable(answer):
            text = (
                f"check wants the function itself: {self.name}, not {self.name}(...)."
            )
            return "retry", text, ""
        cases = self._cases()
        came = [self._run(answer, case) for case in cases]
        if any(outcome.todo for outcome in came):
            return "todo", "not attempted yet.", ""
        expected = [self._run(self.reference, case) for case in cases]
        wrong = [i for i in range(len(cases)) if not self._right(came[i], expected[i])]
        if not wrong:
            return "ok", f"right on all {len(cases)} inputs.", ""
        if self._same(came, [self._run(self.stub, case) for case in cases]):
            return "todo", "not attempted yet: it gives what the stub gives.", ""
        for name, mistake in self.mistakes.items():
            if self._same(came, [self._run(mistake, case) for case in cases]):
                return "retry", f"{name}.", self._example(wrong[0], came, expected)
        # an error or a changed argument says more than wrong numbers elsewhere
        first = next((i for i in wrong if came[i].error or came[i].changed), wrong[0])
        text = self._cause(first, wrong, cases, came, expected)
        bare = came[first].error or came[first].changed
        return "retry", text, "" if bare else self._example(first, came, expected)

    def _cases(self):
        cases = [tuple(case) for case in self.cases(np.random.default_rng(0))]
        if len(cases) < 2:
            raise ValueError(f"{self.name}: cases must give two or more inputs")
        return cases

    def _run(self, function, case):
        arguments = _copy(case)
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                result = function(*arguments)
                if result is not None and result is not Ellipsis and self.to_array:
                    result = self.to_array(result)
        except (Exception, SystemExit) as error:
            where = _where(error, function, case)
            return Outcome(case, error=_one_line(error), where=where)
        names = _argument_names(self.reference, len(case))
        changed = [
            n
            for n, a, b in zip(names, arguments, case, strict=True)
            if not _equal(a, b)
        ]
        return Outcome(case, result, changed=", ".join(changed))

    def _right(self, came, expected):
        if came.error or came.changed:
            return False
        if self.tolerance is None:
            return not self._broken(came)
        return _agree(came.result, expected.result, self.tolerance) and not (
            self._broken(came)
        )

    def _broken(self, outcome):
        """What the first broken invariant says, or ''."""
        for invariant in self.invariants:
            try:
                message = invariant(_copy(outcome.arguments), outcome.result)
            except Exception as error:
                message = f"the result cannot be used: {_one_line(error)}"
            if message:
                return str(message)
        return ""

    def _same(self, ones, others):
        """Do two functions do the same on every input, errors included?"""
        return all(
            a.error == b.error
            and a.changed == b.changed
            and (a.error or _agree(a.result, b.result, self.tolerance or 1e-8))
            for a, b in zip(ones, others, strict=True)
        )

    def _cause(self, first, wrong, cases, came, expected):
        one, right = came[first], expected[first]
        if one.error:
            return one.error + one.where
        if one.changed:
            return f"it changes its argument {one.changed} in place: work on a copy."
        part, text = _misfit(one.result, right.result, self.tolerance or 1e-8)
        if text:
            return text
        if self.tolerance is None:
            return self._broken(one)
        text = self._pattern(part, cases, came, expected)
        text = text or self._broken(one)
        if not text and len(wrong) < len(cases):
            n = len(cases) - len(wrong)
            text = f"right on {n} of {len(cases)} inputs, but not on this one:"
        where = f"in {part}, " if part else ""
        return where + (text or "the numbers differ:")

    def _pattern(self, part, cases, came, expected):
        """A wrong answer of a common kind, recognised from all inputs together."""
        ones = [
            _parts(c.result, e.result).get(part)
            for c, e in zip(came, expected, strict=True)
        ]
        others = [_parts(e.result)[part] for e in expected]
        numeric = all(o is not None and o.dtype.kind in "iuf" for o in [*ones, *others])
        if not numeric or any(
            a.shape != b.shape for a, b in zip(ones, others, strict=True)
        ):
            return ""
        tolerance = self.tolerance

        def all_close(values):
            return all(
                _close(a, b, tolerance) for a, b in zip(ones, values, strict=True)
            )

        if all_close([-b for b in others]):
            return "the sign is wrong: the negative of the right answer."
        turned = [np.swapaxes(b, -1, -2) if b.ndim >= 2 else b for b in others]
        if any(b.ndim >= 2 for b in others) and all_close(turned):
            return "transposed: rows and columns are exchanged."
        swapped = self._swapped(cases)
        if swapped and self._same(came, swapped):
            one, two = _argument_names(self.reference, 2)
            return f"the arguments {one} and {two} are exchanged."
        names = _argument_names(self.reference, len(cases[0]))
        for text, factor in KNOWN_FACTORS.items():
            factors = [factor(dict(zip(names, case, strict=True))) for case in cases]
            if None not in factors and all_close(
                [f * b for f, b in zip(factors, others, strict=True)]
            ):
                return text
        ratio = _constant_ratio(ones, others)
        if ratio and all_close([ratio * b for b in others]):
            return f"{ratio:.4g} times the right answer, on every input."
        return ""

    def _swapped(self, cases):
        pairs = [case for case in cases if len(case) >= 2 and _alike(*case[:2])]
        if len(pairs) < len(cases):
            return None
        exchanged = [(case[1], case[0], *case[2:]) for case in cases]
        return [self._run(self.reference, case) for case in exchanged]

    def _example(self, i, came, expected):
        one, right = came[i], expected[i]
        if one.error or one.changed or self.tolerance is None:
            return ""
        names = _argument_names(self.reference, len(right.arguments))
        given = ", ".join(
            f"{n}={_short(a)}" for n, a in zip(names, right.arguments, strict=True)
        )
        parts, others = _parts(one.result, right.result), _parts(right.result)
        label = next(
            (k for k, v in others.items() if not _close(parts.get(k), v, 1e-8)), None
        )
        if label in parts and label is not None:
            pair = _short(parts[label]), _short(others[label])
        else:
            pair = _short(one.result), _short(right.result)
        given = "one of the inputs" if len(given) > 70 else given
        name = f" {label}" if label else ""
        return f"for {given}:{name} came {pair[0]}, expected {pair[1]}"


@dataclass(frozen=True)
class Progress:
    """Called at a page's end: prints what is done, what is left and for how long."""

    exercises: tuple[Exercise, ...]

    def __call__(self):
        done = sum(e.done for e in self.exercises)
        left = sum(e.minutes for e in self.exercises if not e.done)
        print(f"exercises done: {done} of {len(self.exercises)}")
        width = max(len(e.name) for e in self.exercises)
        for e in self.exercises:
            stars = "●" * e.difficulty + "○" * (3 - e.difficulty)
            box = "[x]" if e.done else "[ ]"
            print(f"  {box} {e.name:{width}}  {stars}  {e.minutes} min")
        print(f"left: about {left} minutes" if left else "all done")


@dataclass(frozen=True)
class Source:
    """Python source that a notebook shows as code and anything else as text."""

    text: str

    def __repr__(self):
        return self.text

    def _repr_markdown_(self):
        return f"```python\n{self.text}\n```"


@dataclass(frozen=True)
class Outcome:
    """What a function did with one input: a result, or an error, as text."""

    arguments: tuple
    result: object = None
    error: str = ""
    where: str = ""  # the line of the function in which the error arose
    changed: str = ""  # names of the arguments that it changed

    @property
    def todo(self):
        if self.error:
            kinds = "TypeError", "AttributeError"
            return self.error.startswith(kinds) and "ellipsis" in self.error.lower()
        return _blank(self.result)


def _first_length(arguments):
    lengths = [len(a) for a in arguments.values() if np.ndim(a) >= 1]
    return lengths[0] if lengths else None


def _horizon(arguments):
    gamma = arguments.get("gamma")
    return 1 / (1 - gamma) if isinstance(gamma, float) and gamma < 1 else None


def _inverse(factor):
    def inverted(arguments):
        value = factor(arguments)
        return None if value is None else 1 / value

    return inverted


# what the answer is, as a multiple of the right one -> what was probably done
KNOWN_FACTORS = {
    "a factor 1/(1 - gamma) too many.": _horizon,
    "a missing 1/(1 - gamma).": _inverse(_horizon),
    "N times the right answer: a sum where a mean was meant.": _first_length,
    "1/N of the right answer: a mean where a sum was meant.": _inverse(_first_length),
}


def _blank(result):
    """Nothing written yet: None or Ellipsis, alone or inside a tuple, list or array."""
    if result is None or result is Ellipsis:
        return True
    if isinstance(result, dict):
        result = list(result.values())
    if isinstance(result, (tuple, list)):
        return any(_blank(r) for r in result)
    if isinstance(result, np.ndarray) and result.dtype == object:
        return any(r is None or r is Ellipsis for r in result.flat)
    return False


def _parts(result, like=None):
    """A result as arrays by label; `like` says how a right one is put together."""
    if dataclasses.is_dataclass(result) and not isinstance(result, type):
        result = {f.name: getattr(result, f.name) for f in dataclasses.fields(result)}
    if isinstance(like, np.ndarray) and isinstance(result, (tuple, list)):
        result = _array(result)
    if isinstance(like, tuple) and isinstance(result, (list, np.ndarray)):
        result = tuple(result) if np.ndim(result) else result
    if isinstance(result, tuple):
        result = {f"value {i + 1}": r for i, r in enumerate(result)}
    if isinstance(result, dict):
        return {str(k): _array(v) for k, v in result.items()}
    return {"": _array(result)}


def _array(value):
    try:
        return np.asarray(value)
    except ValueError:  # rows of different lengths
        array = np.empty((), dtype=object)
        array[()] = value
        return array


def _close(a, b, tolerance):
    """Equal within `tolerance` times b's largest finite entry; inf must match."""
    if a is None or b is None or np.shape(a) != np.shape(b):
        return False
    a, b = np.asarray(a), np.asarray(b)
    if a.dtype.kind not in "biufc" or b.dtype.kind not in "biufc":
        try:
            return bool(np.all(a == b))
        except Exception:
            return False
    finite = np.abs(b[np.isfinite(b)])
    scale = finite.max(initial=0) or 1.0
    return bool(np.allclose(a, b, rtol=0, atol=tolerance * scale, equal_nan=True))


def _agree(came, expected, tolerance):
    parts, others = _parts(came, expected), _parts(expected)
    return parts.keys() == others.keys() and all(
        _same_kind(parts[k], others[k]) and _close(parts[k], others[k], tolerance)
        for k in others
    )


def _same_kind(a, b):
    """bool, int and complex are told apart; an integer may stand for a float."""
    kinds = {"u": "i"}
    a, b = (kinds.get(x.dtype.kind, x.dtype.kind) for x in (a, b))
    return a == b or (a == "i" and b == "f")


def _misfit(came, expected, tolerance):
    """(label of the first wrong part, what is wrong with its form or '')."""
    parts, others = _parts(came, expected), _parts(expected)
    if parts.keys() != others.keys():
        if isinstance(expected, tuple):
            n = len(parts) if isinstance(came, (tuple, list)) else 1
            return "", f"{n} value{'s' * (n > 1)} returned, expected {len(others)}."
        return "", f"it returns {type(came).__name__}, expected {_kind(expected)}."
    for label, right in others.items():
        one = parts[label]
        where = f"{label} has " if label else ""
        if one.dtype == object and right.dtype != object:
            return label, f"{where}rows of different lengths or things not numbers."
        if one.shape != right.shape:
            return label, _shape_text(where, one.shape, right.shape)
        if not _same_kind(one, right):
            return label, f"{where}dtype {one.dtype}, expected {right.dtype}."
        if _close(one, right, tolerance):
            continue
        if one.dtype.kind in "fc" and np.isnan(one).any() and not np.isnan(right).any():
            n, of = int(np.isnan(one).sum()), one.size
            return label, (
                f"{where}NaN in {n} of {of}: 0/0, inf - inf, 0·inf or a log below 0."
            )
        if one.dtype.kind in "fc" and np.isinf(one).any() and np.isfinite(right).all():
            return label, f"{where}infinite entries: a division by 0 or an overflow."
        if one.dtype == np.float32 and _close(one, right, 1e-5):
            return label, f"{where}dtype float32, too coarse here: keep float64."
        if one.dtype.kind in "iu" and right.dtype.kind == "f" and one.ndim:
            return label, f"{where}integers, cut off: is an array made with dtype int?"
        return label, ""
    return "", ""


def _shape_text(where, came, expected):
    text = f"{where}shape {came}, expected {expected}"
    if came == expected[::-1] and len(expected) > 1:
        return text + ": transposed."
    if expected == ():
        return text + ": one number; is a sum or a mean missing?"
    if [n for n in came if n != 1] == [n for n in expected if n != 1]:
        return text + ": an axis of length 1 too many or too few."
    if len(came) > len(expected) and came[-1:] == expected[-1:]:
        return text + ": did [N, 1] meet [N] and broadcast, or is a sum missing?"
    if len(came) < len(expected):
        return text + ": is a sum taken over one axis too many?"
    return text + "."


def _kind(result):
    array = isinstance(result, np.ndarray)
    return f"an array of shape {result.shape}" if array else type(result).__name__


def _constant_ratio(ones, others):
    a = np.concatenate([np.ravel(x) for x in ones]).astype(float)
    b = np.concatenate([np.ravel(x) for x in others]).astype(float)
    use = np.isfinite(a) & np.isfinite(b) & (np.abs(b) > 1e-12)
    return float(np.median(a[use] / b[use])) if use.sum() >= 2 else 0.0


def _alike(a, b):
    """Could these two arguments be exchanged by accident?"""
    return (
        isinstance(a, (np.ndarray, float))
        and type(a) is type(b)
        and np.shape(a) == np.shape(b)
    )


def _argument_names(function, n):
    try:
        names = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        names = []
    return (names + [f"argument {i + 1}" for i in range(len(names), n)])[:n]


def _copy(case):
    """Fresh arguments: writable copies of arrays and generators in the same state."""
    fresh = (np.array(a) if isinstance(a, np.ndarray) else deepcopy(a) for a in case)
    return tuple(fresh)


def _equal(a, b):
    """Is argument `a` still what `b` is? Generators may move on."""
    if isinstance(b, np.ndarray):
        same = isinstance(a, np.ndarray) and a.shape == b.shape and a.dtype == b.dtype
        return same and (a.tobytes() == b.tobytes() or bool(np.all(a == b)))
    if isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(_equal(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(b, dict):
        return a.keys() == b.keys() and all(_equal(a[k], b[k]) for k in b)
    if dataclasses.is_dataclass(b) and not isinstance(b, type):
        fields = [f.name for f in dataclasses.fields(b)]
        return all(_equal(getattr(a, f), getattr(b, f)) for f in fields)
    if isinstance(b, (int, float, str)):
        return a == b or a != a
    return True


def _one_line(error):
    """An exception as one short line without memory addresses."""
    text = " ".join(str(error).split())
    text = re.sub(r" (at|object at) 0x[0-9a-fA-F]+", "", text)
    if len(text) > 160:
        text = text[:160] + "…"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _where(error, function, case):
    """The line of the reader's function that raised, or how it is called."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    trace, line = error.__traceback__, None
    while trace is not None and code is not None:
        if trace.tb_frame.f_code.co_filename == code.co_filename:
            line = trace.tb_lineno
        trace = trace.tb_next
    if line is None:
        return f" (it is called with {len(case)} arguments)"
    words = linecache.getline(code.co_filename, line).strip()
    shown = f": `{words}`" if words else ""
    return f" (line {line - code.co_firstlineno + 1} of {code.co_name}{shown})"


def _short(value):
    """An argument or a result in a few characters; four digits, no -0."""
    if isinstance(value, tuple) and not value:
        return "()"
    if isinstance(value, (bool, int, str, np.bool_, np.integer)):
        return str(value)
    if isinstance(value, (tuple, list)) and len(value) <= 4:
        return "(" + ", ".join(_short(v) for v in value) + ")"
    try:
        array = np.asarray(value)
    except ValueError:
        return type(value).__name__
    if array.dtype.kind == "f":
        array = np.round(array, 4) + 0.0
    if array.dtype.kind not in "biufU":
        return type(value).__name__
    text = " ".join(np.array2string(array, precision=4, suppress_small=True).split())
    if array.ndim and (array.size > 8 or len(text) > 60):
        return f"an array of shape {array.shape}"
    return text
