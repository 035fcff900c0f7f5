"""Points for a class: python -m trpo_lite.course grade SUBMISSIONS... --out grades.csv

SUBMISSIONS are notebooks, or folders with notebooks in them. The answers of each run in
a process of its own, on the page's inputs and on others, drawn from a seed that
students don't have. A right answer gives as many points as its exercise takes minutes,
any other none. An answer is what the notebook hands to lesson.NAME.check, or else the
function NAME; of several that are no longer the stub the last one counts. Of the page
only that runs which an answer uses; all above it only if something seems to be missing.
The CSV is written at the end, whole, with a row for each submission, whatever is wrong
with it. A run that was ended begins afresh. The processes keep accidents from the
grader, not malice: their code may read, write and delete what you may. Their time is
limited everywhere; memory, files and processes are not on Windows.
"""

import ast
import contextlib
import csv
import difflib
import functools
import html
import importlib
import importlib.util
import io
import itertools
import json
import linecache
import os
import secrets
import shutil
import sys
import tempfile
import threading
import time
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from trpo_lite._check import count, positive
from trpo_lite._terminal import Parser, say
from trpo_lite.course import outcome
from trpo_lite.course.answering import Lost, Process, unpacked
from trpo_lite.course.engine import Exercise
from trpo_lite.course.needed import UNREADABLE
from trpo_lite.files import check_writable, write

PROG = "python -m trpo_lite.course grade"
LARGEST = 50_000_000  # bytes of a notebook
LONGEST = 20_000  # characters of an answer's source
MOST = 10  # attempts at an exercise that are looked at
KINDS = ("function", "callable", "blank", "value")  # of an answer, see `Desk.take`
NUMBER = itertools.count()
# what runs in the grader itself changes what its threads share: standard output
HERE = threading.Lock()


@dataclass(frozen=True)
class Verdict:
    """One exercise of one submission.

    kind : ok, retry, todo, missing (no such function) or stopped (its process ended).
    text : the cause, as `check` words it. given : lines on the first input that shows
        it. printed : what the answer printed there. notes : what else went wrong.
    """

    exercise: str
    of: int
    kind: str
    text: str
    given: tuple = ()
    printed: tuple = ()
    notes: tuple = ()

    @property
    def points(self):
        return self.of if self.kind == "ok" else 0


@dataclass(frozen=True)
class Graded:
    """One submission; problem : why none of its answers was looked at, or ''."""

    path: Path
    page: str = ""
    verdicts: tuple = ()
    problem: str = ""
    seconds: float = 0.0

    @property
    def points(self):
        return sum(v.points for v in self.verdicts)

    @property
    def of(self):
        return sum(v.of for v in self.verdicts)


class Problem(Exception):
    """A submission of which nothing can be judged; the message says why."""


# one answer


class Asked(Exercise):
    """An exercise whose answers run elsewhere: those that have an `ask`."""

    def _run(self, answer, case, like=None):
        ask = getattr(answer, "ask", None)
        if ask is None:
            with HERE:
                return super()._run(answer, case, like)
        return ask(case, outcome.argument_names(self.reference, len(case)), like)


def asked(exercise, seed):
    """(the exercise on the page's inputs, the same on inputs from `seed`).

    The page's inputs judge the accuracy, which is of other sizes elsewhere; the others
    find an answer that fits the page's alone, with ten times the tolerance.
    """
    values = {f.name: getattr(exercise, f.name) for f in fields(exercise)}
    hidden = {
        "cases": lambda rng: exercise.cases(np.random.default_rng(seed)),
        "tolerance": exercise.tolerance and 10 * exercise.tolerance,
    }
    return tuple(
        Asked(**values | changes | {"_state": {}, "_known": {}})
        for changes in ({}, hidden)
    )


def stand_in(kind, source, ask):
    """What `Exercise.judge` gets in place of an answer that runs elsewhere.

    A function has the answer's source, to be searched and compared; it is never called.
    """
    if kind in ("blank", "value"):
        return ... if kind == "blank" else None
    function = _shell(source) or (lambda *arguments: None)
    function.ask = ask
    return function


def _shell(source):
    """The function of `source`, without running any part of it; None if it has none."""
    if len(source) > LONGEST:
        return None
    try:
        tree = ast.parse(source).body[0]
        if not isinstance(tree, ast.FunctionDef):
            return None
        vars(tree).update(decorator_list=[], returns=None)
        tree.args.defaults = [ast.Constant(None) for _ in tree.args.defaults]
        tree.args.kw_defaults = [ast.Constant(None) for _ in tree.args.kw_defaults]
        for node in ast.walk(tree.args):
            if isinstance(node, ast.arg):
                vars(node).update(annotation=None)
        text = ast.unparse(tree)
        place, names = f"<answer {next(NUMBER)}>", {}
        exec(compile(text, place, "exec"), names)
    except (*UNREADABLE, IndexError):
        return None
    linecache.cache[place] = (1, None, text.splitlines(keepends=True), place)
    return names[tree.name]


@np.errstate(all="ignore")
def judge(exercises, answer):
    """(kind, text, given, printed) of an answer; see `asked` and `Verdict`."""
    shown, hidden = exercises
    kind, text, details = shown.judge(answer)
    case = f"lesson.{shown.name}.case("
    if kind == "ok":
        kind, more, details = hidden.judge(answer)
        text = f"{text.rstrip('.')}, and on others."
        if kind != "ok":
            text = f"right on the page's inputs, but on others: {more}"
            details = [  # students can't have this case
                f"it was {d.partition(') is ')[2]}" if d.startswith(case) else d
                for d in details
            ]
    given = [d for d in details if d.startswith(("input ", "it was ", case))]
    return kind, text, tuple(given), tuple(d for d in details if d not in given)


# one submission


def code_cells(path):
    """The sources of a notebook's code cells; Problem if it is none."""
    if not path.exists():
        raise Problem("there is no such file")
    if not path.is_file():
        raise Problem("it is no file")
    if path.stat().st_size > LARGEST:
        raise Problem(f"it has more than {LARGEST:,} bytes")
    try:
        page = json.loads(path.read_bytes())
        cells = [c["source"] for c in page["cells"] if c["cell_type"] == "code"]
        return [c if isinstance(c, str) else "".join(c) for c in cells]
    except OSError as error:
        raise Problem(f"it cannot be opened: {error.strerror}") from None
    except (ValueError, RecursionError, MemoryError):
        raise Problem("it is no notebook: it cannot be read as JSON") from None
    except (KeyError, TypeError):
        raise Problem("it is no notebook: it has no list of cells") from None


class Sitting:
    """One submission's process; once it is lost the next `begin` starts another."""

    def __init__(self, cells, seconds, start):
        self.cells, self.seconds, self.start = cells, seconds, start
        self.folder = tempfile.mkdtemp(prefix="grade-")
        self.process, self.until, self.broken = None, 0.0, []

    def begin(self, verb, *arguments):
        """`ask`, with all the time that an answer may take from here on."""
        if self.process is None:
            self.process = self.start(self.folder)
            self.until = time.monotonic() + self.seconds
            self.broken = self.ask("read", self.cells)
        self.until = time.monotonic() + self.seconds
        return self.ask(verb, *arguments)

    def ask(self, verb, *arguments):
        """What the process replies; raises Lost."""
        if self.process is None:
            raise Lost("its process has ended")
        try:
            return self.process.ask(verb, arguments, self.until - time.monotonic())
        except Lost:
            self.end()
            raise

    def end(self):
        if self.process is not None:
            self.process.end()
            self.process = None

    def clear(self):
        """Remove what the submission wrote, as far as that can be done."""
        self.end()
        with contextlib.suppress(RecursionError):
            shutil.rmtree(self.folder, ignore_errors=True)


class Grader:
    """Grades one submission after the other, by the same seed and limits.

    seed : of the inputs that students don't have. limits : seconds for an answer,
    megabytes for its process. page : the only page that counts, as '03', or ''.
    """

    def __init__(self, seed, limits, page=""):
        self.seed, self.limits, self.page = seed, limits, page
        self.lesson = functools.cache(self._lesson)
        self.processes, self.stopped, self.unlimited = [], False, []

    def start(self, folder):
        """A `Process` in `folder`; Lost after `stop`."""
        if self.stopped:
            raise Lost("the grader was ended")
        process = Process(folder, *self.limits)
        self.processes.append(process)
        self.unlimited = process.unlimited
        return process

    def stop(self):
        """End all processes, and start no more."""
        self.stopped = True
        for process in self.processes:
            process.end()

    def grade(self, path):
        """The `Graded` submission; whatever is wrong with it is said in there."""
        start, page, verdicts, problem = time.monotonic(), "", (), ""
        try:
            sitting = Sitting(code_cells(path), self.limits[0], self.start)
            try:
                page = self._page(sitting.begin("lessons"))
                exercises = self.lesson(page)
                verdicts = tuple(self._verdict(sitting, page, e) for e in exercises)
            finally:
                sitting.clear()
        except (Problem, Lost) as error:
            problem = str(error)
        except Exception as error:
            problem = f"it cannot be judged: {outcome.one_line(error)}"
        seconds = time.monotonic() - start
        return Graded(path, page[1:], verdicts, problem, seconds)

    def _page(self, lessons):
        """The page of a submission that imports these lessons; raises Problem."""
        pages = [name for name in lessons if self.lesson(name)]
        if not pages:
            raise Problem("it is no page of the course: it imports no lesson")
        if self.page and f"n{self.page}" not in pages:
            raise Problem(f"it is page {pages[0][1:]}, not {self.page}")
        return f"n{self.page}" if self.page else pages[0]

    def _lesson(self, name):
        """The exercises of a lesson, as `asked` makes them; () if there are none."""
        module = f"trpo_lite.course.{name}"
        if importlib.util.find_spec(module) is None:
            return ()
        exercises = getattr(importlib.import_module(module), "exercises", ())
        return tuple(asked(exercise, self.seed) for exercise in exercises)

    def _verdict(self, sitting, page, exercises):
        """That of the first attempt which is more than the stub."""
        name, of, verdict = exercises[0].name, exercises[0].minutes, None
        try:
            about = sitting.begin("attempts", name)
            for attempt in range(min(about["count"], MOST)):
                verdict = self._attempt(sitting, page, exercises, attempt)
                if verdict.kind != "todo":
                    break
        except Lost as error:
            return Verdict(name, of, "stopped", f"{error}.")
        except Exception as error:  # what its process sends is of another form
            text = f"it cannot be judged: {outcome.one_line(error)}."
            return Verdict(name, of, "stopped", text)
        if verdict is None:
            kind, text = missing(name, about["functions"], sitting)
            verdict = Verdict(name, of, kind, text)
        return verdict

    def _attempt(self, sitting, page, exercises, attempt, everything=False):
        name, of = exercises[0].name, exercises[0].minutes
        taken = sitting.begin("take", page, name, attempt, everything)

        def ask(case, names, like):
            return unpacked(sitting.ask("call", case, names, like), case)

        if taken["kind"] in KINDS:
            answer = stand_in(taken["kind"], taken["source"], ask)
            verdict = Verdict(name, of, *judge(exercises, answer))
        else:
            verdict = Verdict(name, of, "retry", f"its cell fails: {taken['kind']}.")
        failed = [f"code cell {n} fails: {error}" for n, error in taken["failed"]]
        doubtful = taken["doubtful"] or failed
        if verdict.kind == "retry" and doubtful and not everything:
            with contextlib.suppress(Lost):
                return self._attempt(sitting, page, exercises, attempt, everything=True)
        notes = () if verdict.kind == "ok" else (*failed[:3], *unreadable(sitting))
        return replace(verdict, notes=notes)


def unreadable(sitting):
    broken = sitting.broken[:3]
    return [f"code cell {n} cannot be read: {reason}" for n, reason in broken]


def missing(name, functions, sitting):
    """(kind, text) for an exercise without an answer."""
    for cell, reason in sitting.broken:
        source = sitting.cells[cell - 1]
        if f"def {name}" in source or f".{name}.check" in source:
            return "retry", f"its cell cannot be read: {reason}."
    near = difflib.get_close_matches(name, functions, n=1)
    other = f"; {near[0]} is handed to no check" if near else ""
    return "missing", f"there is no function {name}{other}."


# what is written


def text_of(value):
    """Text that can be written in UTF-8: what is no letter is escaped."""
    return str(value).encode("utf-8", "backslashreplace").decode()


def table(results):
    """The CSV: a row for each submission, five columns for each of its exercises."""
    most = max((len(r.verdicts) for r in results), default=0)
    header = ["submission", "page", "points", "of", "problem"]
    for k in range(1, most + 1):
        columns = ("exercise", "verdict", "points", "cause", "input")
        header += [f"{column} {k}" for column in columns]
    lines = io.StringIO()
    rows = csv.writer(lines)
    rows.writerow(header)
    for r in results:
        row = [r.path, r.page, r.points, r.of, r.problem]
        for v in r.verdicts:
            row += [v.exercise, v.kind, v.points, v.text, "; ".join(v.given)]
        rows.writerow([_entry(value) for value in row])
    # Excel takes a file for UTF-8 only with this mark
    return lines.getvalue().encode("utf-8-sig")


def _entry(value):
    """A text that no spreadsheet takes for a formula."""
    if isinstance(value, int):
        return value
    text = text_of(value)
    return f"'{text}" if text.startswith(tuple("=+-@\t\r")) else text


PAGE = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ font: 1rem/1.5 sans-serif; max-width: 50rem; margin: 2rem auto; }}
pre {{ white-space: pre-wrap; }}
</style>
<h1>{title}</h1>
{body}
</html>
"""


def feedback(graded):
    """The page for those who handed it in, as HTML."""
    parts = [f"<p>{graded.points} of {graded.of} points</p>"]
    if graded.problem:
        parts = [f"<p>Nothing was judged: {html.escape(graded.problem)}.</p>"]
    for v in graded.verdicts:
        lines = "\n".join([*v.given, *v.printed, *v.notes])
        parts += [
            f"<h2>{v.exercise}: {v.points} of {v.of}</h2>",
            f"<p>[{v.kind}] {html.escape(v.text)}</p>",
        ]
        parts += [f"<pre>{html.escape(lines)}</pre>"] * bool(lines)
    title = html.escape(graded.path.name)
    return text_of(PAGE.format(title=title, body="\n".join(parts))).encode()


def collected(paths, out, feedback):
    """The files to grade: those named and, in folders named, all but hidden ones.

    Nor what the grader itself writes: the file `out`, the folder `feedback` or None.
    """
    found, own = {}, {os.path.abspath(p) for p in (out, feedback) if p}
    for path in paths:
        if not path.is_dir():
            found.setdefault(os.path.abspath(path), path)
        for folder, folders, names in os.walk(path):
            folders[:] = sorted(
                name
                for name in folders
                if not name.startswith((".", "__"))
                and os.path.abspath(Path(folder, name)) not in own
            )
            for name in sorted(names):
                file = Path(folder, name)
                if not name.startswith(".") and os.path.abspath(file) not in own:
                    found.setdefault(os.path.abspath(file), file)
    return list(found.values())


def places(paths, folder):
    """{path: its feedback page}, in folders as those of the submissions."""
    whole = {path: os.path.abspath(path) for path in paths}
    top = os.path.commonpath([os.path.dirname(file) for file in whole.values()])
    return {
        path: folder / f"{os.path.relpath(file, top)}.html"
        for path, file in whole.items()
    }


def graded(grader, paths, workers):
    """The `Graded` submissions as they come; ends all processes if it is ended."""
    pool = ThreadPoolExecutor(workers)
    waiting = {pool.submit(grader.grade, path) for path in paths}
    try:
        while waiting:
            # for ever, Windows would not hear Ctrl-C
            done, waiting = wait(waiting, timeout=1, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        grader.stop()
        pool.shutdown()


def main(arguments):
    _, details = __doc__.split("\n\n", 1)
    parser = Parser(PROG, description=details)
    parser.add_argument("submissions", nargs="+", metavar="SUBMISSIONS", type=Path)
    parser.add_argument("--out", required=True, metavar="FILE", type=Path)
    parser.add_argument("--overwrite", action="store_true", help="replace FILE")
    parser.add_argument(
        "--feedback", metavar="DIR", type=Path, help="write a page for each submission"
    )
    parser.add_argument("--seed", type=int, help="of the other inputs [drawn]")
    parser.add_argument("--page", default="", help="the only page that counts, as 03")
    parser.add_argument(
        "--time", type=float, default=20, metavar="S", help="seconds an answer [20]"
    )
    parser.add_argument(
        "--memory", type=int, default=1000, metavar="MB", help="of a process [1000]"
    )
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, help="at once [all cores]"
    )
    options = parser.parse_args(arguments)
    out, folder = options.out, options.feedback
    limits = positive("--time", options.time), count("--memory", options.memory)
    workers = count("--workers", options.workers)
    seed = secrets.randbits(32) if options.seed is None else options.seed
    if seed < 0:
        raise ValueError(f"--seed must not be negative, got {seed}")
    check_writable(out)
    if out.is_file() and not options.overwrite:
        raise FileExistsError(f"{out} is there already: give --overwrite to replace it")
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
    grader = Grader(seed, limits, options.page)
    if options.page and not grader.lesson(f"n{options.page}"):
        raise ValueError(f"--page {options.page}: there is no such page with exercises")
    paths = collected(options.submissions, out, folder)
    if not paths:
        raise FileNotFoundError("there is nothing to grade")
    pages = places(paths, folder) if folder else {}
    shown, results = sys.stderr, {}  # what a thread does to sys.stderr is not for here
    with contextlib.closing(graded(grader, paths, workers)) as coming:
        for one in coming:
            results[one.path] = one
            said = one.problem or f"{one.points} of {one.of} points"
            done = f"{len(results)} of {len(paths)}"
            say(f"{done}  {one.path}: {said}, {one.seconds:.1f} s", shown)
            if folder:
                hand_back(pages[one.path], one, shown)
    rows = table([results[path] for path in paths])
    try:
        write(out, rows, options.overwrite)
    except OSError as error:  # what took so long is at least shown
        say(rows.decode())
        raise OSError(f"{out}: not written, but printed: {error}") from None
    for name in grader.unlimited:
        say(f"not limited on this system: {name}", shown)
    many = f"{len(paths)} submission{'s' * (len(paths) > 1)}"
    say(f"{out}: {many}; --seed {seed} grades them so again")
    return 0


def hand_back(file, one, shown):
    """Write the feedback page; what keeps it from being written is only said."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write(file, feedback(one))
    except OSError as error:
        say(f"{file}: not written: {error.strerror or error}", shown)
