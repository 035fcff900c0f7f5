"""Check a file of one's own: `python -m trpo_lite.course capstone my_trpo.py`."""

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from trpo_lite._terminal import Parser, say
from trpo_lite.files import write

PROG = "python -m trpo_lite.course capstone"
LIMITS = {"read": 20.0, "piece": 20.0, "task": 600.0}  # seconds of processor
READING = "reading the file"
STARTER = Path(__file__).with_name("starter.py")


@dataclass(frozen=True)
class Verdict:
    """What is said of a piece, or of a task."""

    name: str
    kind: str  #: ok, todo, retry or skip
    text: str
    details: tuple[str, ...] = ()

    def lines(self):
        return [
            f"[{self.kind}] {self.name}: {self.text}",
            *(f"    {line}" for line in self.details),
        ]


def start(path):
    """Write the starter file, unless there is something already; is it new?"""
    path = Path(path)
    text = STARTER.read_text(encoding="utf-8").replace("THIS_FILE.py", path.name)
    try:
        if not path.exists():
            write(path, text.encode(), overwrite=False)
            return True
    except FileExistsError:  # since this moment
        pass
    return False


def judge(path, only=(), tasks=False, seed=0, limits=LIMITS):
    """Yield a `Verdict` for each piece as soon as there is one.

    The file runs in processes of its own. What loops for ever or ends its process
    costs that one piece: the next worker goes on behind it.
    """
    verdicts = {}
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "events"
        while True:
            target.write_text("", encoding="utf-8")
            request = dict(
                path=str(Path(path).resolve()), target=str(target), only=list(only),
                tasks=tasks, seed=seed, limits=limits,
                verdicts={v.name: v.kind for v in verdicts.values()},
            )  # fmt: skip
            begun, done = None, False
            for event in events(request, target, Path(folder) / "errors"):
                begun = event.get("begin", begun)
                done = done or "done" in event
                if "end" in event:
                    begun = None
                    verdict = Verdict(
                        event["end"], event["kind"], event["text"],
                        tuple(event["details"]),
                    )  # fmt: skip
                    if verdict.name == READING:
                        if verdict.kind != "ok" or (verdict.details and not verdicts):
                            yield verdict
                        if verdict.kind != "ok":
                            return
                    else:
                        verdicts[verdict.name] = verdict
                        yield verdict
            if done:
                return
            if begun is not None:
                verdict = Verdict(begun, "retry", ended(Path(folder) / "errors"))
                verdicts[begun] = verdict
                yield verdict
                if begun == READING:
                    return
            elif not verdicts:
                text = "the check could not begin" + ended(Path(folder) / "errors")
                yield Verdict(READING, "retry", text)
                return


def ended(errors):
    """Why a worker that said nothing more may have ended."""
    lines = errors.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    last = f" ({lines[-1][:150]})" if lines else ""
    return f"Python itself ended here{last}: os._exit(), or no memory left?"


def events(request, target, errors):
    """What a worker writes, until it ends; it is ended if nobody listens any more."""
    root = str(Path(__file__).resolve().parents[3])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    environment.setdefault("OPENBLAS_NUM_THREADS", "1")
    with open(errors, "w", encoding="utf-8") as trouble:
        worker = subprocess.Popen(
            [sys.executable, "-m", "trpo_lite.course.capstone.worker"],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=trouble,
            env=environment,
        )  # fmt: skip
        try:
            worker.stdin.write(json.dumps(request).encode())
            worker.stdin.close()
            with open(target, encoding="utf-8") as file:
                ended, part = False, ""
                while True:
                    text = file.read()
                    *whole, part = (part + text).split("\n")
                    yield from map(json.loads, whole)
                    if not text:
                        if ended:
                            return
                        ended = worker.poll() is not None
                        if not ended:
                            time.sleep(0.02)
        finally:
            worker.kill()
            worker.wait()


def check(path, *, only=(), tasks=False, seed=0):
    """Print what is done, what is wrong and what is missing in a file."""
    path = Path(path)
    problem = unfit(path)
    if problem:
        say(f"[todo] {problem}")
    else:
        checked(path, only, tasks, seed)


def checked(path, only, tasks, seed):
    """Print it; is all done?"""
    found = []
    for verdict in judge(path, only, seed=seed):
        if verdict.name == READING:
            tell(verdict, path)
            if verdict.kind != "ok":
                return False
            continue
        found.append(verdict)
        say("\n".join(verdict.lines()))
    return summary(path, found, only, tasks, seed)


def tell(verdict, path):
    """What there is to say about the reading of the file."""
    if verdict.kind == "ok":
        say(f"{path.name} prints while it is read; a run belongs under")
        say('`if __name__ == "__main__":`. It printed:')
    else:
        say(f"[retry] {path.name}: {verdict.text}")
    for line in verdict.details:
        say(f"    {line}")


def unfit(path):
    """Why there is no such file to check; '' if there is."""
    if path.is_dir():
        return f"{path} is a folder: give the name of a file."
    if path.suffix != ".py":
        return f"{path}: give it a name that ends in .py."
    if not path.exists():
        return (
            f"there is no {path.name} yet.\n"
            f'    capstone.start("{path.name}") writes one to begin with.'
        )
    return ""


def summary(path, found, only, tasks, seed):
    done = [v for v in found if v.kind == "ok"]
    left = [v for v in found if v.kind != "ok"]
    say(f"pieces done: {len(done)} of {len(found)}")
    if left:
        say(f"borrowed from the solution meanwhile: {len(left)}")
        first = next((v for v in left if v.kind == "retry"), left[0])
        say(f"next: {first.name}; a hint: `{PROG} {path.name} --hint {first.name}`")
    if only or (left and not tasks):
        return not left
    if not left and not tasks:
        say("now the tasks, which take a minute:")
    fine = True
    known = [v.name for v in found]
    for verdict in judge(path, tasks=True, seed=seed):
        if verdict.name not in known and verdict.name != READING:
            say("\n".join(verdict.lines()))
            fine = fine and verdict.kind in ("ok", "skip")
    return fine and not left


def main(arguments=None):
    """The command; 0 if all is right, 1 if something is left, 2 for a wrong call."""
    from trpo_lite.course.capstone.pieces import pieces, source_of

    known = {name: piece for piece in pieces for name in piece.names}
    parser = Parser(
        PROG,
        description="Check a TRPO of your own, piece by piece. If FILE doesn't exist, "
        "one to begin with is written. It is never overwritten.",
        epilog="Pieces: " + ", ".join(piece.name for piece in pieces),
    )
    parser.add_argument("file", metavar="FILE", type=Path, help="such as my_trpo.py")
    parser.add_argument("--only", nargs="+", metavar="PIECE", default=(),
                        choices=known, help="check these alone")  # fmt: skip
    parser.add_argument("--tasks", action="store_true",
                        help="play the tasks even if pieces are missing")  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, help="of the tasks (default: 0)")
    parser.add_argument("--hint", action="append", metavar="PIECE", choices=known,
                        help="a hint; --hint cg --hint cg: a stronger one")  # fmt: skip
    parser.add_argument("--solution", metavar="PIECE", choices=known,
                        help="show the solution's functions")  # fmt: skip
    options = parser.parse_args(arguments)
    if options.hint:
        for name in dict.fromkeys(options.hint):
            hints = known[name].exercise.hints
            for hint in hints[: options.hint.count(name)]:
                say(f"{name}: {hint}")
        return 0
    if options.solution:
        say(source_of(known[options.solution].names))
        return 0
    path = options.file
    if path.suffix == ".py" and not path.exists():
        start(path)
        say(f"{path} is written. Fill in the functions and call this again.")
        return 0
    if path.suffix != ".py" or path.is_dir():
        parser.error(unfit(path))
    whole = checked(path, options.only, options.tasks, options.seed)
    return 0 if whole else 1
