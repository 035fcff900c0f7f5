"""What came against what was expected: equal, and if not, the likely cause."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import combinations, permutations

import numpy as np

from trpo_lite.course.outcome import Form, Odd, short


@dataclass(frozen=True)
class Comparison:
    """What an answer did and what was expected, on every input.

    names : the arguments' names. tolerance : as an `Exercise` has it, not None.
    answer, reference : case -> Outcome of either function on other arguments.
    """

    names: list
    came: list
    expected: list
    tolerance: float
    answer: Callable
    reference: Callable

    @property
    def pairs(self):
        return list(zip(self.came, self.expected, strict=True))


def agree(one, right, tolerance):
    """Is the `Outcome` `one` what `right` is, form and numbers?"""
    parts, others = one.form.parts, right.form.parts
    return (
        one.form.kind == right.form.kind
        and parts.keys() == others.keys()
        and all(same_kind(parts[k], others[k]) for k in others)
        and all(close(parts[k], others[k], tolerance) for k in others)
    )


def fits(one, right):
    """Have these two outcomes the same kind, parts and shapes?"""
    parts, others = one.form.parts, right.form.parts
    return one.form.kind == right.form.kind and {
        k: getattr(v, "shape", v) for k, v in parts.items()
    } == {k: getattr(v, "shape", v) for k, v in others.items()}


def same(ones, others, tolerance):
    """Do two functions do the same on every input, errors included?"""
    return all(
        a.error == b.error
        and a.changed == b.changed
        and (bool(a.error) or agree(a, b, tolerance))
        for a, b in zip(ones, others, strict=True)
    )


def scale(array):
    """The largest finite entry in size, 1 if there is none."""
    if array.dtype.kind not in "iufc":
        return 1.0
    return float(np.abs(array[np.isfinite(array)]).max(initial=0)) or 1.0


def off(a, b, tolerance):
    """Where a and b, of one shape, differ by more than tolerance * `scale` of b."""
    if a.dtype.kind == "U" or b.dtype.kind == "U":
        return np.asarray(a != b)
    wide = [x.astype(complex if x.dtype.kind == "c" else float) for x in (a, b)]
    with np.errstate(all="ignore"):
        return ~np.isclose(*wide, rtol=0, atol=tolerance * scale(b), equal_nan=True)


def close(a, b, tolerance):
    """Equal within `tolerance` times b's largest finite entry; inf must match."""
    if isinstance(a, Odd) or isinstance(b, Odd):
        return isinstance(a, Odd) and a == b
    if a.shape != b.shape or (a.dtype.kind == "U") != (b.dtype.kind == "U"):
        return False
    return not off(a, b, tolerance).any()


def same_kind(a, b):
    """bool, int and complex are told apart; an integer may stand for a float."""
    if isinstance(a, Odd) or isinstance(b, Odd):
        return isinstance(a, Odd) and isinstance(b, Odd)
    a, b = ("i" if x.dtype.kind == "u" else x.dtype.kind for x in (a, b))
    return a == b or (a == "i" and b == "f") or a == "f" == b


# the first entry that differs


def differing(one, right, tolerance):
    """The label of the first part that differs, '' if there is one part only."""
    parts = right.form.parts
    return next(k for k in parts if not close(one.form.parts[k], parts[k], tolerance))


def difference(one, right, tolerance):
    """'entry [1, 2]: came 0.61, expected 0.64, off by 0.03 (1e-08 is allowed)'."""
    for name, b in right.form.parts.items():
        a = one.form.parts.get(name)
        if a is None or isinstance(a, Odd) or isinstance(b, Odd):
            continue
        if a.shape != b.shape or not same_kind(a, b) or close(a, b, tolerance):
            continue
        index = tuple(int(i) for i in np.argwhere(off(a, b, tolerance))[0])
        labels = [name] * bool(name) + [f"entry {list(index)}"] * bool(index)
        where = f"{', '.join(labels)}: " if labels else ""
        text = "{}came {}, expected {}".format(where, *digits(a[index], b[index]))
        if b.dtype.kind in "fc" and np.isfinite([a[index], b[index]]).all():
            text += (
                f", off by {abs(a[index] - b[index]):.2g}"
                f" ({tolerance * scale(b):.2g} is allowed)"
            )
        return text
    return ""


def digits(a, b):
    """Two different entries as text, with as many digits as show it."""
    a, b = a.item(), b.item()
    if isinstance(b, str):
        return short(a), short(b)
    if float not in (type(a), type(b)):
        return a, b
    for n in range(4, 18):
        one, other = (f"{x + 0.0:.{n}g}" for x in (a, b))
        if float(one) != float(other) or np.isnan([a, b]).any():
            break
    return one, other


# the form of a result


def misfit(pairs, wrong, tolerance):
    """(input, text) of what is wrong with the results' form; None if nothing.

    A reason is given only if it fits every input on which this part's form is wrong.
    NaN and infinities speak only if all inputs before are right: else they may be a
    later consequence of what the first wrong input shows.
    """
    if _reordered(pairs, tolerance):
        return wrong[0], "the values stand in the wrong order."
    faults = {k: _fault(*pairs[k], tolerance) for k in wrong}
    first = faults[wrong[0]]
    faults = {
        k: fault for k, fault in faults.items()
        if fault and (_is_finite(fault) or (first and not _is_finite(first)))
    }  # fmt: skip
    if not faults:
        return None
    part = next(iter(faults.values()))[0]
    faults = {k: fault for k, fault in faults.items() if fault[0] == part}
    k = max(faults, key=lambda k: _axes(pairs[k][1].form.parts.get(part)))
    _, start, reasons = faults[k]
    fitting = [r for r in reasons if all(r in fault[2] for fault in faults.values())]
    return k, start + (reasons[fitting[0]] if fitting else ".")


def _reordered(pairs, tolerance):
    """Are the values of a tuple right in another order, on every input?"""
    form = pairs[0][1].form
    if form.kind != "tuple" or any(
        one.form.parts.keys() != form.parts.keys() for one, _ in pairs
    ):
        return False

    def turned(one, order):
        values = [*one.form.parts.values()]
        parts = dict(zip(form.parts, (values[i] for i in order), strict=True))
        return replace(one, form=Form("tuple", parts))

    return any(
        all(agree(turned(one, order), right, tolerance) for one, right in pairs)
        for order in permutations(range(len(form.parts)))
    )


def _is_finite(fault):
    """Is it another fault than NaN or infinities among numbers?"""
    return not {"NaN", "infinite"} & {*fault[2]}


def _axes(array):
    """How many axes are longer than 1: the input with the most tells most."""
    return sum(n > 1 for n in array.shape) if isinstance(array, np.ndarray) else 0


def _fault(one, right, tolerance):
    """(part, beginning of the text, its possible ends by name), or None."""
    parts, others = one.form.parts, right.form.parts
    if one.form.kind != right.form.kind or parts.keys() != others.keys():
        return "", _other_form(one.form, right.form), {"form": "."}
    for part, b in others.items():
        a, has = parts[part], f"{part} has " if part else ""
        if isinstance(a, Odd) or isinstance(b, Odd) or _texts(a) != _texts(b):
            is_ = f"{part} is" if part else "it returns"
            return part, f"{is_} {_name(a)}, expected {_name(b)}", {"kind": "."}
        if a.shape != b.shape:
            start = f"{has}shape {a.shape}, expected {b.shape}"
            return part, start, _shapes(a.shape, b.shape)
        if not same_kind(a, b):
            return part, f"{has}{_kinds(a, b)}", {"dtype": "."}
        text = "" if close(a, b, tolerance) else _special(a, b)
        if text:
            return part, has + text, {text.split()[0]: "."}
    return None


def _other_form(came, expected):
    if came.kind == expected.kind == "tuple":
        n = len(came.parts)
        text = f"{n} value{'s' * (n != 1)} returned"
        return f"{text}, expected {len(expected.parts)}"
    if came.kind == expected.kind:
        lacking = [k for k in expected.parts if k not in came.parts]
        other = [k for k in came.parts if k not in expected.parts]
        capitals = {k.casefold() for k in lacking} & {k.casefold() for k in other}
        text = f"{_list(lacking)} is missing" if lacking else ""
        text += " and " * bool(lacking and other)
        text += f"{_list(other)} is not asked for" if other else ""
        return text + ": capitals count" * bool(capitals)
    if expected.kind == "tuple" and came.kind == "one":
        return f"1 value returned, expected {len(expected.parts)}"
    return f"it returns {_form_name(came)}, expected {_form_name(expected)}"


def _list(keys):
    return ", ".join(repr(k) if len(k) < 30 else repr(k[:30] + "…") for k in keys[:4])


def _form_name(form):
    if form.kind == "one":
        return _name(form.parts[""])
    return f"{len(form.parts)} values" if form.kind == "tuple" else f"a {form.kind}"


def _name(part):
    if isinstance(part, Odd):
        return part.text
    if _texts(part):
        return f"texts of shape {part.shape}" if part.ndim else "a text"
    return f"an array of shape {part.shape}" if part.ndim else "a number"


def _texts(part):
    return part.dtype.kind == "U"


def _shapes(came, expected):
    """What two different shapes may mean, the likeliest first."""
    reasons = {}
    if came == expected[::-1]:
        reasons["transposed"] = ": transposed."
    if [n for n in came if n != 1] == [n for n in expected if n != 1]:
        reasons["axis"] = ": an axis of length 1 too many or too few."
    if expected == ():
        reasons["sum"] = ": one number; is a sum or a mean missing?"
    if len(came) != len(expected) and np.prod(came) == np.prod(expected):
        reasons["reshape"] = ": as many entries; is a reshape missing?"
    if expected in combinations(came, len(expected)):
        if len(set(came)) < len(came):
            reasons["broadcast"] = (
                ": did [N, 1] meet [N] and broadcast, or is a diagonal, a sum or a "
                "product missing?"
            )
        reasons["long"] = ": is a sum, a product or an index missing?"
    if came in combinations(expected, len(came)):
        reasons["short"] = ": is a sum taken over one axis too many?"
    return reasons


def _kinds(a, b):
    if b.dtype.kind == "b" and a.dtype.kind in "iuf":
        return f"dtype {a.dtype}, expected bool: True and False, not numbers"
    if b.dtype.kind in "iu" and a.dtype.kind == "f":
        whole = bool(np.all(a == np.round(a)))
        return f"dtype {a.dtype}, expected whole numbers" + ": int(...)" * whole
    return f"dtype {a.dtype}, expected {b.dtype}"


def _special(a, b):
    """Numbers that are wrong in kind: not finite, too coarse, cut off."""
    if a.dtype.kind in "fc" and np.isnan(a).any() and not np.isnan(b).any():
        n = int(np.isnan(a).sum())
        return (
            f"NaN in {n} of {a.size}: 0/0, inf/inf (an exp that overflows?), "
            "inf - inf, 0·inf, or a log or a root of a negative number"
        )
    if a.dtype.kind in "fc" and np.isinf(a).any() and np.isfinite(b).all():
        return (
            "infinite entries, all are finite: a division by 0, an overflow, or "
            "an infinity returned where there is an answer"
        )
    if a.dtype == np.float32 and close(a, b, 1e-5):
        return "dtype float32, too coarse here: keep float64"
    if a.dtype.kind in "iu" and b.dtype.kind == "f" and a.ndim:
        return "integers, cut off: perhaps an array is made with dtype int"
    return ""


# wrong numbers of a common kind, recognised from all inputs together


def pattern(data, part):
    """What the answer is, in terms of the right one, on every input; '' if nothing."""
    ones = [one.form.parts.get(part) for one in data.came]
    others = [right.form.parts.get(part) for right in data.expected]
    arrays = [*ones, *others]
    if not all(isinstance(x, np.ndarray) and x.dtype.kind in "biufU" for x in arrays):
        return ""
    if any(a.shape != b.shape for a, b in zip(ones, others, strict=True)):
        return ""

    def differ(v, b):
        return off(v, b, data.tolerance).sum() if v.shape == b.shape else v.size

    def is_(values):
        """Are these what came? They must differ from the right in two entries or more:
        a single number is a multiple, a root, a sum of anything."""
        values = [np.asarray(v) for v in values]
        return sum(map(differ, values, others)) >= 2 and all(
            close(a, v, data.tolerance) for a, v in zip(ones, values, strict=True)
        )

    if all(x.dtype.kind == "U" for x in arrays):
        lower = [np.char.lower(x) for x in others]
        alike = all((np.char.lower(a) == b).all() for a, b in zip(ones, lower))
        return "the name is written otherwise: capitals count." if alike else ""
    if all(x.dtype.kind == "b" for x in arrays):
        text = "True and False are exchanged, on every input."
        return text if is_([~b for b in others]) else _exchanged(data)
    if any(x.dtype.kind not in "iuf" for x in arrays):
        return ""
    others = [b.astype(float) for b in others]
    for text, change in CHANGES.items():
        with np.errstate(all="ignore"):
            if is_([change(b) for b in others]):
                return text
    return _exchanged(data) or _factor(data, ones, others, is_)


def _diagonal(b):
    square = b.ndim == 2 and b.shape[0] == b.shape[1]
    return np.diag(np.diag(b)) if square else b


# what the answer is -> the right one, changed so
CHANGES = {
    "the sign is wrong: the negative of the right answer.": np.negative,
    "transposed: rows and columns are exchanged.": (
        lambda b: np.swapaxes(b, -1, -2) if b.ndim >= 2 else b
    ),
    "only the diagonal is right, all the rest is 0.": _diagonal,
    "the entries stand in reverse order.": lambda b: b[::-1] if b.ndim == 1 else b,
    "the square of the right answer: is a root missing?": np.square,
    "the square root of the right answer.": np.sqrt,
    "the size is right, but every sign is positive.": np.abs,
}


def _exchanged(data):
    """Two arguments of one kind, exchanged: either function does what the other did."""
    cases = [right.case for right in data.expected]
    for i in range(len(data.names)):
        for j in range(i):
            if not all(_alike(case[i], case[j]) for case in cases):
                continue
            swapped = [list(case) for case in cases]
            for case in swapped:
                case[i], case[j] = case[j], case[i]
            other = [data.reference(tuple(case)) for case in swapped]
            if not same(data.came, other, data.tolerance):
                continue
            back = [data.answer(tuple(case)) for case in swapped]
            if same(back, data.expected, data.tolerance):
                one, two = data.names[j], data.names[i]
                return f"the arguments {one} and {two} are exchanged."
    return ""


def _alike(a, b):
    """Could these two arguments be exchanged by accident?"""
    return (
        isinstance(a, (np.ndarray, float))
        and type(a) is type(b)
        and np.shape(a) == np.shape(b)
        and (np.asarray(a).dtype == bool) == (np.asarray(b).dtype == bool)
    )


def _factor(data, ones, others, is_):
    """A factor that holds on every input: known, or the same everywhere."""
    arguments = [dict(zip(data.names, c.case, strict=True)) for c in data.expected]
    for text, factor in KNOWN_FACTORS.items():
        for factors in zip(*map(factor, arguments)):
            if is_([f * b for f, b in zip(factors, others, strict=True)]):
                return text
    a = np.concatenate([x.ravel() for x in ones]).astype(float)
    b = np.concatenate([x.ravel() for x in others])
    if np.isfinite([a, b]).all() and a.size >= 3:
        gap = float(np.median(a - b))
        if abs(gap) > 100 * data.tolerance * scale(b) and is_(
            [b + gap for b in others]
        ):
            return f"{gap:+.4g} against the right answer, on every input."
    use = np.isfinite(a) & np.isfinite(b) & (np.abs(b) > 1e-12)
    ratio = float(np.median(a[use] / b[use])) if use.sum() >= 2 else 0.0
    if ratio and f"{ratio:.4g}" != "1" and is_([ratio * b for b in others]):
        return f"{ratio:.4g} times the right answer, on every input."
    gaps = []
    for x, y in zip(ones, others, strict=True):
        use = np.isfinite(x) & np.isfinite(y)
        gaps.append(x[use] - y[use])
    shifts = [np.median(gap) for gap in gaps if gap.size >= 3]
    if (
        len(shifts) == len(gaps)
        and all(shifts)
        and is_([b + shift for b, shift in zip(others, shifts, strict=True)])
    ):
        return "every entry is off by the same amount: is a mean not subtracted?"
    return ""


def _lengths(change):
    """Factors from the lengths of the arguments' axes."""

    def factors(arguments):
        arrays = [a for a in arguments.values() if isinstance(a, np.ndarray)]
        lengths = [n for array in arrays for n in array.shape]
        return [change(n) if n > 1 else 1.0 for n in lengths]

    return factors


def _discounts(change):
    def factors(arguments):
        gamma = arguments.get("gamma")
        return [change(gamma)] if isinstance(gamma, float) and 0 < gamma < 1 else []

    return factors


def _constants(value):
    return lambda arguments: [value]


# what was probably done -> the factors of the right answer that would come of it
KNOWN_FACTORS = {
    "a factor 1/(1 - gamma) too many, or a missing 1 - gamma.": _discounts(
        lambda g: 1 / (1 - g)
    ),
    "a missing 1/(1 - gamma), or a factor 1 - gamma too many.": _discounts(
        lambda g: 1 - g
    ),
    "a factor gamma too many.": _discounts(lambda g: g),
    "a factor gamma is missing.": _discounts(lambda g: 1 / g),
    "N times the right answer: a sum where a mean was meant.": _lengths(lambda n: n),
    "1/N of the right answer: a mean where a sum was meant, or a second one.": (
        _lengths(lambda n: 1 / n)
    ),
    "divided by N where N - 1 is meant: ddof=1.": _lengths(
        lambda n: (1 - 1 / n) ** 0.5
    ),
    "divided by N - 1 where N is meant: ddof=0.": (
        _lengths(lambda n: (1 - 1 / n) ** -0.5)
    ),
    "a factor 2 is missing.": _constants(0.5),
    "a factor 2 too many.": _constants(2.0),
    "a factor 2 is missing under the root.": _constants(0.5**0.5),
    "a factor 2 too many under the root.": _constants(2**0.5),
}
