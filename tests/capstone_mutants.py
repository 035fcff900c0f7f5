"""Every small change of page 18's solution must be told from it, piece by piece.

    python -m tests.capstone_mutants [NAME ...]      the mutants that a check accepts

The changes are those of `tests.reference_mutants`, in a piece's functions and in the
helpers that they call. `tests.capstone_same.py` declares those that are the same
function, as EQUIVALENT.
"""

import argparse
import inspect
import sys

from tests.reference_mutants import budget, mutants
from trpo_lite.course.capstone import solution
from trpo_lite.course.capstone.pieces import helpers_of, pieces

SECONDS = 3.0  # of processor, for one mutant on one input


def changed(piece):
    """('function: what is changed', {name: function}) of every mutant of a piece."""
    for name in (*helpers_of(piece.names), *piece.names):
        for text, mutant in mutants(getattr(solution, name)):
            made = mutant.__globals__
            for other in piece.names:
                if other != name:
                    exec(inspect.getsource(getattr(solution, other)), made)
            yield f"{name}: {text}", {other: made[other] for other in piece.names}


def accepted(piece, functions):
    """Does the piece's check call these functions right?"""
    with budget(SECONDS):
        return piece.exercise.accepts(piece.answer(functions))


def survivors(piece):
    """The texts of the mutants that the check of a piece accepts."""
    return [text for text, made in changed(piece) if accepted(piece, made)]


def main(arguments=None):
    parser = argparse.ArgumentParser("python -m tests.capstone_mutants")
    parser.add_argument("names", nargs="*", metavar="NAME", help="default: all")
    names = parser.parse_args(arguments).names
    from tests.capstone_same import EQUIVALENT

    total = 0
    for piece in pieces:
        if names and piece.name not in names:
            continue
        known = EQUIVALENT.get(piece.name, {})
        kept = [text for text in survivors(piece) if text not in known]
        total += len(kept)
        print(f"{piece.name}: {len(kept)} survive")
        for text in kept:
            print(f"    {text}")
    print(f"{total} survivors")
    return 0


if __name__ == "__main__":
    sys.exit(main())
