"""No checker accepts a wrong reference: every mutant is told, or does the same."""

from pathlib import Path

import numpy as np
import pytest

from tests.reference_mutants import differs, equivalents, mutants, survivors
from tests.test_exercises import EXERCISES, LESSONS
from trpo_lite.course.engine import Exercise

LISTS = Path(__file__).parent / "survivors"


def listed(name):
    """The lines 'exercise: mutant' of the lesson's file; [] without one."""
    path = LISTS / f"{name}.txt"
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


@pytest.mark.parametrize("name, exercise", EXERCISES)
def test_the_checker_tells_every_mutant(name, exercise):
    kept = survivors(exercise)
    same = equivalents(name).get(exercise.name, {})
    start = f"{exercise.name}: "
    known = [line[len(start) :] for line in listed(name) if line.startswith(start)]
    new = [text for text in kept if text not in same and text not in known]
    assert not new, "the checker says [ok] to these: mend the cases"
    gone = [text for text in [*known, *same] if text not in kept]
    assert not gone, "these are told by now: take them off the list"
    assert not set(known) & set(same), "either still to be mended or the same function"
    for text, reason in same.items():
        assert len(reason) > 10, f"why is {text} the same function?"
        assert differs(exercise, kept[text]) is None, text


@pytest.mark.parametrize("name", LESSONS)
def test_lists_name_exercises_of_the_lesson(name):
    names = {exercise.name for exercise in LESSONS[name].exercises}
    assert {line.split(": ")[0] for line in listed(name)} <= names
    assert set(equivalents(name)) <= names


def limited(x, limit):
    """The reference on which the mutants themselves are tested."""
    total = 0.0
    for i in range(len(x)):
        if x[i] > 0 and total < limit:
            total = total + 2 * x[i]
    return min(total, limit)


def exercise(cases):
    return Exercise(
        name="limited",
        minutes=1,
        difficulty=1,
        stub=lambda x, limit: None,
        reference=limited,
        mistakes={},
        hints=("none",),
        cases=cases,
    )


def test_mutants_of_each_kind():
    found = dict(mutants(limited))
    for text in (
        "`x[i] > 0` -> `x[i] >= 0`",
        "`x[i] > 0 and total < limit` -> `x[i] > 0`",
        "`x[i] > 0 and total < limit` -> `x[i] > 0 or total < limit`",
        "`if x[i] > 0 and total < limit:` -> `if True:`",
        "`total + 2 * x[i]` -> `total - 2 * x[i]`",
        "`2 * x[i]` -> `x[i]`",
        "`2` -> `3`",
        "drop `total = total + 2 * x[i]`",
        "`min` -> `max`",
        "`min(total, limit)` -> `min(limit, total)`",
        "`return min(total, limit)` -> `return -min(total, limit)`",
    ):
        assert text in found
    assert len(found) == len(list(mutants(limited)))
    assert found["`2` -> `3`"](np.array([1.0]), 9.0) == 3.0
    assert limited(np.array([1.0]), 9.0) == 2.0  # the reference is left alone


def test_cases_that_cannot_tell_are_found():
    weak = exercise(lambda rng: [(np.ones(2), 9.0), (np.ones(3), 9.0)])
    kept = survivors(weak)
    assert "`x[i] > 0 and total < limit` -> `x[i] > 0`" in kept
    assert "`2` -> `3`" not in kept
    mixed = exercise(lambda rng: [(rng.normal(size=5), 1.0), (-np.ones(3), 9.0)])
    only = "`x[i] > 0 and total < limit` -> `total < limit`"
    assert only in kept and only not in survivors(mixed)
    assert differs(mixed, dict(mutants(limited))[only]) == 1


def test_a_mutant_without_end_is_stopped():
    def endless(x, limit):
        while True:
            limit = limit

    from tests.reference_mutants import accepted

    assert not accepted(exercise(lambda rng: [(np.ones(2), 9.0)] * 2), endless)
