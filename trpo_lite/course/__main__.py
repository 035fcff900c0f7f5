"""`python -m trpo_lite.course [FOLDER]`, and the commands beside it."""

import importlib
import sys

from trpo_lite._terminal import run

PROG = "python -m trpo_lite.course"
# each is a module beside this one: its main(arguments) returns the exit status
COMMANDS = {
    "progress": "what is done in the whole course",
    "capstone": "check the file of page 18",
    "handout": "a page to be printed",
    "bank": "sheets of questions and answers",
    "colab": "pages for Google Colab",
    "grade": "points for a class",
    "publish": "the course as a site, its sliders alive",
}


def main():
    first, *rest = sys.argv[1:] or [""]
    if first in COMMANDS:
        return importlib.import_module(f"trpo_lite.course.{first}").main(rest)
    from trpo_lite.course import start

    return start.main(sys.argv[1:], COMMANDS)


if __name__ == "__main__":
    sys.exit(run(PROG, main))
