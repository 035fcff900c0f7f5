"""The exercise engine: check, case, hint, solution, progress.

`check` prints one line, and where it helps the input and the first entry that differs:

    [todo]  untouched: the code is still the stub's
    [retry] the likely cause
    [ok]    right on every input

It never raises: whatever the answer does becomes text, an interruption too.
"""

import inspect
import os
import re
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from trpo_lite.course import outcome
from trpo_lite.course.compare import (
    Comparison,
    agree,
    difference,
    differing,
    fits,
    misfit,
    pattern,
    same,
)
from trpo_lite.course.progress import show


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
    invariants : functions (arguments, result) -> None, or what is broken as text. They
        explain; an answer within the tolerance is right whatever they say.
    tolerance : largest error, relative to the largest entry expected; None if the
        answer is not unique: then the form is compared and the invariants decide.
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
    _known: dict = field(default_factory=dict, repr=False, compare=False)

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
        try:
            kind, text, details = self.judge(answer)
        except KeyboardInterrupt as error:
            where = outcome.line_of(error, answer)
            kind, text, details = "retry", f"interrupted{where}.", ()
        except Exception as error:
            error = outcome.one_line(error)
            kind, text, details = "retry", f"the check cannot judge it: {error}.", ()
        if kind == "ok":
            self._state["done"] = True
        print(f"[{kind}] {self.name}: {text}")
        for line in details:
            print(f"    {line}")

    def case(self, k):
        """The arguments of input k, as a tuple of copies to try an answer on."""
        cases = self._cases()
        if not isinstance(k, int) or not 0 <= k < len(cases):
            raise ValueError(f"{self.name} has inputs 0 to {len(cases) - 1}, got {k!r}")
        return outcome.copies(cases[k])

    def hint(self):
        """Print the first hint, then the next, stronger one; the last one repeats."""
        shown = min(self._state.get("hints", 0) + 1, len(self.hints))
        self._state["hints"] = shown
        print(f"hint {shown} of {len(self.hints)}: {self.hints[shown - 1]}")

    def solution(self):
        """Show the reference, the very function that `check` compares with.

        In an exam, where TRPO_LITE_ASK names somebody, only whom to ask for it.
        """
        keeper = os.environ.get("TRPO_LITE_ASK")
        if keeper:
            print(f"{self.name}: ask {keeper} for the solution.")
            return
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

    def accepts(self, answer):
        """Is `answer` right on every input? Stops at the first that is wrong."""
        pairs = zip(self._cases(), self._outcomes(self.reference), strict=True)
        return all(self._right(self._run(answer, c, e.form), e) for c, e in pairs)

    def judge(self, answer):
        """(kind, text, details) of what `check` prints: kind is todo, retry or ok."""
        if answer is Ellipsis or outcome.same_code(answer, self.stub):
            return "todo", "not attempted yet.", ()
        if not callable(answer):
            text = (
                f"check wants the function itself: {self.name}, not {self.name}(...)."
            )
            return "retry", text, ()
        cases, expected = self._cases(), self._outcomes(self.reference)
        came = [self._run(answer, c, e.form) for c, e in zip(cases, expected)]
        wrong = [k for k in range(len(cases)) if not self._right(came[k], expected[k])]
        if not wrong:
            heard = self._heard(came[0])
            return "ok", f"right on all {len(cases)} inputs.", heard
        data = Comparison(
            outcome.argument_names(self.reference, len(cases[0])),
            came,
            expected,
            self._close,
            lambda case: self._run(answer, case),
            lambda case: self._run(self.reference, case),
        )
        k, text = self._cause(answer, wrong, data)
        return "retry", text, self._details(k, data)

    def _cause(self, answer, wrong, data):
        """(the input that shows it, the likely cause) of a wrong answer."""
        came, tree = data.came, outcome.tree_of(answer)
        blanks = outcome.blanks(tree)
        blank = [k for k in wrong if came[k].blank]
        if blank or blanks:
            text = f"{blanks} blanks are" if blanks > 1 else "one blank is"
            return (blank or wrong)[0], f"{text} still `...`."
        # what the code shows comes first: it does the same as many another slip
        ran = [k for k in range(len(came)) if not came[k].error]
        nothing = [k for k in wrong if came[k].nothing]
        if nothing and nothing == ran:
            return nothing[0], self._nothing(tree, nothing, came)
        (idle, meant), end = outcome.idle(tree), outcome.ends_loop(tree)
        if idle:
            return wrong[0], f"the line `{idle}` keeps nothing: {meant}"
        if end and len(ran) == len(came):
            text = f"a `{end}` stands inside the loop, which so ends in its first turn."
            return wrong[0], text
        for name, mistake in self.mistakes.items():
            if same(came, self._outcomes(mistake), self._close):
                return wrong[0], f"{name}."
        if nothing:
            return nothing[0], self._nothing(tree, nothing, came)
        # an error or a changed argument says more than wrong numbers elsewhere
        for k in wrong:
            if came[k].error:
                return k, f"{came[k].error}{came[k].where}."
            if came[k].changed:
                name = came[k].changed
                return k, f"it changes its argument {name} in place: work on a copy."
        if same(came, self._outcomes(self.stub), self._close):
            return wrong[0], "it still gives what the untouched stub gives."
        return self._numbers(tree, wrong, data)

    def _nothing(self, tree, nothing, came):
        changed = came[nothing[0]].changed
        if changed:
            return (
                f"it changes its argument {changed} in place and returns nothing: "
                "work on a copy and return it."
            )
        some = any(not one.nothing and not one.error for one in came)
        where = f" on {len(nothing)} of {len(came)} inputs" if some else ""
        if not outcome.lacks_return(tree):
            return f"it returns None{where}: what stands behind `return` is None."
        if some:
            return f"it returns nothing{where}: a branch ends without `return`."
        if came[nothing[0]].heard.ends:
            return "it prints, but returns nothing: end with `return` and the result."
        return "it returns nothing: is the `return` missing?"

    def _numbers(self, tree, wrong, data):
        """(input, cause) of an answer that runs and gives something else."""
        fault = misfit(data.pairs, wrong, self._close)
        k = fault[0] if fault else wrong[0]
        if fault and (self.tolerance is not None or not fits(*data.pairs[k])):
            return k, fault[1]
        k = wrong[0]
        broken = self._broken(data.came[k])
        if self.tolerance is None:
            return k, broken
        part = differing(*data.pairs[k], self._close)
        needless = outcome.unused(outcome.tree_of(self.reference))
        unused = [n for n in outcome.unused(tree) if n not in needless]
        text = pattern(data, part) or broken
        if not text and unused:
            *most, last = unused
            many = f"arguments {', '.join(most)} and {last} are"
            one = f"argument {last} is"
            return k, f"the {many if most else one} never used."
        if not text and len(wrong) < len(data.came):
            n = len(data.came) - len(wrong)
            text = f"right on {n} of {len(data.came)} inputs, but not on this one."
        where = f"in {part}, " if part else ""
        names = data.expected[k].form.parts[part].dtype.kind == "U"
        return k, where + (text or f"the {'names' if names else 'numbers'} differ.")

    def _details(self, k, data):
        """The lines below the verdict: the entry, the input, what was printed."""
        one, right = data.pairs[k]
        entry = (
            ""
            if one.error or self.tolerance is None
            else difference(one, right, self._close)
        )
        given = ", ".join(map(outcome.given, data.names, right.case))
        if len(given) > 200:
            given = given[:200] + "…"
        between = ": " if entry.startswith("came") else ", "
        lines = [f"input {k}{between}{entry}"] if entry else []
        lines.append(f"lesson.{self.name}.case({k}) is {given}")
        return [*lines, *self._heard(one)]

    def _heard(self, one):
        lines = one.heard.lines()
        return ["it printed:", *(f"    {line}" for line in lines)] if lines else []

    @property
    def _close(self):
        return self.tolerance or 1e-8

    def _cases(self):
        """The inputs, made once: each run gets copies of its own."""
        if "cases" not in self._known:
            cases = [tuple(case) for case in self.cases(np.random.default_rng(0))]
            if len(cases) < 2:
                raise ValueError(f"{self.name}: cases must give two or more inputs")
            self._known["cases"] = cases
        return self._known["cases"]

    def _outcomes(self, function):
        """What the reference, the stub or a mistake does on every input; kept."""
        if function not in self._known:
            like = [None] * len(self._cases())
            if function is not self.reference:
                like = [e.form for e in self._outcomes(self.reference)]
            self._known[function] = [
                self._run(function, case, form)
                for case, form in zip(self._cases(), like, strict=True)
            ]
        return self._known[function]

    def _run(self, function, case, like=None):
        names = outcome.argument_names(self.reference, len(case))
        return outcome.run(function, case, names, like, self.to_array)

    def _right(self, one, expected):
        if one.error or one.changed:
            return False
        if self.tolerance is None:
            return not self._broken(one)
        return agree(one, expected, self.tolerance)

    def _broken(self, one):
        """What the first broken invariant says, or ''."""
        if not one.form.plain:
            return "the result is not made of numbers."
        for invariant in self.invariants:
            try:
                message = invariant(outcome.copies(one.case), one.usual)
            except Exception as error:
                message = f"the result cannot be used: {outcome.one_line(error)}"
            if message:
                text = str(message).rstrip(".:")
                return text if text.endswith("?") else f"{text}."
        return ""


@dataclass(frozen=True)
class Progress:
    """Called at a page's end: prints what is done, what is left and for how long.

    In the reader's copy of the course it shows that of all pages, too.
    """

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
        show({e.name: e.done for e in self.exercises})


@dataclass(frozen=True)
class Source:
    """Python source that a notebook shows as code and anything else as text."""

    text: str

    def __repr__(self):
        return self.text

    def _repr_markdown_(self):
        return f"```python\n{self.text}\n```"
