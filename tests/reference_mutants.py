"""Every small change of a reference must be told from it: mutants of the references.

    python -m tests.reference_mutants [n11 ...]      the mutants that a checker accepts
    python -m tests.reference_mutants n11 --all      every mutant with its verdict

A mutant differs from the reference in one place: a condition or a branch dropped, a
statement left out, `>` for `>=`, `and` for `or`, an integer moved by one, a constant by
10 %, a term, a factor or a function left out, two arguments swapped, a sign turned. An
exercise's cases are good if its checker accepts none of them, those apart that are the
same function. `tests/answers/nNN.py` declares these:

    EQUIVALENT = {"searched": {"`L > 0` -> `L >= 0`": "why nobody can tell"}}

They are run on the cases of other seeds as well, where they must agree too. What else
survives is listed in `tests/survivors/nNN.txt`, which must become empty and go.
"""

import argparse
import ast
import copy
import dataclasses
import importlib
import inspect
import signal
import sys
import textwrap
from contextlib import contextmanager
from pathlib import Path

import numpy as np

COURSE = Path(__file__).resolve().parent.parent / "trpo_lite" / "course"
LESSONS = sorted(path.stem for path in COURSE.glob("n[0-9][0-9].py"))
SEEDS = range(1, 31)  # of the further cases for mutants that are called equivalent
BUDGET = 1.0  # seconds of processor; the slowest reference takes a tenth

COMPARED = {
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
OPERATORS = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.Pow: ast.Mult,
    ast.MatMult: ast.Mult,
}
NAMES = {
    "max": "min",
    "min": "max",
    "argmax": "argmin",
    "argmin": "argmax",
    "maximum": "minimum",
    "minimum": "maximum",
    "sum": "mean",
    "mean": "sum",
    "zeros": "ones",
    "ones": "zeros",
}
CONVERSIONS = {"float", "int", "bool", "range", "len"}


def edits(node):
    """The nodes that may stand in place of `node`, an expression or a statement."""
    if isinstance(node, ast.Compare):
        for i, operator in enumerate(node.ops):
            if type(operator) in COMPARED:
                ops = list(node.ops)
                ops[i] = COMPARED[type(operator)]()
                yield ast.Compare(node.left, ops, node.comparators)
        if isinstance(node.ops[0], (ast.Is, ast.IsNot)):
            yield ast.UnaryOp(ast.Not(), node)
    elif isinstance(node, ast.BoolOp):
        other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield ast.BoolOp(other, node.values)
        for i in range(len(node.values)):
            rest = node.values[:i] + node.values[i + 1 :]
            yield rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)
    elif isinstance(node, ast.BinOp):
        if type(node.op) in OPERATORS:
            yield ast.BinOp(node.left, OPERATORS[type(node.op)](), node.right)
        yield node.left
        if isinstance(node.op, (ast.Add, ast.Mult, ast.BitAnd, ast.BitOr)):
            yield node.right
        if isinstance(node.op, ast.Sub):
            yield ast.UnaryOp(ast.USub(), node.right)
        if isinstance(node.op, ast.Div):
            yield ast.BinOp(ast.Constant(1), ast.Div(), node.right)
        if isinstance(node.op, (ast.Sub, ast.Div, ast.Pow)):
            yield ast.BinOp(node.right, node.op, node.left)
    elif isinstance(node, ast.UnaryOp):
        yield node.operand
    elif isinstance(node, ast.Constant):
        yield from map(ast.Constant, _numbers(node.value))
    elif isinstance(node, ast.IfExp):
        yield node.body
        yield node.orelse
    elif isinstance(node, ast.Call):
        yield from _calls(node)
    elif isinstance(node, ast.Attribute):
        if node.attr in NAMES:
            yield ast.Attribute(node.value, NAMES[node.attr], node.ctx)
        if node.attr == "T":
            yield node.value
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        if node.id in ("max", "min", "sum"):
            yield ast.Name(NAMES[node.id], node.ctx)
    elif isinstance(node, ast.stmt):
        yield from _statements(node)


def _numbers(value):
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield value + 1
        yield value - 1
    elif isinstance(value, float):
        yield from (0.9 * value, 1.1 * value) if value else (0.1, 1.0)


def _calls(node):
    arguments, name = (
        node.args,
        getattr(node.func, "attr", getattr(node.func, "id", "")),
    )
    for i in range(1, len(arguments)):
        swapped = list(arguments)
        swapped[i - 1], swapped[i] = swapped[i], swapped[i - 1]
        yield ast.Call(node.func, swapped, node.keywords)
    for i in range(len(node.keywords)):
        rest = node.keywords[:i] + node.keywords[i + 1 :]
        yield ast.Call(node.func, arguments, rest)
    if len(arguments) == 1 and name not in CONVERSIONS:
        yield arguments[0]
    if not arguments and isinstance(node.func, ast.Attribute):
        yield node.func.value
    if name == "range":
        last = arguments[-1]
        for operator in (ast.Add(), ast.Sub()):
            if not isinstance(last, ast.Constant):
                moved = ast.BinOp(last, operator, ast.Constant(1))
                yield ast.Call(node.func, [*arguments[:-1], moved], [])


def _statements(node):
    nothing = ast.Pass()
    if isinstance(node, ast.If):
        for value in (True, False):
            yield ast.If(ast.Constant(value), node.body, node.orelse)
    elif isinstance(node, ast.Assign):
        yield nothing
        if not ast.unparse(node.value).startswith(("np.zeros", "0", "[", "(")):
            yield ast.Assign(node.targets, ast.UnaryOp(ast.USub(), node.value))
    elif isinstance(node, ast.AugAssign):
        yield nothing
        if type(node.op) in OPERATORS:
            yield ast.AugAssign(node.target, OPERATORS[type(node.op)](), node.value)
    elif isinstance(node, ast.Return) and node.value is not None:
        yield nothing
        yield ast.Return(ast.UnaryOp(ast.USub(), node.value))
    elif isinstance(node, ast.Break):
        yield ast.Continue()
        yield nothing
    elif isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant):
        yield nothing


def mutants(function):
    """(what is changed, mutant) of every mutant of `function`, in order."""
    source = textwrap.dedent(inspect.getsource(function))
    whole = ast.parse(source)
    [definition] = whole.body
    seen = {}
    for path, node in list(_places(definition)):
        for edit in edits(node):
            text = _told(node, edit)
            if text is None:
                continue
            tree = copy.deepcopy(whole)
            _put(tree.body[0], path, copy.deepcopy(edit))
            ast.fix_missing_locations(tree)
            seen[text] = seen.get(text, 0) + 1
            text += f" ({seen[text]})" if seen[text] > 1 else ""
            names = dict(function.__globals__)
            exec(compile(tree, f"<mutant of {function.__name__}>", "exec"), names)
            yield text, names[function.__name__]


def _places(node, path=()):
    """(path, node) of everything in a function's body that has a value or does one."""
    for name, value in ast.iter_fields(node):
        if name in ("args", "targets", "target", "decorator_list") and not path:
            continue
        children = value if isinstance(value, list) else [value]
        for i, child in enumerate(children):
            if not isinstance(child, ast.AST):
                continue
            step = (*path, (name, i if isinstance(value, list) else None))
            yield step, child
            yield from _places(child, step)


def _put(node, path, new):
    for name, i in path[:-1]:
        node = getattr(node, name) if i is None else getattr(node, name)[i]
    name, i = path[-1]
    if i is None:
        setattr(node, name, new)
    else:
        getattr(node, name)[i] = new


def _told(node, edit):
    """'`old` -> `new`', 'drop `old`', or None if it makes no difference at all."""
    edit = ast.fix_missing_locations(copy.deepcopy(edit))
    if ast.unparse(node) == ast.unparse(edit):
        return None
    old, new = (ast.unparse(n).splitlines()[0] for n in (node, edit))
    return f"drop `{old}`" if new == "pass" else f"`{old}` -> `{new}`"


class Overdue(BaseException):
    """A mutant takes too long."""


@contextmanager
def budget(seconds=BUDGET):
    """Stops what takes more processor time, on every input anew."""

    def stop(*_):
        raise Overdue

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def accepted(exercise, mutant):
    """Does the exercise's checker call the mutant right?"""
    with budget():
        return exercise.accepts(mutant)


def survivors(exercise):
    """{text: mutant} of the mutants that the exercise's checker accepts, in order."""
    found = mutants(exercise.reference)
    exercise.accepts(exercise.reference)  # what it does is kept, off the budget
    return {text: mutant for text, mutant in found if accepted(exercise, mutant)}


def differs(exercise, mutant, seeds=SEEDS):
    """The first further seed on whose cases the mutant is told; None if on none."""
    for seed in seeds:
        cases = exercise.cases(np.random.default_rng(seed))
        other = dataclasses.replace(
            exercise, cases=lambda _, cases=cases: cases, _known={}
        )
        if not accepted(other, mutant):
            return seed
    return None


def main(arguments=None):
    parser = argparse.ArgumentParser("python -m tests.reference_mutants")
    parser.add_argument("lessons", nargs="*", metavar="nNN", help="default: all")
    parser.add_argument("--all", action="store_true", help="every mutant")
    options = parser.parse_args(arguments)
    unknown = set(options.lessons) - set(LESSONS)
    if unknown:
        print(f"no lesson {', '.join(sorted(unknown))}", file=sys.stderr)
        return 1
    total = 0
    for name in options.lessons or LESSONS:
        lesson = importlib.import_module(f"trpo_lite.course.{name}")
        declared = equivalents(name)
        for exercise in lesson.exercises:
            known = declared.get(exercise.name, {})
            found = list(mutants(exercise.reference))
            kept = survivors(exercise)
            open_ = [text for text in kept if text not in known]
            total += len(open_)
            print(f"{name}.{exercise.name}: {len(found)} mutants, {len(open_)} survive")
            for text, _ in found:
                if text in open_:
                    print(f"    {text}")
                elif options.all:
                    note = f"same: {known[text]}" if text in known else "caught"
                    print(f"      ({note}) {text}")
    print(f"{total} survivors")
    return 0


def equivalents(name):
    """`EQUIVALENT` of `tests/answers/nNN.py`; {} without such a file."""
    path = Path(__file__).parent / "answers" / f"{name}.py"
    if not path.exists():
        return {}
    module = importlib.import_module(f"tests.answers.{name}")
    return getattr(module, "EQUIVALENT", {})


if __name__ == "__main__":
    sys.exit(main())
