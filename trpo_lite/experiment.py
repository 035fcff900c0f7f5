"""Grids of runs, tasks x algorithms x seeds: in processes here, or on a cluster.

A grid is a JSON file with a list of blocks, each a product of its own:

    [{"tasks": ["Hopper-v5"], "algorithms": ["trpo", "npg"], "seeds": [20, 21, 22],
      "settings": {"delta": 0.05}, "label": "small"}]

`settings` (any of `trpo_lite.settings.Settings`) and `label` (which tells runs apart
that differ in their settings alone) may be left out. Each run is one seed, one file in
the grid's folder, written whole or not at all, and one command line, for clusters that
take those (`python -m trpo_lite experiment GRID --list`). A grid that was stopped goes
on where it stood.

All work goes through the interface `concurrent.futures.Executor`: a pool of processes,
one run in each, or whatever else has that interface, such as Dask's.

Two grids may share a folder. If one says other settings for a run that the other is
about to do, it is refused; if both say the same, both do that run and the first file
stays.
"""

import contextlib
import dataclasses
import functools
import json
import logging
import multiprocessing
import os
import queue
import re
import signal
import sys
import threading
import time
from collections import Counter
from concurrent.futures import BrokenExecutor, CancelledError, ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trpo_lite import _check
from trpo_lite._claims import claimed, difference
from trpo_lite._interrupts import held
from trpo_lite.files import check_writable, write
from trpo_lite.history import History, versions
from trpo_lite.settings import ALGORITHMS, Settings, settled
from trpo_lite.train import acts_discretely, check_batch, evaluate_policy, train

GRIDS = Path(__file__).parent / "grids"
BLOCK = ("tasks", "algorithms", "seeds", "settings", "label")
LABEL = "[A-Za-z0-9 ._+-]*"  # part of a file's name, on every system
DEFAULTS = dataclasses.asdict(Settings())
LONGEST = 300  # letters of a reason, which an exception may give on many pages


@dataclass(frozen=True)
class Run:
    """One run of a grid."""

    env_id: str
    algorithm: str
    seed: int
    settings: tuple = ()  #: pairs (name, value)
    label: str = ""

    @property
    def name(self):
        """The file's name, without its ending."""
        parts = [self.env_id.replace("/", "-").replace(":", "-"), self.algorithm]
        return "-".join([*parts, *([self.label] * bool(self.label)), str(self.seed)])


# ------------------------------------------------------------------------ reading grids


def read_grid(file_or_name):
    """The runs of a grid, a file's or one of the package's by its name.

    ValueError that says what is wrong, before anything runs: an unknown task,
    algorithm, setting or key, a seed that is none, a key or a run that stands there
    twice.
    """
    path = Path(file_or_name)
    named = GRIDS / f"{file_or_name}.json"
    if not path.is_file() and not named.is_file():
        known = ", ".join(sorted(p.stem for p in GRIDS.glob("*.json")))
        raise ValueError(
            f"grid {str(file_or_name)!r} is neither a file nor one of {known}"
        )
    path = path if path.is_file() else named
    try:
        text = path.read_text(encoding="utf-8-sig")  # some editors sign their files
        blocks = json.loads(text, object_pairs_hook=_each_key_once)
    except ValueError as problem:
        raise ValueError(f"{path} cannot be read as JSON: {problem}") from None
    if not (isinstance(blocks, list) and blocks):
        raise ValueError(f"{path} must hold a list of blocks {{...}}, found {blocks!r}")
    runs = []
    for i, block in enumerate(blocks):
        try:
            runs += _runs(block)
        except (TypeError, ValueError) as problem:
            raise ValueError(f"block {i}: {problem}") from None
    counts = Counter(run.name for run in runs)
    twice = sorted(name for name, count in counts.items() if count > 1)
    if twice:
        raise ValueError(f"{path} has runs that stand there twice: {', '.join(twice)}")
    return tuple(runs)


def _each_key_once(pairs):
    """The dict of `pairs`; ValueError where JSON would silently take the last."""
    counts = Counter(key for key, _ in pairs)
    for key, count in counts.items():
        if count > 1:
            raise ValueError(f"the key {key!r} stands {count} times in one {{...}}")
    return dict(pairs)


def _runs(block):
    """The runs of a block; TypeError or ValueError that says what is wrong with it."""
    if not isinstance(block, dict):
        raise ValueError(f"a block must be {{...}}, got {block!r}")
    for key in block:
        _check.one_of("key", key, BLOCK)
    for key in BLOCK[:3]:
        if not isinstance(block.get(key), list) or not block[key]:
            raise ValueError(f"{key} must be a list of some, got {block.get(key)!r}")
    settings, label = block.get("settings", {}), block.get("label", "")
    if not isinstance(settings, dict):
        raise ValueError(f"settings must be {{...}}, got {settings!r}")
    for name in settings:
        _check.one_of("setting", name, tuple(DEFAULTS))
    Settings(**settings)
    if not isinstance(label, str) or not re.fullmatch(LABEL, label):
        raise ValueError(
            "label must be of letters A to Z and a to z, digits, spaces and . _ + -, "
            f"got {label!r}"
        )
    for algorithm in block["algorithms"]:
        _check.one_of("algorithm", algorithm, ALGORITHMS)
    for seed in block["seeds"]:
        _check.count("seed", seed, least=0)
    for env_id in block["tasks"]:
        if not isinstance(env_id, str):
            raise ValueError(f"a task must be a string, got {env_id!r}")
        discrete = _acts_discretely(env_id)
        for algorithm in block["algorithms"]:
            check_batch(algorithm, settled(env_id, algorithm, discrete, settings))
    pairs = tuple(sorted(settings.items()))
    return [
        Run(env_id, algorithm, seed, pairs, label)
        for env_id in block["tasks"]
        for algorithm in block["algorithms"]
        for seed in block["seeds"]
    ]


#: each task is made once, however many runs it has
_acts_discretely = functools.cache(acts_discretely)


# ------------------------------------------------------------------------- doing a run


def perform(run, episodes=100):
    """Train and evaluate; the bytes of the run's file.

    A function of its own, of plain arguments, so that any executor can take it to
    another process or machine.
    """
    history = train(
        run.env_id,
        run.algorithm,
        seed=run.seed,
        progress=False,
        callback=lambda row, policy: _stop_if_given_up(),
        **dict(run.settings),
    )
    if history.stopped == "interrupted":
        raise RuntimeError("interrupted")

    def act(observations, rng):
        _stop_if_given_up()
        return history.policy.mode(observations)

    returns = evaluate_policy(
        run.env_id, history.policy, episodes, seed=run.seed, act=act
    )
    return history.with_evaluation(returns).content()


def _stop_if_given_up():
    """RuntimeError on a Dask worker if whoever wanted this run has left.

    Dask forgets such a run, but cannot end the thread that is at it.
    """
    if "distributed" not in sys.modules:
        return
    from distributed import get_worker

    try:
        worker = get_worker()
    except ValueError:  # not on a worker
        return
    task = worker.state.tasks.get(worker.get_current_task())
    if task is None or task.state == "cancelled":
        raise RuntimeError("given up")


def _told(run, episodes):
    """(`perform`'s bytes, ""), or (None, what went wrong).

    In words, since an exception may be one that ends the whole grid (SystemExit) or one
    that cannot be taken to another process.
    """
    try:
        return perform(run, episodes), ""
    except BaseException as problem:
        return None, _words(problem)


def _words(problem):
    words = " ".join(f"{type(problem).__name__}: {problem}".split())
    return words if len(words) <= LONGEST else words[: LONGEST - 3] + "..."


# ------------------------------------------------------------------------- doing a grid


@dataclass(frozen=True)
class Outcome:
    """How a run of the grid ended: with a file, or with a reason."""

    run: Run
    file: Path | None
    problem: str = ""


class Stopped(OSError):
    """No further run of the grid could be done or kept; what is there stays."""


def local_pool(workers):
    """Processes with one BLAS thread each, a new one for each run where Python can."""
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    context = multiprocessing.get_context("spawn")
    try:
        return ProcessPoolExecutor(
            workers, context, _end_with_parent, max_tasks_per_child=1
        )
    except TypeError:  # before Python 3.11
        return ProcessPoolExecutor(workers, context, _end_with_parent)


def _end_with_parent():
    """Let this process end when its parent does, in whatever way and in mid-run."""

    def watch():
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextlib.contextmanager
def dask_pool(address):
    """(executor, its threads) of the Dask cluster whose scheduler is at `address`.

    The threads are a function () -> count, since such a cluster may grow and shrink.
    """
    if not address.strip():
        raise ValueError(f"--scheduler must be an address, got {address!r}")
    try:
        from distributed import Client
    except ImportError:
        raise ValueError(
            "--scheduler needs Dask: python -m pip install distributed"
        ) from None
    try:
        client = Client(address, timeout=5)
    except OSError as problem:
        raise ValueError(f"no Dask scheduler answers at {address}: {problem}") from None
    # of a scheduler that has ended it prints tracebacks; we say that in a line
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
    with client:
        threads = lambda: sum(client.nthreads().values())  # noqa: E731
        yield client.get_executor(pure=False), threads


def finished(runs, folder, episodes=100):
    """{run: file} of those that stand in `folder`.

    ValueError if a file there is another run: in any setting, also of those that come
    from a preset, or in its episodes, which `train` alone does not play.
    """
    files = {run: _file(run, folder) for run in runs}
    found = {run: file for run, file in files.items() if file.exists()}
    for run, file in found.items():
        _refuse_another(run, file, episodes)
    return found


def _refuse_another(run, file, episodes):
    """ValueError unless `file` is what `perform(run, episodes)` makes."""
    try:
        history = History.load(file)
    except ValueError as problem:
        raise ValueError(f"{problem}: delete it, and its run is done again") from None
    if history.evaluation is None:
        raise ValueError(
            f"{file} is a run without the episodes that a grid plays at its "
            "end: choose another folder"
        )
    # what a file is too old to have was then as it is by default
    stored = DEFAULTS | history.settings | {"episodes": len(history.evaluation)}
    other = difference(stored, all_settings(run, episodes))
    if other:
        raise ValueError(
            f"{file} is a run with {other}: choose another folder or another label"
        )


def all_settings(run, episodes):
    """The dict of settings that `train` stores with a run, its preset's among them.

    And the episodes that are played at its end.
    """
    discrete = _acts_discretely(run.env_id)
    s = settled(run.env_id, run.algorithm, discrete, dict(run.settings))
    header = {"env_id": run.env_id, "algorithm": run.algorithm, "seed": run.seed}
    return header | dataclasses.asdict(s) | {"episodes": episodes}


def _other_versions(files):
    """Words "name number (here number)" of packages that made `files`, if not ours."""
    here, made_by = versions(), [History.load(file).versions for file in files]
    return sorted(
        {
            f"{name} {number} (here {here[name]})"
            for of in made_by
            for name, number in of.items()
            if here.get(name, number) != number
        }
    )


def _file(run, folder):
    return Path(folder) / f"{run.name}.npz"


def run_grid(runs, folder, pool, workers=1, report=print, interval=60, episodes=100):
    """Do the runs that are not done yet; the outcomes of all, in the order of `runs`.

    Parameters
    ----------
    folder : where the files are and go; made if it isn't there; OSError before the
        first run if one of the files can't be written, ValueError if one that is there
        or that another grid is making is a run with other settings
    pool : function without arguments -> an executor; called again if the executor
        breaks, as a pool of processes does when one of them is killed
    workers : how many runs the executor does at once, for the reports: a number, or a
        function without arguments that is asked for it now and then
    report : called with one line of text after each run, and every `interval` seconds

    Raises
    ------
    Stopped when the disk is full or the cluster is gone; called again, it goes on.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    there = finished(runs, folder, episodes)
    outcomes = {run: Outcome(run, file) for run, file in there.items()}
    left = [run for run in runs if run not in there]
    for run in left:
        check_writable(_file(run, folder))
    wanted = {run.name: all_settings(run, episodes) for run in left}
    with claimed(wanted, folder, report):
        progress = _Progress(len(runs), len(there), workers, report)
        if left:
            others = _other_versions(there.values())
            if others:
                report(f"some of them were made with {', '.join(others)}")
            progress.tell("begun")
        attempt = functools.partial(
            _attempt,
            folder=folder,
            pool=pool,
            progress=progress,
            interval=interval,
            episodes=episodes,
        )
        outcomes |= _all_outcomes(left, attempt, progress)
    return [outcomes[run] for run in runs]


def _all_outcomes(left, attempt, progress):
    """{run: outcome} of the runs `left`, by as many attempts as it takes."""
    outcomes = {}
    suspects = []  # what ran when an executor broke: each alone from then on
    while left or suspects:
        batch = left or suspects[:1]
        with contextlib.closing(attempt(batch)) as ending:  # also at Ctrl-C in here
            for outcome in ending:
                outcomes[outcome.run] = outcome
        missing = [run for run in batch if run not in outcomes]
        if left:
            started = missing[: progress.workers + 1]
            suspects += started
            left = missing[len(started) :]
        else:
            for run in missing:
                problem = "its process ended before it had a result"
                outcomes[run] = progress.failed(run, problem)
            suspects = suspects[1:]
    return outcomes


def _attempt(runs, folder, pool, progress, interval, episodes):
    """The outcomes of `runs` until all are there or the executor breaks."""
    others = set(multiprocessing.active_children())  # not ours to end
    futures, ended = {}, queue.SimpleQueue()
    with _deaf():  # what is started here, now and later, never hears Ctrl-C
        executor = pool()
    try:
        with _deaf():
            for run in runs:
                futures[executor.submit(_told, run, episodes)] = run
            for future in futures:
                future.add_done_callback(ended.put)
        pending = len(futures)
        while pending:
            # not `concurrent.futures.wait`: Ctrl-C within it leaves futures locked, and
            # the executor's thread then waits for them for ever
            try:
                future = ended.get(timeout=interval)
            except queue.Empty:
                progress.still_running()
                continue
            pending -= 1
            run = futures[future]
            try:
                with held():
                    problem = _kept(future, run, folder, episodes)
            except (BrokenExecutor, Stopped):
                raise
            except Exception as raised:  # of a cluster, or another grid's file
                problem = _words(raised)
            if problem:
                yield progress.failed(run, problem)
            else:
                yield progress.done(run, _file(run, folder))
    except BrokenExecutor:
        return
    except BaseException:  # Ctrl-C: nobody waits for what is still running
        try:
            _keep_finished(futures, folder, episodes)
        finally:
            _end_children(others)  # first: a pool that is shut down falls over its ends
            for future in futures:
                future.cancel()
            executor.shutdown(wait=False)
        raise
    executor.shutdown()


def _keep_finished(futures, folder, episodes):
    """Write what is finished of {future: run} and has no file yet, where that works."""
    with held():
        for future, run in futures.items():
            if future.done() and not _file(run, folder).exists():
                with contextlib.suppress(Exception):
                    _kept(future, run, folder, episodes)


def _kept(future, run, folder, episodes):
    """Write the file of a run that has ended, or say what went wrong in it.

    A file that another grid has written meanwhile stays; ValueError if it is another.
    """
    again = "what is finished stays, and the same command goes on"
    try:
        content, problem = future.result()
    except CancelledError:  # not by us
        raise Stopped(f"the cluster is gone, or gave the runs up: {again}") from None
    if content:
        file = _file(run, folder)
        try:
            write(file, content, overwrite=False)
        except FileExistsError:
            _refuse_another(run, file, episodes)
        except OSError as reason:
            told = f"cannot write {file}: {reason.strerror or reason}"
            raise Stopped(f"{told}; {again}") from None
    return problem


@contextlib.contextmanager
def _deaf():
    """Threads and processes that are started within get no Ctrl-C, where that works."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_children(others):
    """End the processes of a pool, also those that it starts for others that ended."""
    quiet = 0
    while quiet < 3:
        children = set(multiprocessing.active_children()) - others
        for child in children:
            child.terminate()
        for child in children:
            child.join(1)
        quiet = 0 if children else quiet + 1
        time.sleep(0.1)


class _Progress:
    """Counts, and says in a line how far the grid is."""

    def __init__(self, total, there, workers, report):
        self.total, self.there, self.report = total, there, report
        self.ask = workers if callable(workers) else lambda: workers
        self.workers, self.start = 0, time.time()
        self.ended, self.problems = 0, 0
        if there:
            report(f"{there} of {total} runs are there already")

    def still_running(self):
        self.tell("running")

    def done(self, run, file):
        self.ended += 1
        self.tell(f"done    {run.name}")
        return Outcome(run, file)

    def failed(self, run, problem):
        self.ended, self.problems = self.ended + 1, self.problems + 1
        self.tell(f"FAILED  {run.name}: {problem}")
        return Outcome(run, None, problem)

    def tell(self, what):
        with contextlib.suppress(Exception):  # of a cluster that doesn't answer
            self.workers = self.ask()
        left = self.total - self.there - self.ended
        running = min(left, self.workers)
        line = f"{what}; {self.there + self.ended} of {self.total} ended"
        line += f", {self.problems} failed" if self.problems else ""
        nobody = " (no worker yet)" if left and not self.workers else ""
        line += f", {running} running{nobody}, {left - running} waiting"
        if self.ended and left:
            seconds = (time.time() - self.start) / self.ended * left
            line += f", about {_duration(seconds)} left"
        self.report(line)


def _duration(seconds):
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    return (
        f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
    )


def lines_of(outcomes):
    """Lines of text: each task and algorithm with its seeds' mean returns."""
    yield "Mean returns of fresh episodes (mode):"
    groups = {}
    for outcome in outcomes:
        run = outcome.run
        groups.setdefault((run.env_id, run.algorithm, run.label), []).append(outcome)
    for (env_id, algorithm, label), group in groups.items():
        name = " ".join([env_id, algorithm, label]).strip()
        scores = [
            History.load(outcome.file).evaluation.mean()
            for outcome in group
            if outcome.file
        ]
        line = f"{name}: {len(scores)} of {len(group)} runs"
        if scores:
            line += f", return {np.median(scores):.1f} (median)"
            line += f", {min(scores):.1f} to {max(scores):.1f}"
        yield line
        for outcome in group:
            if outcome.problem:
                yield f"  FAILED {outcome.run.name}: {outcome.problem}"
