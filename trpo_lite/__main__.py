"""`python -m trpo_lite train ENV` and `python -m trpo_lite evaluate FILE`."""

import argparse
import dataclasses
import os
import sys

from trpo_lite.history import History
from trpo_lite.settings import ALGORITHMS, Settings
from trpo_lite.train import evaluate_policy, train


class Parser(argparse.ArgumentParser):
    def error(self, message):
        """One line, whatever was wrong."""
        self.exit(2, f"{self.prog}: {message}\n")


def parser():
    main = Parser(
        prog="python -m trpo_lite", description="Train and evaluate policies."
    )
    commands = main.add_subparsers(dest="command", required=True, metavar="COMMAND")

    command = commands.add_parser(
        "train",
        help="train a policy and save its history",
        description="Train a policy. Ctrl-C ends the run and saves what is done. "
        "Defaults in brackets; known environments and algorithms have better ones.",
    )
    command.add_argument("env_id", metavar="ENV", help="a Gymnasium id: CartPole-v1")
    command.add_argument(
        "--algorithm", default="trpo", choices=ALGORITHMS, help="[trpo]"
    )
    command.add_argument("--seed", type=int, default=0, help="of everything random [0]")
    command.add_argument("--out", metavar="FILE", help="[ENV-ALGORITHM-SEED.npz]")
    command.add_argument("--quiet", action="store_true", help="no progress bar")
    for f in dataclasses.fields(Settings):
        kind = (
            {"action": argparse.BooleanOptionalAction}
            if f.type is bool
            else {"type": _number if f.type is int else f.type, "metavar": "X"}
        )
        command.add_argument(
            "--" + f.name.replace("_", "-"),
            default=argparse.SUPPRESS,
            help=f"{f.metadata['help']} [{f.default}]",
            **kind,
        )

    command = commands.add_parser("evaluate", help="play fresh episodes with a policy")
    command.add_argument("file", metavar="FILE", help="what train has written")
    command.add_argument("--episodes", type=int, default=100, help="[100]")
    command.add_argument("--seed", type=int, default=0, help="of the episodes [0]")
    return main


def _number(text):
    """An integer that may be written 1e6 or 1_000_000."""
    try:
        return int(text)
    except ValueError:
        number = float(text)
        if not number.is_integer():
            raise ValueError(text) from None
        return int(number)


def run_train(env_id, algorithm, seed, out, quiet, **settings):
    out = out or f"{env_id.replace('/', '-')}-{algorithm}-{seed}.npz"
    folder = os.path.dirname(out) or "."
    if os.path.isdir(out) or not os.path.isdir(folder):
        raise ValueError(f"--out {out}: not a file in an existing folder")
    if not os.access(folder, os.W_OK):
        raise ValueError(f"--out {out}: the folder cannot be written to")
    history = train(env_id, algorithm, seed=seed, progress=not quiet, **settings)
    history.save(out)
    last = (
        f"return {history['return_mean'][-1]:.1f} after {history['steps'][-1]} steps "
        f"in {history['seconds'][-1]:.1f} s"
        if len(history)
        else "no update was made"
    )
    interrupted = history.stopped == "interrupted"
    print(f"{'interrupted: ' if interrupted else ''}{last}; saved {out}")
    return 130 if interrupted else 0


def run_evaluate(file, episodes, seed):
    history = History.load(file)
    returns = evaluate_policy(
        history.settings["env_id"], history.policy, episodes, seed
    )
    print(
        f"return: {returns.mean():.2f} ± {returns.std():.2f} "
        f"over {len(returns)} episodes"
    )
    return 0


def main(arguments=None):
    options = vars(parser().parse_args(arguments))
    run = {"train": run_train, "evaluate": run_evaluate}[options.pop("command")]
    try:
        return run(**options)
    except (ValueError, TypeError, OSError) as problem:
        print(f"python -m trpo_lite: {problem}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
