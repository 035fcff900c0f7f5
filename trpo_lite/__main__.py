"""`python -m trpo_lite`: `train ENV`, `evaluate FILE` and `experiment GRID`."""

import sys

from trpo_lite._terminal import run


def main():
    from trpo_lite import commands  # here, so that Ctrl-C in these 0.2 s is told, too

    return commands.main()


if __name__ == "__main__":
    sys.exit(run("python -m trpo_lite", main))
