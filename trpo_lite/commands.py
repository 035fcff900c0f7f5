"""The commands of `python -m trpo_lite`: train, evaluate, experiment."""

import argparse
import contextlib
import dataclasses
import os
import re
import secrets
import shlex
import sys
import tempfile
from functools import partial

import numpy as np

from trpo_lite._check import count
from trpo_lite._terminal import Parser, one_line, say, with_place
from trpo_lite.experiment import (
    GRIDS,
    dask_pool,
    lines_of,
    local_pool,
    read_grid,
    run_grid,
)
from trpo_lite.files import check_writable
from trpo_lite.history import History
from trpo_lite.settings import ALGORITHMS, Settings
from trpo_lite.train import evaluate_policy, train

PROG = "python -m trpo_lite"
EPISODES = 100
GRID_HELP = """\
A grid is a JSON file with a list of blocks, each a product of its own:

  [{"tasks": ["Hopper-v5"], "algorithms": ["trpo", "npg"], "seeds": [20, 21, 22],
    "settings": {"delta": 0.05}, "label": "small"}]

The settings are train's options, without dashes: cg_iterations, not --cg-iterations.
The label becomes part of the files' names. Both may be left out.
"""


def parser():
    main = Parser(prog=PROG, description="Train and evaluate policies.")
    commands = main.add_subparsers(dest="command", required=True, metavar="COMMAND")

    command = commands.add_parser(
        "train",
        help="train a policy and save its history",
        description="Train a policy. Ctrl-C ends the run and saves what is done; so "
        "does an error of the environment. "
        "Defaults in brackets; known environments and algorithms have better ones.",
    )
    command.add_argument(
        "env_id", metavar="ENV", help="a Gymnasium id: CartPole-v1, or module:Mine-v0"
    )
    command.add_argument(
        "--algorithm", default="trpo", choices=ALGORITHMS, help="[trpo]"
    )
    command.add_argument("--seed", type=int, default=0, help="of everything random [0]")
    command.add_argument("--out", metavar="FILE", help="[ENV-ALGORITHM-SEED.npz]")
    command.add_argument(
        "--overwrite", action="store_true", help="replace FILE if there is one"
    )
    command.add_argument("--quiet", action="store_true", help="no progress shown")
    for f in dataclasses.fields(Settings):
        kind = (
            {"action": argparse.BooleanOptionalAction}
            if f.type is bool
            else {"type": integer if f.type is int else f.type, "metavar": "X"}
        )
        command.add_argument(
            "--" + f.name.replace("_", "-"),
            default=argparse.SUPPRESS,
            help=f"{f.metadata['help']} [{f.default}]",
            **kind,
        )

    command = commands.add_parser(
        "evaluate",
        help="play fresh episodes with a policy",
        description="Play fresh episodes in the environment that FILE names. An id "
        "module:Mine-v0 imports that module.",
    )
    command.add_argument("file", metavar="FILE", help="what train has written")
    command.add_argument("--episodes", type=int, default=100, help="[100]")
    command.add_argument("--seed", type=int, default=0, help="of the episodes [0]")
    command.add_argument("--quiet", action="store_true", help="no progress shown")

    command = commands.add_parser(
        "experiment",
        help="do a grid of runs: tasks x algorithms x seeds",
        description="Do the runs of a grid that are not done yet. Ctrl-C stops them "
        "and keeps all\nthat are finished; the same command goes on.",
        epilog=GRID_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = ", ".join(sorted(path.stem for path in GRIDS.glob("*.json")))
    command.add_argument(
        "grid", metavar="GRID", help=f"a JSON file, or one of the package's: {names}"
    )
    command.add_argument("--out", metavar="FOLDER", help="[GRID's name]")
    command.add_argument(
        "--workers",
        type=int,
        help="runs at once [all cores]; with --scheduler only for what is said of the "
        "time left [the cluster's threads]",
    )
    command.add_argument(
        "--scheduler", metavar="ADDRESS", help="of a Dask cluster that does the runs"
    )
    command.add_argument(
        "--episodes",
        type=int,
        default=EPISODES,
        help=f"played at the end of a run [{EPISODES}]",
    )
    command.add_argument(
        "--only", metavar="NAME", help="do this run alone, as --list names it"
    )
    command.add_argument(
        "--list",
        action="store_true",
        help="do nothing, but show the command line of each run, for a job array",
    )
    return main


def integer(text):
    """An integer that may be written 1e6 or 1_000_000."""
    try:
        return int(text)
    except ValueError:
        number = float(text)
        if not number.is_integer():
            raise ValueError(text) from None
        return int(number)


def run_train(env_id, algorithm, seed, out, overwrite, quiet, **settings):
    """Train and save; 0, or 1 after an error, or 130 after Ctrl-C."""
    out = out or f"{re.sub('[^0-9A-Za-z._-]', '-', env_id)}-{algorithm}-{seed}.npz"
    check_writable(out)
    if os.path.isfile(out) and not overwrite:
        raise ValueError(
            f"{out} is there already ({contents(out)}): give --overwrite to replace "
            "it, or another --out FILE"
        )
    target = os.path.abspath(out)  # wherever an environment may go
    try:
        history = train(env_id, algorithm, seed=seed, progress=not quiet, **settings)
    except BaseException as problem:
        if not hasattr(problem, "history"):  # nothing was simulated yet
            raise
        history = problem.history
        say(f"{PROG}: {with_place(problem)}", sys.stderr)
    status = {"interrupted": 130, "error": 1}.get(history.stopped, 0)
    early = f"{history.stopped}: " if status else ""
    if not len(history):  # an untrained policy is no reason to replace anything
        say(f"{early}no update was made, nothing saved", sys.stderr)
        return status
    file = saved(history, target, overwrite)
    where = f"saved {out if file == target else file}" if file else "NOT SAVED"
    say(f"{early}{summary(history)}; {where}")
    return status if file == target else status or 1


def saved(history, out, overwrite):
    """The file it was saved to: `out`, else a new one; None if that fails as well."""
    stem, end = os.path.splitext(os.path.basename(out))
    other = f"{stem[:40]}-{secrets.token_hex(3)}{end[:10]}"
    regular = os.path.isfile(out) or not os.path.exists(out)
    folders = [os.path.dirname(out)] * regular + [tempfile.gettempdir()]
    for file in (out, *(os.path.join(folder, other) for folder in folders)):
        try:
            history.save(file, overwrite and file == out)
            return file
        except OSError as problem:
            say(f"{PROG}: cannot save {file}: {one_line(problem)}", sys.stderr)
    return None


def summary(history):
    """How it went, in words; the return of the last batch in which an episode ended."""
    returns = history["return_mean"][np.isfinite(history["return_mean"])]
    reached = f"return {returns[-1]:.1f}" if len(returns) else "no episode ended"
    steps, seconds = history["steps"][-1], history["seconds"][-1]
    return f"{reached} after {steps} steps in {seconds:.1f} s"


def contents(file):
    """What a file holds, in words."""
    try:
        history = History.load(file)
        of = history.settings
        return f"{of['algorithm']} on {of['env_id']}, seed {of['seed']}, " + summary(
            history
        )
    except (OSError, ValueError, TypeError, LookupError):
        return "which is no history of trpo_lite"


def run_evaluate(file, episodes, seed, quiet):
    """Play and print; 0, or 1 if that can't be printed."""
    history = History.load(file)
    returns = evaluate_policy(
        history.settings["env_id"], history.policy, episodes, seed, progress=not quiet
    )
    told = say(
        f"return: {returns.mean():.2f} +/- {returns.std():.2f} "
        f"over {len(returns)} episodes"
    )
    return 0 if told else 1


def run_experiment(grid, out, workers, scheduler, episodes, only, list):
    """Do the grid, or `only` one run of it; 0, or 1 if a run failed."""
    if workers is not None:
        workers = count("--workers", workers)
    episodes = count("--episodes", episodes)
    runs = read_grid(grid)
    folder = out or os.path.splitext(os.path.basename(grid))[0]
    if os.path.exists(folder) and not os.path.isdir(folder):
        raise ValueError(f"{folder} is a file: give --out FOLDER")
    if only is not None:
        runs = [run for run in runs if run.name == only]
        if not runs:
            raise ValueError(f"{grid} has no run {only!r}; --list shows those it has")
    if list:
        for one in runs:
            say(command_line(one, grid, folder, episodes))
        return 0
    with contextlib.ExitStack() as stack:
        if scheduler is not None:
            executor, threads = stack.enter_context(dask_pool(scheduler))
            pool, workers = (lambda: executor), workers or threads
        else:
            workers = workers or os.cpu_count()
            pool = partial(local_pool, workers)
        outcomes = run_grid(runs, folder, pool, workers, say, episodes=episodes)
    for line in lines_of(outcomes):
        say(line)
    return 1 if any(outcome.problem for outcome in outcomes) else 0


def command_line(run, grid, folder, episodes):
    """What does this run of a grid alone and puts its file where the grid would."""
    words = [*PROG.split(), "experiment", grid, f"--out={folder}"]
    words += ["--episodes", str(episodes)] if episodes != EPISODES else []
    return shlex.join([*words, "--only", run.name])


def main(arguments=None):
    options = vars(parser().parse_args(arguments))
    commands = {
        "train": run_train,
        "evaluate": run_evaluate,
        "experiment": run_experiment,
    }
    return commands[options.pop("command")](**options)
