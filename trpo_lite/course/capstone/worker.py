"""Judge one file, in a process of its own: `python -m ....worker`.

Reads a request, as JSON, from standard input, and writes what happens line by line to
the file that it names. The file under test may print, loop for ever or end the process:
`run.py` watches, and starts another worker for what is left.
"""

import contextlib
import json
import os
import signal
import sys
import threading
import time
import types
from pathlib import Path

from trpo_lite.course.capstone import solution
from trpo_lite.course.capstone.pieces import pieces
from trpo_lite.course.capstone.run import READING
from trpo_lite.course.capstone.tasks import TASKS
from trpo_lite.course.outcome import Heard, one_line, undisturbed

SEEDS = 3  # tried of each task, until one is enough


class Report:
    """Writes events, and watches the time that each piece takes."""

    def __init__(self, target, path, limits):
        self.file = open(target, "a", encoding="utf-8")  # noqa: SIM115
        self.path, self.limits = path, limits
        self.lock, self.main = threading.Lock(), threading.get_ident()
        self.name, self.began = None, None
        threading.Thread(target=self._watch, daemon=True).start()

    def say(self, **event):
        with self.lock:
            self.file.write(json.dumps(event) + "\n")
            self.file.flush()

    def begin(self, name, limit):
        self.name, self.limit = name, self.limits[limit]
        self.say(begin=name)
        self.began = time.process_time(), time.monotonic()

    def end(self, kind, text, details=()):
        self.began = None
        self.say(end=self.name, kind=kind, text=text, details=list(details))

    def _watch(self):
        while True:
            time.sleep(0.1)
            began = self.began
            if began is None:
                continue
            spent = too_much(
                time.process_time() - began[0], time.monotonic() - began[1], self.limit
            )
            if spent:
                where = self._where(sys._current_frames().get(self.main))
                text = f"it ran for more than {spent}{where}."
                self.say(end=self.name, kind="retry", text=text, details=[], stuck=True)
                os._exit(1)

    def _where(self, frame):
        while frame is not None and frame.f_code.co_filename != str(self.path):
            frame = frame.f_back
        return "" if frame is None else ", now in " + at(self.path, frame.f_lineno)


def too_much(busy, waited, limit):
    """The time spent in words if it is too much, else ''.

    The limit is one of processor time, since others may use the machine, too; what
    waits and does nothing has ten times that.
    """
    if busy > limit:
        return f"{limit:g} seconds of processor time"
    return f"{10 * limit:g} seconds" if waited > 10 * limit else ""


def at(path, number):
    """'line 12: `while True:`' of a file."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        return f"line {number}: `{lines[number - 1].strip()}`"
    except (OSError, IndexError):
        return f"line {number}"


def read(path, heard):
    """(the file's names, '') or (None, why it can't be read)."""
    module = types.ModuleType(path.stem)
    module.__file__ = str(path)
    sys.modules[path.stem] = module
    sys.path.insert(0, str(path.parent))
    try:
        with undisturbed(heard):
            exec(compile(path.read_bytes(), str(path), "exec"), vars(module))
    except SyntaxError as error:
        line = f"line {error.lineno}"
        text = (error.text or "").strip()
        shown = f"{line}: `{text}`" if text else line
        return None, f"Python can't read it: {error.msg} ({shown})."
    except OSError as error:
        return None, f"it can't be opened: {one_line(error)}."
    except BaseException as error:
        return None, f"it ends while it is read{place(error, path)}: {one_line(error)}."
    return vars(module), ""


def place(error, path):
    """' (line 3: `import torch`)', the last line of the file that ran."""
    trace, number = error.__traceback__, None
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            number = trace.tb_lineno
        trace = trace.tb_next
    return "" if number is None else f" ({at(path, number)})"


class Names:
    """The reader's functions, with the solution's in place of those not yet right."""

    def __init__(self, names):
        self.own = {n: names.get(n, ...) for piece in pieces for n in piece.names}
        places = [names, *(getattr(f, "__globals__", names) for f in self.own.values())]
        # where the functions look for one another; also in modules of the reader's
        self.places = list({
            id(p): p for p in places if p is not vars(solution)
        }.values())  # fmt: skip

    def borrow(self, verdicts, judged=None):
        """Put them where the functions look; {name: function} of all."""
        now = {}
        for piece in pieces:
            own = piece is judged or verdicts.get(piece.name) == "ok"
            for name in piece.names:
                now[name] = self.own[name] if own else getattr(solution, name)
        for place in self.places:
            place.update(now)
        return now


def work(request):
    path = Path(request["path"])
    report = Report(request["target"], path, request["limits"])
    heard = Heard()
    report.begin(READING, "read")
    names, problem = read(path, heard)
    report.end("retry" if problem else "ok", problem, heard.lines())
    if problem:
        return
    found, verdicts = Names(names), dict(request["verdicts"])
    wanted = request["only"]
    for piece in pieces:
        if piece.name in verdicts or (wanted and not {*piece.names} & {*wanted}):
            continue
        report.begin(piece.name, "piece")
        functions = found.borrow(verdicts, piece)
        kind, text, details = piece.judge(functions)
        verdicts[piece.name] = kind
        report.end(kind, text, details)
    if request["tasks"]:
        for task in TASKS:
            if task.env_id not in verdicts:
                report.begin(task.env_id, "task")
                report.end(*played(task, found.borrow(verdicts), path, request["seed"]))
    report.say(done=True)


def played(task, functions, path, seed):
    """(kind, text, details) of a task; a run can have bad luck, so it has three."""
    if not task.there:
        return "skip", f"{task.needs} isn't installed.", ()
    heard, before = Heard(), []
    for k in range(seed, seed + SEEDS):
        try:
            with undisturbed(heard):
                score = task.run(functions, k)
        except BaseException as error:
            text = f"it stops{place(error, path)}: {one_line(error)}."
            return "retry", text, heard.lines()
        text = f"mean return {score:.1f} of 100 episodes, {task.goal:g} to beat"
        if score >= task.goal:
            break
        before.append(f"seed {k} {score:.1f}")
    kind = "ok" if score >= task.goal else "retry"
    return kind, f"{text}{tried(before)}.", heard.lines()


def tried(before):
    return f" ({', '.join(before)})" if before else ""


if __name__ == "__main__":
    with contextlib.suppress(ValueError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # run.py ends this process
    request = json.load(sys.stdin)
    sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115
    work(request)
