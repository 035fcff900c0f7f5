"""The exercise engine and the widgets: every verdict, told from real wrong answers."""

import dataclasses
import gc
import io
import json
import subprocess
import sys
import warnings
import weakref

import numpy as np
import pytest
from matplotlib.figure import Figure

from trpo_lite.course.engine import Exercise, Progress
from trpo_lite.course.widgets import (
    Choice,
    Frames,
    Picture,
    Slider,
    Steps,
    Widget,
)


def stub(x, y, gamma):
    """The product of x and y over 1 - gamma."""
    ...


def product(x, y, gamma):
    """The product of x and y over 1 - gamma."""
    return x @ y.T / (1 - gamma)


def mistaken(x, y, gamma):
    return x @ y.T + gamma


def failing_mistake(x, y, gamma):
    return np.linalg.solve(np.zeros((2, 2)), x @ y.T)


def cases(rng):
    return [(rng.normal(size=(n, n)), rng.normal(size=(n, n)), 0.9) for n in (2, 3, 2)]


def exercise(**changes):
    settings = dict(
        name="multiply",
        minutes=5,
        difficulty=2,
        stub=stub,
        reference=product,
        mistakes={"gamma is added": mistaken, "no inverse": failing_mistake},
        hints=("one", "two, longer"),
        cases=cases,
    )
    return Exercise(**{**settings, **changes})


def said(check, *arguments):
    """What a call prints: (lines of stdout); nothing may reach stderr."""
    from contextlib import redirect_stderr, redirect_stdout

    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        check(*arguments)
    assert err.getvalue() == ""
    return out.getvalue().splitlines()


def verdict(answer, **changes):
    lines = said(exercise(**changes).check, answer)
    printed = [i for i, line in enumerate(lines) if line == "    it printed:"]
    assert 1 <= len(lines[: printed[0]] if printed else lines) <= 3
    assert lines[0].startswith(("[todo] ", "[retry] ", "[ok] "))
    return "\n".join(lines)


def test_right_is_ok():
    assert verdict(product) == "[ok] multiply: right on all 3 inputs."
    # lists, other containers and round-off are as good
    assert verdict(lambda x, y, g: product(x, y, g).tolist()).startswith("[ok]")
    assert verdict(lambda x, y, g: product(x, y, g) * (1 + 1e-12)).startswith("[ok]")


@pytest.mark.parametrize(
    "expected, came",
    [
        (lambda: 2.0, lambda: 2),
        (lambda: 2.0, lambda: np.array(2.0)),
        (lambda: 2.0, lambda: np.float64(2)),
        (lambda: np.float64(0.5), lambda: __import__("fractions").Fraction(1, 2)),
        (lambda: 2, lambda: np.int64(2)),
        (lambda: True, lambda: np.bool_(True)),
        (lambda: np.arange(3.0), lambda: range(3)),
        (lambda: np.arange(3.0), lambda: (0, 1.0, np.float64(2))),
        (lambda: np.eye(2), lambda: [np.array([1, 0]), [0, 1]]),
        (lambda: np.eye(2), lambda: np.matrix([[1.0, 0], [0, 1]])),
        (lambda: np.eye(2), lambda: np.eye(2).astype(object)),
        (lambda: np.array([True, False]), lambda: [True, np.False_]),
        (lambda: (np.ones(2), 3.0), lambda: [[1, 1], np.array(3)]),
        (lambda: (1.0, 2.0), lambda: np.array([1.0, 2.0])),
        (lambda: {"a": np.ones(2)}, lambda: {"a": [1, 1]}),
        (lambda: "name", lambda: np.str_("name")),
    ],
)
def test_a_right_value_may_come_in_other_forms(expected, came):
    changes = dict(
        reference=lambda x: expected(), cases=lambda rng: [(1,), (2,)], mistakes={}
    )
    assert verdict(lambda x: came(), **changes).startswith("[ok]")


def test_a_result_in_a_buffer_that_is_used_again():
    buffer = np.zeros(2)

    def answer(x):
        buffer[:] = x
        return buffer

    changes = dict(reference=lambda x: np.full(2, x), mistakes={})
    cases = lambda rng: [(1.0,), (2.0,), (3.0,)]  # noqa: E731
    assert verdict(answer, cases=cases, **changes).startswith("[ok]")


def test_invariants_are_handed_arrays_for_lists():
    def sums_to_one(arguments, result):
        return None if abs(result.sum() - 1) < 1e-9 else "it doesn't sum to 1"

    changes = dict(
        reference=lambda x: x / x.sum(),
        mistakes={},
        tolerance=None,
        invariants=(sums_to_one,),
        cases=lambda rng: [(np.ones(2),), (np.ones(3),)],
    )
    assert verdict(lambda x: [1.0] + [0.0] * (len(x) - 1), **changes)[:4] == "[ok]"
    text = verdict(lambda x: [1.0] * len(x), **changes)
    assert text.startswith("[retry] multiply: it doesn't sum to 1.")

    def endless(x):
        while True:
            yield 1.0

    assert "returns a generator" in verdict(endless, **changes)


def with_blank(x, y, gamma):
    z = ...
    return z / (1 - gamma)


def test_todo_is_the_untouched_code_and_nothing_else():
    def copy(x, y, gamma):
        # the reader's copy of the stub, on the page
        ...  # your code

    for untouched in (..., stub, copy):
        assert verdict(untouched) == "[todo] multiply: not attempted yet."
    assert verdict(with_blank, stub=with_blank).startswith("[todo]")
    # a bug hunt's stub runs, and is untouched all the same
    assert verdict(mistaken, stub=mistaken, mistakes={}).startswith("[todo]")
    other = lambda a, b, g: a @ b.T + g  # noqa: E731
    text = verdict(other, stub=mistaken, mistakes={})
    assert text.startswith("[retry] multiply: it still gives what the untouched stub")
    # by accident right where the stub is: still not untouched
    assert verdict(lambda x, y, g: None).startswith("[retry]")

    def by_hand(x, y, gamma):
        return None

    text = verdict(by_hand)
    assert text.startswith("[retry] multiply: it returns None: what stands behind")

    def on_a_branch(x, y, gamma):
        if len(x) == 2:
            return None
        return product(x, y, gamma)

    text = verdict(on_a_branch)
    assert "it returns None on 2 of 3 inputs: what stands behind `return`" in text


def test_blanks_are_told():
    def two(x, y, gamma):
        z = ...
        return z / (1 - ...)

    def one(x, y, gamma):
        z = x @ y.T
        return z / (1 - ...)

    def decides(x, y, gamma):
        return product(x, y, gamma) if ... else 3 * x

    def wrong(x, y, gamma):
        return 3 * x if ... else product(x, y, gamma)

    def matmul(x, y, gamma):  # NumPy's error doesn't name the blank
        return x @ ...

    one_left = "[retry] multiply: one blank is still `...`."
    for answer in (one, wrong, matmul):
        assert verdict(answer, stub=two).startswith(one_left)
    assert "2 blanks are still `...`" in verdict(two, stub=one)
    for answer in (
        lambda x, y, g: g * ...,
        lambda x, y, g: np.exp(...),
        lambda x, y, g: (...).T,
        lambda x, y, g: (..., 1),
        lambda x, y, g: np.array([..., ...]),
    ):
        assert verdict(answer).startswith(one_left)
    assert verdict(decides).startswith("[ok]")

    def index(x, y, gamma):
        """Dots as an index are no blank."""
        ...
        return 3 * x[..., :]

    assert "blank" not in verdict(index)

    def by_a_float(x, y, gamma):  # NumPy's error names the dots that an index may be
        return x[gamma]

    text = verdict(by_a_float)
    assert "blank" not in text and "IndexError: only integers, slices" in text
    assert "(line 2 of by_a_float: `return x[gamma]`)" in text


def test_returning_nothing_is_told():
    def prints(x, y, gamma):
        print(product(x, y, gamma))

    def forgets(x, y, gamma):
        product(x, y, gamma)

    def branch(x, y, gamma):
        if len(x) == 3:
            return product(x, y, gamma)

    def in_place(x, y, gamma):
        x[:] = product(x, y, gamma)

    def part(x, y, gamma):
        return product(x, y, gamma), None

    assert "it prints, but returns nothing" in verdict(prints)
    assert "it returns nothing: is the `return` missing?" in verdict(forgets)
    text = verdict(branch)
    assert "it returns nothing on 2 of 3 inputs: a branch ends without" in text
    assert "lesson.multiply.case(0)" in text
    assert "changes its argument x in place and returns nothing" in verdict(in_place)
    pair = dict(reference=lambda x, y, gamma: (product(x, y, gamma), gamma))
    assert "value 2 is None, expected a number" in verdict(part, **pair, mistakes={})


def test_a_return_inside_the_loop_is_told():
    def total(x, y, gamma):
        z = 0
        for i in range(len(x)):
            z = z + x[:, [i]] @ y[:, [i]].T
            return z / (1 - gamma)

    assert "stands inside the loop" in verdict(total)


def test_a_line_that_keeps_nothing_is_told_with_what_may_be_meant():
    def added(x, y, gamma):
        z = np.zeros((len(x), len(x)))
        for i in range(len(x)):
            z + x[:, [i]] @ y[:, [i]].T
        return z / (1 - gamma)

    def forgotten(x, y, gamma):
        z = x @ y.T
        z / (1 - gamma)

    def compared(x, y, gamma):
        z = x @ y.T
        for _ in range(1):
            z == z / (1 - gamma)  # noqa: B015
        return z

    def on_one_way(x, y, gamma):
        z = product(x, y, gamma)
        if len(x) > 2:
            z  # noqa: B018
        else:
            return z

    start = "[retry] multiply: the line `z + x[:, [i]] @ y[:, [i]].T` keeps nothing: "
    assert verdict(added).startswith(f"{start}is `x = ...`, `+=` or `return` meant?")
    assert "it returns nothing: is the `return` missing?" in verdict(forgotten)
    assert "keeps nothing: is one `=` too many?" in verdict(compared)
    assert "`z` keeps nothing: is `return` missing there?" in verdict(on_one_way)


@pytest.mark.parametrize(
    "answer, cause",
    [
        (3.0, "the function itself"),
        (lambda x, y, g: -product(x, y, g), "the sign is wrong"),
        (lambda x, y, g: product(x, y, g).T, "transposed"),
        (lambda x, y, g: product(x, y, g) / 3, "0.3333 times"),
        (
            lambda x, y, g: product(x, y, g) * (1 - g),
            "a missing 1/(1 - gamma), or a factor 1 - gamma too many.",
        ),
        (
            lambda x, y, g: product(x, y, g) / (1 - g),
            "a factor 1/(1 - gamma) too many, or a missing 1 - gamma.",
        ),
        (lambda x, y, g: product(x, y, g) * len(x), "a sum where a mean"),
        (lambda x, y, g: product(x, y, g) / len(x), "a mean where a sum"),
        (lambda x, y, g: x @ y.T + g, "gamma is added"),
        (lambda x, y, g: np.linalg.solve(np.zeros((2, 2)), x @ y.T), "no inverse"),
        (None, "the function itself"),
        (lambda x, y, g: product(x, y, g) + x, "the numbers differ"),
        (lambda x, y, g: product(x, y, g) + 1, "+1 against the right answer"),
        (lambda x, y, g: product(x, y, g) + len(x), "off by the same amount"),
        (lambda x, y, g: product(x, y, g) * g, "a factor gamma too many"),
        (lambda x, y, g: product(x, y, g) / 2, "a factor 2 is missing."),
        (lambda x, y, g: product(x, y, g) ** 2, "square of the right answer"),
        (lambda x, y, g: np.abs(product(x, y, g)), "every sign is positive"),
        (lambda x, y, g: np.sqrt(product(x, y, g) + 0j).real, "numbers differ"),
        (lambda x, y, g: np.diag(np.diag(product(x, y, g))), "only the diagonal"),
        (
            lambda x, y, g: product(x, y, g) * np.sqrt(1 - 1 / len(x)),
            "N - 1 is meant: ddof=1",
        ),
        (lambda x, y, g: product(x, y, g) + (len(x) == 3), "right on 2 of 3"),
        (lambda x, y, g: product(x, y, g)[0], "shape (2,), expected (2, 2)"),
        (lambda x, y, g: product(x, y, g)[..., None], "an axis of length 1"),
        (
            lambda x, y, g: product(x, y, g).ravel(),
            "shape (4,), expected (2, 2): as many entries; is a reshape missing?",
        ),
        (
            lambda x, y, g: np.ones(7),
            "shape (7,), expected (2, 2).",
        ),
        (lambda x, y, g: (x, 0.9), "it returns 2 values, expected an array of shape"),
        (lambda x, y, g: (x, y), "it returns 2 values, expected an array of shape"),
        (lambda x, y, g: (x, None), "it returns 2 values, expected an array of shape"),
        (lambda x, y, g: (x, ...), "one blank is still `...`"),
        (lambda x, y, g: (x,), "an axis of length 1"),
        (lambda x, y, g: 1.0, "shape (), expected (2, 2)"),
        (lambda x, y, g: "words", "returns a text, expected an array"),
        (lambda x, y, g: (a for a in x), "returns a generator, expected an array"),
        (lambda x, y, g: [[None] * len(x)] * len(x), "returns None among the"),
        (lambda x, y, g: product, "returns a function, expected an array"),
        (lambda x, y, g: {"a": 1}, "returns a dict, expected an array"),
        (lambda x, y, g: product(x, y, g).astype(int), "integers, cut off"),
        (lambda x, y, g: product(x, y, g) > 0, "dtype bool, expected float64"),
        (lambda x, y, g: product(x, y, g) + 0j, "dtype complex128"),
        (lambda x, y, g: product(x, y, g).astype(np.float32), "float32, too coarse"),
        (
            lambda x, y, g: product(x, y, g) * np.log(-1.0),
            "NaN in 4 of 4: 0/0, inf/inf (an exp that overflows?), inf - inf, 0·inf, "
            "or a log or a root of a negative number.",
        ),
        (lambda x, y, g: product(x, y, g) / np.zeros(1), "infinite entries"),
        (lambda x, y, g: [[1, 2], [3]], "rows of different lengths"),
        (lambda x, y: x, "called with 3 arguments"),
        (lambda x, y, g: 1 / 0, "ZeroDivisionError: division by zero (line 1 of"),
        (lambda x, y, g: nonsense, "name 'nonsense' is not defined"),  # noqa: F821
        (lambda x, y, g: x.nothing, "AttributeError"),
        (lambda x, y, g: sys.exit(2), "SystemExit: 2"),
    ],
)
def test_likely_cause(answer, cause):
    text = verdict(answer)
    assert text.startswith("[retry] multiply: ")
    assert cause in text
    assert "0x" not in text and "Traceback" not in text


def late(special):
    """An answer that is wrong everywhere, and NaN or infinite on the last input."""

    def answer(x, y, g):
        z = product(x, y, g) + x
        return z * special if len(x) == 4 else z

    return answer


@pytest.mark.parametrize("special", [np.nan, np.inf])
def test_a_later_nan_does_not_hide_what_the_first_wrong_input_shows(special):
    def growing(rng):
        return [*cases(rng), (rng.normal(size=(4, 4)), rng.normal(size=(4, 4)), 0.9)]

    text = verdict(late(special), cases=growing)
    assert "the numbers differ" in text and "input 0, entry [0, 0]" in text

    def only_late(x, y, g):
        return product(x, y, g) * (special if len(x) == 4 else 1)

    text = verdict(only_late, cases=growing)
    assert ("NaN in 16 of 16" if np.isnan(special) else "infinite entries") in text
    assert "case(3)" in text


def test_infinities_are_compared_without_a_warning():
    """-inf where -inf belongs, and something wrong beside it."""

    def right(x, y, g):
        return np.append(x.ravel(), -np.inf)

    def wrong(x, y, g):
        return np.append(x.ravel() + 1 + y.ravel() ** 2, -np.inf)

    def shifted(x, y, g):
        return np.append(x.ravel() + y[0, 0], -np.inf)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "the numbers differ" in verdict(wrong, reference=right)
        text = verdict(shifted, reference=right)
    assert "every entry is off by the same amount" in text


def test_line_of_the_error_is_the_readers_own():
    def answer(x, y, g):
        z = x @ y.T
        return z[5]

    text = verdict(answer)
    assert "IndexError" in text and "(line 3 of answer: `return z[5]`)" in text


def test_errors_in_what_the_answer_calls_point_to_the_answer():
    def answer(x, y, g):
        return np.linalg.inv(x[:, :1])

    assert "(line 2 of answer: " in verdict(answer)


def test_changed_arguments_are_named_and_do_not_leak():
    def answer(x, y, g):
        x /= 1 - g
        return x @ y.T

    assert "changes its argument x in place" in verdict(answer)
    ours = exercise()
    said(ours.check, answer)
    assert said(ours.check, product)[0].startswith("[ok]")


def test_exchanged_arguments_are_named():
    def difference(new, old):
        return new - old**2

    changes = dict(
        reference=difference,
        mistakes={},
        cases=lambda rng: [(rng.normal(size=3), rng.normal(size=3)) for _ in "ab"],
    )
    text = verdict(lambda new, old: old - new**2, **changes)
    assert "the arguments new and old are exchanged" in text


def test_exchanged_arguments_are_told_only_if_both_ways_agree():
    """What always refuses looks like any exchange that always refuses."""

    def step(theta, g, h):
        return theta + g if g[0] > h[0] else theta

    changes = dict(
        reference=step,
        mistakes={},
        cases=lambda rng: [
            (rng.normal(size=2), np.array([x, x]), np.array([0.1, 0.2]))
            for x in (1, 2.0)
        ],
    )
    exchanged = verdict(lambda theta, g, h: step(theta, h, g), **changes)
    assert "the arguments g and h are exchanged" in exchanged
    assert "exchanged" not in verdict(lambda theta, g, h: theta, **changes)


def test_example_shows_one_input_without_round_off():
    def scale(x, by):
        return x * by

    changes = dict(
        reference=scale,
        mistakes={},
        cases=lambda rng: [(np.array([1.0, 2.0]), 0.5), (np.array([3.0]), 2.0)],
    )
    text = verdict(lambda x, by: x * by + np.array([-1e-17, 1])[: len(x)], **changes)
    assert text.splitlines()[1:] == [
        "    input 0, entry [1]: came 2, expected 1, off by 1 (1e-08 is allowed)",
        "    lesson.multiply.case(0) is x=[1. 2.], by=0.5",
    ]


def test_as_many_digits_as_differ():
    changes = dict(
        reference=lambda x: np.full(12, 1.2375),
        mistakes={},
        cases=lambda rng: [(np.ones(12),), (np.ones(12),)],
    )

    def near(x):
        return 1.2375 + 1e-7 * (np.arange(12) == 7)

    assert verdict(near, **changes).splitlines()[1:] == [
        "    input 0, entry [7]: came 1.2375001, expected 1.2375, off by 1e-07 "
        "(1.2e-08 is allowed)",
        "    lesson.multiply.case(0) is x=array of shape (12,)",
    ]
    text = verdict(lambda x: 1.2375 * (1 + 1e-7) + 0 * x, **changes)
    assert "1 times" not in text and "came 1.2375001, expected 1.2375" in text


def test_case_gives_fresh_writable_copies():
    ours = exercise()
    x, _, gamma = ours.case(2)
    assert np.array_equal(x, cases(np.random.default_rng(0))[2][0])
    x[:] = 0
    assert ours.case(2)[0].all() and gamma == 0.9
    assert said(ours.check, product)[0].startswith("[ok]")
    with pytest.raises(ValueError, match="inputs 0 to 2, got 3"):
        ours.case(3)


def test_the_inputs_are_made_once():
    made = []

    def slow(rng):
        made.append(cases(rng))
        return made[-1]

    ours = exercise(cases=slow)
    said(ours.check, lambda x, y, g: x)
    said(ours.check, product)
    ours.case(0)
    assert len(made) == 1


def test_a_shape_is_explained_by_all_inputs():
    """[N] meets [N, 1]: on the input with N = 1 it looks like an axis of length 1."""
    changes = dict(
        reference=lambda x: 2 * x,
        mistakes={},
        cases=lambda rng: [(rng.normal(size=n),) for n in (1, 3, 4)],
    )
    text = verdict(lambda x: x[:, None] + x, **changes)
    assert "shape (3, 3), expected (3,): did [N, 1] meet [N]" in text
    assert "or is a diagonal, a sum or a product missing?" in text
    assert "case(1)" in text
    text = verdict(lambda x: x[:, None] * np.ones(2), **changes)
    assert "shape (3, 2), expected (3,): is a sum, a product or an index miss" in text
    text = verdict(lambda x: np.ones((len(x) + 1, 2)), **changes)
    assert "shape (4, 2), expected (3,).\n" in text


def test_empty_arrays_are_no_obstacle():
    changes = dict(
        reference=lambda x: x.sum() + 1,
        mistakes={},
        cases=lambda rng: [(np.zeros(0),), (np.ones(3),)],
    )
    assert "right on 1 of 2 inputs" in verdict(
        lambda x: 1 + x.mean(-1).sum() if len(x) else 1.0, **changes
    )


def test_names_are_compared_as_names():
    changes = dict(
        reference=lambda x: "healthy" if x > 0 else "no KL test",
        mistakes={},
        cases=lambda rng: [(1.0,), (-1.0,)],
    )
    text = verdict(lambda x: "Healthy" if x > 0 else "no kl test", **changes)
    assert "capitals count" in text
    assert "came 'Healthy', expected 'healthy'" in text
    assert "right on 1 of 2 inputs" in verdict(lambda x: "healthy", **changes)
    assert "the names differ" in verdict(lambda x: "ill", **changes)
    keys = dict(changes, reference=lambda x: {"mean": x})
    text = verdict(lambda x: {"Mean": x}, **keys)
    assert "'mean' is missing and 'Mean' is not asked for: capitals count" in text


@pytest.mark.parametrize(
    "answer, words",
    [
        (lambda x: ~(x > 0), "True and False are exchanged, on every input"),
        (lambda x: (x > 0).astype(int), "expected bool: True and False, not numbers"),
        (lambda x: (x > 0)[::-1], "right on 1 of 2 inputs"),
    ],
)
def test_truth_values(answer, words):
    changes = dict(
        reference=lambda x: x > 0,
        mistakes={},
        cases=lambda rng: [(np.array([-1.0, 2, 3]),), (np.array([-1.0, 2, -3]),)],
    )
    assert words in verdict(answer, **changes)


@pytest.mark.parametrize(
    "answer, words",
    [
        (lambda x: np.cumsum(x)[::-1], "the entries stand in reverse order"),
        (lambda x: np.sqrt(np.cumsum(x)), "the square root of the right answer"),
        (lambda x: np.cumsum(x) / 2**0.5, "a factor 2 is missing under the root"),
        (lambda x: np.cumsum(x) * (1 + 3e-8), "came 3.0000001, expected 3,"),
    ],
)
def test_what_is_so_on_every_input(answer, words):
    changes = dict(
        reference=lambda x: np.cumsum(x),
        mistakes={},
        cases=lambda rng: [(np.arange(1.0, 4),), (np.arange(1.0, 3),)],
    )
    assert words in verdict(answer, **changes)


def test_an_argument_that_is_never_used_is_named():
    def scale(x, m0, by):
        return x * by + m0 * x**2

    def answer(x, m0, by):
        return x * by

    changes = dict(
        reference=scale,
        mistakes={},
        cases=lambda rng: [(rng.normal(size=3), n, 2.0) for n in (0.5, 0.7)],
    )
    assert "the argument m0 is never used" in verdict(answer, **changes)

    def of_one(x, m0, by):
        return x**3

    def of_none(x, m0, by):
        return np.array([0.1, 0.7, 0.3])

    def of_two(x, m0, by):
        return x * by, by

    text = verdict(of_one, **changes)
    assert "multiply: the arguments m0 and by are never used." in text
    text = verdict(of_none, **changes)
    assert "the arguments x, m0 and by are never used." in text
    pair = dict(changes, reference=lambda x, m0, by: (scale(x, m0, by), by))
    text = verdict(of_two, **pair)
    assert text.startswith("[retry] multiply: the argument m0 is never used.\n")


def test_an_invariant_is_never_stricter_than_the_tolerance():
    changes = dict(
        tolerance=1e-3, invariants=(lambda arguments, result: "never satisfied",)
    )
    near = lambda x, y, g: product(x, y, g) * (1 + 1e-4)  # noqa: E731
    assert verdict(near, **changes).startswith("[ok]")
    far = lambda x, y, g: product(x, y, g) + 0.1 * x  # noqa: E731
    assert "never satisfied" in verdict(far, **changes)


def test_tuples_and_dataclasses_by_part():
    @dataclasses.dataclass
    class Step:
        x: np.ndarray
        size: float

    def step(x, by):
        return Step(x * by, by)

    def pair(x, by):
        return x * by, by

    changes = dict(
        mistakes={}, cases=lambda rng: [(rng.normal(size=3), 2.0), (np.ones(2), 3.0)]
    )
    text = verdict(lambda x, by: Step(-x * by, by), reference=step, **changes)
    assert "in x, the sign is wrong" in text
    text = verdict(lambda x, by: (x * by, -by), reference=pair, **changes)
    assert "in value 2, the sign is wrong" in text
    text = verdict(lambda x, by: (x * by,), reference=pair, **changes)
    assert "1 value returned, expected 2" in text
    text = verdict(lambda x, by: x * by, reference=pair, **changes)
    assert "1 value returned, expected 2" in text
    text = verdict(lambda x, by: (by, x * by), reference=pair, **changes)
    assert "multiply: the values stand in the wrong order." in text
    text = verdict(lambda x, by: (by, x), reference=pair, **changes)
    assert "wrong order" not in text
    text = verdict(lambda x, by: x, reference=step, **changes)
    assert "returns an array of shape (3,), expected a Step" in text


def test_an_array_stands_for_a_tuple_only_if_each_of_its_rows_may_be_a_value():
    def pair(x):
        return x + 1, x**2

    def numbers(x):
        return x.min(), x.max()

    changes = dict(
        mistakes={}, cases=lambda rng: [(rng.normal(size=n),) for n in (3, 2, 2)]
    )
    for right in (pair, numbers):
        stacked = verdict(lambda x, f=right: np.array(f(x)), reference=right, **changes)
        assert stacked.startswith("[ok]")
        text = verdict(lambda x, f=right: f(x)[0], reference=right, **changes)
        assert "1 value returned, expected 2" in text
    text = verdict(lambda x: np.array(pair(x)[::-1]), reference=pair, **changes)
    assert "the values stand in the wrong order" in text

    def three(x):
        return x.min(), x.mean(), len(x)

    text = verdict(lambda x: (*three(x)[1:], x.min()), reference=three, **changes)
    assert "the values stand in the wrong order" in text


def test_to_array_and_invariants():
    def basis(x):
        return np.linalg.qr(x)[0]

    def orthonormal(arguments, result):
        if result.shape != arguments[0].shape:
            return "the shape is not that of x"
        error = np.abs(result.T @ result - np.eye(len(result))).max()
        return None if error < 1e-9 else "the columns are not orthonormal"

    changes = dict(
        reference=basis,
        mistakes={},
        cases=lambda rng: [(rng.normal(size=(3, 3)),) for _ in range(2)],
        invariants=(orthonormal,),
    )
    assert verdict(lambda x: -basis(x), tolerance=None, **changes).startswith("[ok]")
    text = verdict(lambda x: x, tolerance=None, **changes)
    assert "the columns are not orthonormal" in text
    flipped = verdict(lambda x: -basis(x), **changes)
    assert flipped.startswith("[retry]") and "the sign is wrong" in flipped
    assert "the columns are not orthonormal" in verdict(lambda x: x + x**2, **changes)
    hook = dict(changes, invariants=(), to_array=lambda result: result["q"])
    text = verdict(lambda x: {"q": x}, **dict(hook, reference=lambda x: {"q": x}))
    assert text.startswith("[ok]")
    text = verdict(lambda x: 3, **dict(hook, reference=lambda x: {"q": x}))
    assert "TypeError" in text


def test_generators_may_move_and_start_equal():
    def draw(rng, n):
        return rng.normal(size=n)

    changes = dict(
        reference=draw,
        mistakes={},
        cases=lambda rng: [
            (np.random.default_rng(1), 3),
            (np.random.default_rng(2), 4),
        ],
    )
    assert verdict(lambda rng, n: rng.normal(size=n), **changes).startswith("[ok]")


def test_check_is_the_same_every_time():
    wrong = exercise()
    assert said(wrong.check, mistaken) == said(wrong.check, mistaken)


def test_hints_grow_stronger_and_the_last_one_repeats():
    ours = exercise()
    lines = [said(ours.hint)[0] for _ in range(3)]
    assert lines[0] == "hint 1 of 2: one"
    assert lines[1] == lines[2] == "hint 2 of 2: two, longer"


def test_solution_shows_the_tested_reference_under_the_pages_name():
    text = "\n".join(said(exercise().solution))
    assert text.startswith("def multiply(x, y, gamma):")
    assert "return x @ y.T / (1 - gamma)" in text


def test_progress_counts_minutes_left():
    one, two = exercise(), exercise(name="other", minutes=7, difficulty=3)
    progress = Progress((one, two))
    assert said(progress) == [
        "exercises done: 0 of 2",
        "  [ ] multiply  ●●○  5 min",
        "  [ ] other     ●●●  7 min",
        "left: about 12 minutes",
    ]
    said(one.check, product)
    assert said(progress)[-1] == "left: about 7 minutes"
    said(one.check, mistaken)  # a later try takes nothing back
    said(two.check, product)
    assert said(progress)[-1] == "all done"


@pytest.mark.parametrize(
    "changes, message",
    [
        (dict(difficulty=4), "difficulty must be 1, 2 or 3, got 4"),
        (dict(hints="a hint"), "hints must be a tuple"),
        (dict(tolerance=None), "needs at least one invariant"),
    ],
)
def test_authors_mistakes_raise(changes, message):
    with pytest.raises(ValueError, match=message):
        exercise(**changes)


def draw(height, kind="a"):
    from matplotlib.figure import Figure

    if height > 3:
        raise ValueError("too <high>")
    figure = Figure(figsize=(3, 2), layout="constrained")
    figure.subplots().set(title=f"{height} {kind}", xlabel="x", ylabel="y")
    return figure


def widget(**changes):
    controls = {
        "height": Slider("height", 1, 5, 1, 2),
        "kind": Choice("kind", ("a", "b"), "a"),
    }
    return Widget(**{**dict(draw=draw, alt='a "box"', controls=controls), **changes})


def test_widget_redraws_shows_errors_and_clears_them():
    box = widget().build()
    height, kind, error, picture = box.children
    assert 'aria-label="a &quot;box&quot;"' in picture.value
    before = picture.value
    height.value = 3
    assert picture.value != before and error.value == ""
    good = picture.value
    height.value = 4
    assert "ValueError: too &lt;high&gt;" in error.value and "alert" in error.value
    assert picture.value == good
    kind.value = "b"  # still wrong
    assert "ValueError" in error.value
    height.value = 1
    assert error.value == "" and picture.value != good


def test_alt_text_follows_the_settings():
    box = widget(alt=lambda height, kind: f"a box {height} high").build()
    assert 'aria-label="a box 2 high"' in box.children[-1].value
    box.children[0].value = 3
    assert 'aria-label="a box 3 high"' in box.children[-1].value


def test_explore_is_a_sentence_where_there_are_no_widgets(monkeypatch):
    shown = []
    monkeypatch.setattr(
        "IPython.display.display", lambda *args, **options: shown.append(args[0])
    )
    widget().explore()
    assert shown[0]["text/plain"] == "Sliders: run this cell to move them."
    assert shown[0]["application/vnd.jupyter.widget-view+json"]["model_id"]


def test_a_picture_shows_its_words_with_its_arguments(monkeypatch):
    shown = []
    monkeypatch.setattr(
        "IPython.display.display",
        lambda data, **options: shown.append(options["metadata"]["image/png"]["alt"]),
    )
    Picture(draw, "a box").show(1, kind="b")
    Picture(draw, lambda height, kind: f"a box {height} high").show(1, kind="b")
    assert shown == ["a box", "a box 1 high"]


def test_equal_settings_give_equal_pictures():
    one, two = widget().build(), widget().build()
    assert one.children[-1].value == two.children[-1].value


def test_widget_with_an_error_at_its_defaults_raises():
    with pytest.raises(ValueError, match="too <high>"):
        widget(controls={"height": Slider("height", 1, 5, 1, 4)}).build()


def test_axes_keep_their_places_while_settings_change():
    def draws(width):
        from matplotlib.figure import Figure

        figure = Figure(layout="constrained")
        figure.subplots().set_ylabel("y\n" * width)
        figures.append(figure)
        return figure

    figures = []
    slider = Slider("width", 1, 5, 1, 1)
    box = widget(draw=draws, controls={"width": slider}).build()
    box.children[0].value = 5
    one, two = (f.axes[0].get_position().bounds for f in figures)
    assert one == two


def test_settings_of_a_widget_are_its_defaults_and_ends():
    assert list(widget().settings()) == [
        {"height": 2, "kind": "a"},
        {"height": 1, "kind": "a"},
        {"height": 5, "kind": "a"},
        {"height": 2, "kind": "a"},
        {"height": 2, "kind": "b"},
    ]


def test_controls_are_named_and_checked():
    steps = Steps("samples", (10, 100, 1000), 100).build(description="samples")
    assert steps.value == 100 and steps.description == "samples"
    assert Slider("δ", 0.0, 1.0, 0.05, 0.1).build().readout_format == ".2f"
    with pytest.raises(ValueError, match="min <= default <= max"):
        Slider("δ", 0.0, 1.0, 0.05, 2.0)
    with pytest.raises(ValueError, match="7 not in"):
        Steps("samples", (10, 100), 7)
    with pytest.raises(ValueError, match="'c' not in"):
        Choice("kind", ("a", "b"), "c")


def test_frames_play():
    player = Frames("frame", 5, milliseconds=80).build(description="frame")
    slider, play = player.children
    assert (play.interval, play.max, slider.max, player.value) == (80, 4, 4, 0)
    assert slider.description == "frame"
    seen = []
    player.observe(lambda change: seen.append(change["new"]), "value")
    slider.value = 3  # as play does, in the browser
    player.value = 1
    assert seen == [3, 1] and slider.value == 1
    assert Frames("frame", 5).ends == (0, 4)


def test_show_needs_and_stores_the_description(monkeypatch):
    from trpo_lite import plots

    with pytest.raises(ValueError, match="alt must say"):
        plots.show(draw(1), " ")
    shown = []

    def display(data, **options):
        shown.append((data, options))

    monkeypatch.setattr("IPython.display.display", display)
    widget().show(height=3)
    [(data, options)] = shown
    assert data["image/png"] and "box" in data["text/plain"]
    assert options["metadata"]["image/png"]["alt"] == 'a "box"'


def test_the_engine_needs_numpy_alone():
    code = (
        "import sys, trpo_lite.course.n00, json;"
        "print(json.dumps([m for m in ('matplotlib', 'ipywidgets', 'IPython')"
        " if m in sys.modules]))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert json.loads(run.stdout) == []


def test_a_widget_that_is_run_again_leaves_nothing_behind():
    def draw(x):
        figure = Figure()
        figure.subplots().plot([x])
        alive.append(weakref.ref(figure))
        return figure

    alive = []
    widget = Widget(draw, "a point that moves", {"x": Slider("x", 0.0, 1.0, 0.1, 0.5)})
    for _ in range(4):
        widget.build()
    assert [figure() for figure in alive[:-1]] == [None] * 3
    gc.unfreeze()
