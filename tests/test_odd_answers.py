"""Whatever an answer returns, raises, prints or changes, `check` says one thing of it.

Every exercise is handed every odd answer; what is special of one is told on its own.
"""

import dataclasses
import io
import os
import pickle
import random
import signal
import sys
import warnings
from contextlib import redirect_stderr, redirect_stdout
from functools import partial

import numpy as np
import pytest

from tests.test_exercises import EXERCISES, check
from trpo_lite.course import outcome


class Hostile:
    """Every question that Python or NumPy may ask of it fails."""

    def _fail(self, *_, **__):
        raise RuntimeError("ask me nothing")

    __array__ = __eq__ = __str__ = __repr__ = __len__ = __iter__ = _fail
    __bool__ = __float__ = __getitem__ = __lt__ = __sub__ = __hash__ = _fail
    __class__ = property(_fail)

    def __getattr__(self, name):
        raise RuntimeError("ask me nothing")


class Liar:
    """A sequence that is longer than it says, without end."""

    def __len__(self):
        return 10**9

    def __getitem__(self, i):
        return 1.0

    def __iter__(self):
        while True:
            yield 1.0


class Strange:
    """Says that it is an array, and gives something else."""

    def __array__(self, dtype=None, copy=None):
        return np.array([None, "x", {}], dtype=object)


class FalseList(list):
    def __iter__(self):
        raise RuntimeError("ask me nothing")

    def __len__(self):
        return 10**9


class Unprintable(Exception):
    def __str__(self):
        raise RuntimeError("ask me nothing")


class OwnExit(BaseException):
    pass


def endless():
    while True:
        yield 1.0


def nested():
    inner = []
    inner.append(inner)
    return inner


def gives(make):
    def answer(*arguments):
        return make()

    return answer


def fails(error):
    def answer(*arguments):
        raise error

    return answer


def deep(*arguments):
    return deep(*arguments)


def chatty(*arguments, lines=500):
    for i in range(lines):
        print("line", i)
    print("to stderr", file=sys.stderr)


def closes(*arguments):
    sys.stdout.close()
    sys.stdout = None


def rude(*arguments):
    np.seterr(all="raise")
    np.random.seed(3)  # noqa: NPY002
    random.seed(3)
    warnings.simplefilter("error")
    warnings.warn("loud", stacklevel=1)
    np.set_printoptions(precision=1)
    sys.setrecursionlimit(5000)


def plots(*arguments):
    import matplotlib.pyplot as plt

    plt.plot([1, 2])
    plt.show()


def spoils(*arguments):
    for a in arguments:
        if isinstance(a, np.ndarray):
            a.resize(a.size + 1, refcheck=False)
    return arguments[0]


class Calls:
    def __call__(self, *arguments):
        return arguments[5000]


ODD = {
    "nothing": gives(lambda: None),
    "blank": gives(lambda: ...),
    "hostile": gives(Hostile),
    "liar": gives(Liar),
    "strange": gives(Strange),
    "false list": gives(lambda: FalseList([1.0])),
    "hostile in a list": gives(lambda: [1.0, Hostile()]),
    "hostile keys": gives(lambda: {1: 2, (3,): Hostile()}),
    "ragged": gives(lambda: [[1.0, 2.0], [3.0]]),
    "nested without end": gives(nested),
    "generator": gives(endless),
    "text": gives(lambda: "text"),
    "bytes": gives(lambda: b"bytes"),
    "class": gives(lambda: Liar),
    "function": gives(lambda: print),
    "set": gives(lambda: {1.0}),
    "dict": gives(lambda: {"a": 1.0}),
    "empty": gives(lambda: []),
    "empty tuple": gives(tuple),
    "huge number": gives(lambda: 10**400),
    "huge array": gives(lambda: np.broadcast_to(1.0, (10**6, 10**6))),
    "many huge arrays": gives(lambda: [np.broadcast_to(1.0, 10**6)] * 10**6),
    "matrix": gives(lambda: np.matrix([[1.0, 2.0]])),
    "masked": gives(lambda: np.ma.masked_array([1.0, 2.0], [True, False])),
    "dates": gives(lambda: np.array(["2020-01-01"], dtype="M8[D]")),
    "records": gives(lambda: np.zeros(2, dtype=[("a", float)])),
    "complex": gives(lambda: 1j),
    "not a number": gives(lambda: float("nan")),
    "exits": fails(SystemExit(2)),
    "own exit": fails(OwnExit()),
    "generator's exit": fails(GeneratorExit()),
    "unprintable error": fails(Unprintable()),
    "stops": fails(StopIteration(3)),
    "deep": deep,
    "chatty": chatty,
    "closes": closes,
    "rude": rude,
    "plots": plots,
    "spoils": spoils,
    "calls": Calls(),
    "builtin": len,
    "type": dict,
    "partial": partial(deep, 1),
    "no function": Hostile(),
}


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")


@pytest.mark.parametrize("name, exercise", EXERCISES)
def test_every_odd_answer_is_told_in_words(name, exercise):
    for odd, answer in ODD.items():
        first, *rest = spoken(exercise, answer)
        assert first.startswith(f"[retry] {exercise.name}: "), odd
        assert "cannot judge" not in first or odd == "no function", (odd, first)
        for line in (first, *rest):
            assert len(line) < 320 and "0x" not in line, odd
            assert "Traceback" not in line and "line -" not in line, odd


def spoken(exercise, answer):
    """The lines of `check`; stderr stays empty, prints are cut to few lines."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        dataclasses.replace(exercise, _state={}).check(answer)
    assert err.getvalue() == ""
    lines = out.getvalue().splitlines()
    assert 1 <= len(lines) <= 9
    return lines


def arrays_of(value):
    """Every array that hangs on an argument, on its objects too."""
    if isinstance(value, np.ndarray):
        yield value
    parts = value if isinstance(value, (list, tuple)) else ()
    for part in (*parts, *getattr(value, "__dict__", {}).values()):
        yield from arrays_of(part)


@pytest.mark.parametrize("name, exercise", EXERCISES)
def test_no_answer_can_spoil_the_inputs_of_the_next(name, exercise):
    """Inputs are made once: what an answer does to its own ones stays there."""
    exercise = dataclasses.replace(exercise, _state={}, _known={})

    def answer(*arguments):
        for array in arrays_of(arguments):
            array.setflags(write=True)
            array[...] = 1 - array if array.dtype != bool else ~array

    check(exercise, answer)
    fresh = exercise.cases(np.random.default_rng(0))
    assert pickle.dumps(exercise._cases()) == pickle.dumps([tuple(c) for c in fresh])
    assert check(exercise, exercise.reference)[0].startswith("[ok]")


FIRST = EXERCISES[0].values[1]


def test_what_it_changes_is_restored():
    import matplotlib.pyplot as plt

    plt.close("all")
    before = state()
    for answer in (rude, plots, deep, closes):
        spoken(FIRST, answer)
        assert state() == before
    assert plt.get_fignums() == []


def state():
    return (
        np.geterr(),
        repr(np.random.get_state()),  # noqa: NPY002
        random.getstate(),
        list(warnings.filters),
        np.get_printoptions(),
        sys.getrecursionlimit(),
    )


def test_random_answers_are_judged_alike_each_time():
    def noisy(rewards, gamma):
        return np.random.normal() + random.random()  # noqa: NPY002

    assert spoken(FIRST, noisy) == spoken(FIRST, noisy)


def test_prints_are_shown_once_and_cut():
    lines = spoken(FIRST, partial(chatty, lines=20_000))
    assert lines[0].endswith("it prints, but returns nothing: end with `return` and "
                             "the result.")  # fmt: skip
    assert lines[-6:-1] == ["    it printed:", *(f"        line {i}" for i in range(4))]
    assert lines[-1] == "        … 19,997 more lines"

    def right(rewards, gamma):
        print("here", len(rewards))
        return FIRST.reference(rewards, gamma)

    assert spoken(FIRST, right) == [
        "[ok] discounted_return: right on all 4 inputs.",
        "    it printed:",
        f"        here {len(FIRST.case(0)[0])}",
    ]


@pytest.mark.skipif(os.name == "nt", reason="no timers")
def test_a_loop_without_end_can_be_interrupted_and_checked_again():
    def loops(rewards, gamma):
        while True:
            gamma = gamma

    before = signal.signal(signal.SIGVTALRM, signal.default_int_handler)
    try:
        for _ in range(2):
            signal.setitimer(signal.ITIMER_VIRTUAL, 0.05)
            [line] = spoken(FIRST, loops)
            assert line.startswith("[retry] discounted_return: interrupted (line ")
            assert " of loops: `" in line
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
    assert check(FIRST, FIRST.reference)[0].startswith("[ok]")


def test_errors_name_a_line_of_the_readers():
    class Callable:
        def __call__(self, rewards, gamma):
            return rewards[1000]

    def helper(rewards):
        return rewards[1000]

    def listed(rewards, gamma):
        return [helper(rewards) for _ in rewards]

    def few(rewards):
        return rewards

    for answer, words in {
        Callable(): "(line 2 of __call__: `return rewards[1000]`)",
        listed: "(line 2 of helper: `return rewards[1000]`)",
        partial(Callable.__call__, None): "(line 2 of __call__",
        (lambda rewards, gamma: rewards[1000]): "(line 1 of the lambda",
        few: "(it is called with 2 arguments)",
        np.linalg.inv: "(it is called with 2 arguments)",
    }.items():
        assert words in spoken(FIRST, answer)[0]


def test_a_return_in_the_loop_is_told_also_where_the_loop_has_no_turn():
    def first_only(rewards, gamma):
        total = 0.0
        for reward in rewards:
            total += reward
            return total

    few = [(np.array([]), 0.9), (np.array([1.0, 2.0]), 0.5), (np.ones(3), 0.4)]
    exercise = dataclasses.replace(FIRST, cases=lambda rng: few, _known={})
    assert "a `return` stands inside the loop" in spoken(exercise, first_only)[0]

    def no_return(rewards, gamma):
        def first():
            for reward in rewards:
                return reward

        first()

    assert "it returns nothing" in spoken(exercise, no_return)[0]


@pytest.mark.parametrize("value", [1 / 3, 0.1 + 0.2, -1e-17, 2.0, np.float64(1.5e-7)])
def test_a_number_is_shown_with_all_its_digits(value):
    assert float(outcome.short(value)) == value
    assert outcome.short((value, 1)) == f"({outcome.short(value)}, 1)"


def test_an_array_says_if_it_is_rounded():
    assert outcome.short(np.array([1.0, -0.25])) == "[ 1. -0.25]"
    assert outcome.given("v", np.array([1 / 3, np.nan])) == "v ≈ [0.3333 nan]"
    assert outcome.given("v", np.array([0.5, np.nan])) == "v=[0.5 nan]"
    assert outcome.short(np.array([np.inf, np.nan])) == "[inf nan]"
    assert outcome.short(-0.0) == "0.0" and outcome.short(np.array([-0.0])) == "[0.]"
