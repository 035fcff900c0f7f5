"""`python -m trpo_lite.course.capstone my_trpo.py`."""

import sys

from trpo_lite._terminal import run
from trpo_lite.course.capstone.run import PROG, main

if __name__ == "__main__":
    sys.exit(run(PROG, main, runs=99))
