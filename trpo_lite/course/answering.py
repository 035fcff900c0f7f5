"""A process of its own in which a submission's code runs, and how to talk to it.

The grader sends requests (pickles, which the process trusts) and gets JSON back: plain
data, which the grader can read without running anything of the submission's. What the
code prints goes nowhere. The verdict is the grader's, from the numbers that an answer
gives; neither printing "[ok]" nor changing the checker in this process changes it.

This is no sandbox: the code has the rights of who runs the grader. It can read and
delete files, and use the network. The limits guard against accidents.
"""

import ast
import base64
import contextlib
import importlib
import inspect
import json
import linecache
import os
import pickle
import queue
import signal
import struct
import subprocess
import sys
import threading
import types
import warnings
from pathlib import Path

import numpy as np

from trpo_lite.course import needed, outcome
from trpo_lite.course.outcome import BLANK, NOTHING, WITHIN, Form, Heard, Odd, Outcome

LARGEST = 2**26  # bytes of a message
MOST = 2000  # characters of a text in it
FILE = 2**22  # bytes of a file that the code may write
UNREADABLE = "what its process sends cannot be read"
HEAD = struct.Struct(">Q")
PACKAGE = Path(__file__).resolve().parents[2]


class Lost(Exception):
    """The process doesn't answer; the message says why."""


class Process:
    """The grader's end: start a process, ask it, end it.

    folder : where it runs. seconds, megabytes : limits of one answer's time and of the
        memory. `unlimited` names what the system lets nobody limit.
    """

    def __init__(self, folder, seconds, megabytes):
        paths = [str(PACKAGE), os.environ.get("PYTHONPATH", "")]
        settings = {
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            "PYTHONHASHSEED": "0",
            "PYTHONDONTWRITEBYTECODE": "1",
            "MPLBACKEND": "Agg",
            # each process has one core; and a pool of threads takes address space
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
            "MKL_NUM_THREADS": "1",
        }
        self.seconds, self.ending, self.how = seconds, threading.Lock(), ""
        code = f"from {serve.__module__} import serve; serve()"
        self.process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env=os.environ | settings,
            start_new_session=True,
        )
        # its imports are not the answer's time
        self.unlimited = self.ask("limit", (seconds, megabytes), 120)

    def ask(self, verb, arguments, seconds):
        """What `Desk` replies; raises Lost, and then the process has ended."""
        try:
            return self._ask(pickle.dumps((verb, arguments)), seconds)
        except Lost:
            self.end()
            raise

    def _ask(self, request, seconds):
        box = queue.SimpleQueue()
        # a thread, since nothing else ends a read on every system
        self.worker = threading.Thread(
            target=lambda: box.put(self._exchange(request)), daemon=True
        )
        self.worker.start()
        try:
            reply = box.get(timeout=max(seconds, 0.01))
        except queue.Empty:
            raise Lost(f"it takes more than {self.seconds:g} s") from None
        if reply is None:
            raise Lost(self.end())
        if "reply" not in reply:
            raise Lost(str(reply.get("lost")))
        return reply["reply"]

    def _exchange(self, request):
        """The reply as a dict; None if there is none."""
        try:
            _send(self.process.stdin, request)
            reply = json.loads(_receive(self.process.stdout))
        except (OSError, EOFError):
            return None
        except (ValueError, RecursionError, MemoryError):
            return {"lost": UNREADABLE}
        finally:
            if self.how:  # one that fled held the pipe until now
                self._close()
        return reply if isinstance(reply, dict) else {"lost": UNREADABLE}

    def end(self):
        """End the process and all that it started; how it had ended, as text."""
        with self.ending:
            if self.how:  # its number may be another's by now
                return self.how
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except (AttributeError, OSError):  # Windows; gone
                self.process.kill()
            code = self.process.wait()
            how = f"was ended by signal {-code}"
            if code >= 0:
                how = f"ended with exit code {code}"
            self.how = f"its process {how}"
        self.worker.join(1)
        if not self.worker.is_alive():
            self._close()
        return self.how

    def _close(self):
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):  # what was not yet sent is lost
                pipe.close()


def _send(stream, content):
    stream.write(HEAD.pack(len(content)) + content)
    stream.flush()


def _receive(stream):
    (size,) = HEAD.unpack(_exactly(stream, HEAD.size))
    if size > LARGEST:
        raise ValueError(f"a message of {size} bytes")
    return _exactly(stream, size)


def _exactly(stream, size):
    content = stream.read(size)
    if len(content) < size:
        raise EOFError
    return content


# the other end


def serve():
    """Answer requests on standard input until it is closed."""
    requests, replies = (os.fdopen(os.dup(n), m) for n, m in ((0, "rb"), (1, "wb")))
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    warnings.simplefilter("ignore")
    own, desk = os.getpid(), Desk()
    while True:
        verb, arguments = pickle.loads(_receive(requests))
        try:
            content = {"reply": getattr(desk, verb)(*arguments)}
        except BaseException as error:
            content = {"lost": outcome.one_line(error)}
        if os.getpid() != own:  # the code has forked: only the first process replies
            os._exit(0)
        content = json.dumps(content).encode()
        if len(content) > LARGEST:
            content = json.dumps({"lost": "what it returns is too large"}).encode()
        _send(replies, content)


class Desk:
    """What the process can be asked to do; each method is a request."""

    def limit(self, seconds, megabytes):
        """Limit this process; the names of what can't be limited here."""
        try:
            import resource
        except ImportError:
            return ["memory", "the size of files", "the number of processes"]
        limits = {
            "memory": ("RLIMIT_AS", megabytes * 2**20),
            "the size of files": ("RLIMIT_FSIZE", FILE),
            "the number of processes": ("RLIMIT_NPROC", 0),
            # if the grader ends first, this ends a loop
            "processor time": ("RLIMIT_CPU", int(20 * seconds) + 60),
            "core dumps": ("RLIMIT_CORE", 0),
        }
        failed = []
        for name, (kind, value) in limits.items():
            try:
                kind = getattr(resource, kind)
                _, hard = resource.getrlimit(kind)
                if hard != resource.RLIM_INFINITY:
                    value = min(value, hard)
                resource.setrlimit(kind, (value, value))
            except (AttributeError, OSError, ValueError):
                failed.append(name)
        if os.geteuid() == 0:
            failed.append("the number of processes, for root")
        return failed

    def read(self, cells):
        """Read the code cells; (number, reason) of those that can't be read."""
        self.cells = cells
        self.found, broken = needed.statements(cells)
        return list(broken.items())

    def lessons(self):
        return needed.lessons(self.found)

    def attempts(self, exercise):
        """{count: how many answers to `exercise` there are, functions: all defined}."""
        nodes = [s.node for s in self.found]
        functions = [n.name for n in nodes if isinstance(n, ast.FunctionDef)]
        count = len(needed.attempts(self.found, exercise))
        return {"count": count, "functions": functions}

    def take(self, lesson, exercise, attempt, everything):
        """Run what an answer needs, or all that stands above it too, and take it.

        {failed: cell and error of the statements that failed, doubtful: as in `needed`,
        kind: function, callable, blank, value or the error that came instead, source:
        the function's, if it is to be had}
        """
        module = importlib.import_module(f"trpo_lite.course.{lesson}")
        self.to_array = getattr(module, exercise).to_array
        place, expression = needed.attempts(self.found, exercise)[attempt]
        chosen = needed.needed(self.found, place, expression)
        doubtful = needed.doubtful(self.found, chosen)
        if everything:
            chosen = sorted({*chosen, *range(place + 1)})
        names, failed = fresh_names(), []
        expression = ast.fix_missing_locations(ast.Expression(expression))
        expression = compile(expression, "answer", "eval")
        taken, kind, source = False, "", ""
        # what stands below gives the answer names, but is no other answer
        for i in sorted({*chosen, place}):
            if i in chosen:
                failed += self._run(self.found[i], names)
            if i >= place and not taken:
                try:
                    self.function = eval(expression, names)
                    taken, (kind, source) = True, described(self.function)
                except BaseException as error:
                    kind = outcome.one_line(error)
        reply = {"failed": failed, "doubtful": doubtful}
        return reply | {"kind": kind, "source": source}

    def _run(self, statement, names):
        """Run a statement; [] or what fails, as its cell and the error."""
        name = f"cell {statement.cell}"
        lines = self.cells[statement.cell - 1].splitlines(keepends=True)
        linecache.cache[name] = (1, None, lines, name)
        try:
            exec(compile(ast.Module([statement.node], []), name, "exec"), names)
        except BaseException as error:
            return [(statement.cell, outcome.one_line(error))]
        return []

    def call(self, case, names, like):
        """What the answer does with `case`, packed; see `outcome.run`."""
        return packed(outcome.run(self.function, case, names, like, self.to_array))


def fresh_names():
    """The names in which a notebook starts, those of a new module `__main__`."""
    sys.modules["__main__"] = main = types.ModuleType("__main__")
    main.display = lambda *_, **__: None  # IPython has it there
    return vars(main)


def described(answer):
    """(kind, source) of an answer; see `Desk.take`."""
    if inspect.isfunction(answer):
        tree = outcome.tree_of(answer)
        source = ast.unparse(tree) if tree else ""
        return "function", source
    kind = "blank" if answer is Ellipsis else "value"
    return "callable" if callable(answer) else kind, ""


def packed(one):
    """An `Outcome` as plain data for JSON, without its result as such."""
    parts = [(label, _packed_part(part)) for label, part in one.form.parts.items()]
    heard = one.heard
    return {
        "form": [one.form.kind, parts],
        "texts": [one.error, one.where, one.changed],
        "heard": [heard.head, heard.ends, heard.open],
    }


def _packed_part(part):
    if isinstance(part, Odd):
        return [part.text]
    content = base64.b64encode(part.tobytes()).decode()
    return [part.dtype.str, part.shape, content]


def unpacked(data, case):
    """The `Outcome` that was packed; Lost if the data are of another form."""
    try:
        kind, parts = data["form"]
        form = Form(str(kind), {str(k): _unpacked_part(*part) for k, part in parts})
        error, where, changed = (str(text)[:MOST] for text in data["texts"])
        head, ends, is_open = data["heard"]
        heard = Heard()
        heard.head, heard.ends, heard.open = str(head)[:MOST], int(ends), bool(is_open)
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        raise Lost(UNREADABLE) from problem
    result = None
    if form.plain:
        values = {k: part[()] for k, part in form.parts.items()}
        result = values if form.kind == "dict" else types.SimpleNamespace(**values)
    return Outcome(case, result, form, error, where, changed, heard)


def _unpacked_part(text, shape=None, content=""):
    if shape is None:
        known = {odd.text: odd for odd in (NOTHING, BLANK, WITHIN)}
        return known.get(text) or Odd(str(text))
    dtype = np.dtype(text)
    if dtype.kind not in "biufcU":
        raise ValueError(f"an array of dtype {dtype}")
    array = np.frombuffer(base64.b64decode(content), dtype)
    return array.reshape(shape).copy()
