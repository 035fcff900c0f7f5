"""Right answers of other makes are [ok]: loops, lists, other algebra.

`tests/answers/nNN.py` has them, as functions named EXERCISE__MAKE.
"""

import importlib
import inspect
from pathlib import Path

import pytest

from tests.test_exercises import LESSONS, check

FOLDER = Path(__file__).parent / "answers"


def answers(name):
    """{(exercise, make): function} of a lesson; {} without a file."""
    if not (FOLDER / f"{name}.py").exists():
        return {}
    module = importlib.import_module(f"tests.answers.{name}")
    return {
        tuple(key.split("__", 1)): value
        for key, value in vars(module).items()
        if inspect.isfunction(value) and "__" in key
    }


MAKES = [
    pytest.param(name, exercise, answer, id=f"{name}.{exercise}: {make}")
    for name in LESSONS
    for (exercise, make), answer in answers(name).items()
]


@pytest.mark.parametrize("name, exercise, answer", MAKES)
def test_right_answers_of_other_makes_are_ok(name, exercise, answer):
    lines = check(getattr(LESSONS[name], exercise), answer)
    assert lines[0].startswith("[ok]"), lines


@pytest.mark.parametrize("name", LESSONS)
def test_every_exercise_has_two_makes(name):
    makes = [exercise for exercise, _ in answers(name)]
    for exercise in LESSONS[name].exercises:
        assert makes.count(exercise.name) >= 2, exercise.name


def test_every_file_is_of_a_lesson():
    names = {path.stem for path in FOLDER.glob("*.py")} - {"__init__"}
    assert names <= set(LESSONS)
    for name in names:
        known = {exercise.name for exercise in LESSONS[name].exercises}
        assert {exercise for exercise, _ in answers(name)} <= known
