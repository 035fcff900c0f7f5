"""How long a page takes, measured by one formula that is applied to all of them.

    minutes = words / 120 + lines of code / 10 + predictions

What stands between two spaces is a word, a formula's parts too. Folded answers count,
folded derivations don't. The section `Exercises` takes as long as its exercises say.
Sections called `Deeper than the lecture` or `Optional: ...` are counted apart: the main
road goes round them.
"""

import re
from dataclasses import dataclass

from trpo_lite.course.progress import ANNOUNCED

WORDS, LINES = 120, 10  # a minute
DEEPER = re.compile(r"^## (?:Deeper than the lecture|Optional: .+)$", re.M)
HEADING = re.compile(r"^## .+$", re.M)
FOLDED = re.compile(
    r"^<details><summary>(?!Answer|What the slider).+?^</details>$", re.M | re.S
)


@dataclass(frozen=True)
class Part:
    """What is to be read and guessed in some cells."""

    words: int = 0
    lines: int = 0
    predictions: int = 0

    def __add__(self, other):
        return Part(
            self.words + other.words,
            self.lines + other.lines,
            self.predictions + other.predictions,
        )

    @property
    def minutes(self):
        """Rounded to five; something takes five."""
        exact = self.words / WORDS + self.lines / LINES + self.predictions
        return max(5 * round(exact / 5), 5) if exact else 0


@dataclass(frozen=True)
class Load:
    """A page's main road, its exercises in minutes, and what goes deeper."""

    main: Part
    exercises: int
    deeper: Part

    def __str__(self):
        """As a page's title says it, after `**Time:** `."""
        exercises = f", exercises {self.exercises}" if self.exercises else ""
        deeper = f", deeper {self.deeper.minutes}" if self.deeper.minutes else ""
        return f"{self.main.minutes} minutes{exercises}{deeper}"

    def row(self):
        """As a map says it."""
        exercises = f" + {self.exercises}" if self.exercises else ""
        deeper = f" + {self.deeper.minutes}" if self.deeper.minutes else ""
        return f"{self.main.minutes}{exercises}{deeper}"


def measure(page):
    """The `Load` of a page as from `page.read`."""
    parts, exercises, place = {"main": Part(), "deeper": Part()}, 0, "main"
    for cell in page["cells"]:
        text = cell["source"]
        if cell["cell_type"] == "markdown" and HEADING.match(text):
            place = "deeper" if DEEPER.match(text) else "main"
            place = "exercises" if text.startswith("## Exercises") else place
        if place == "exercises":
            exercises += sum(int(minutes) for _, minutes in ANNOUNCED.findall(text))
        else:
            parts[place] += _part(cell)
    return Load(parts["main"], exercises, parts["deeper"])


def _part(cell):
    if cell["cell_type"] == "code":
        return Part(
            lines=sum(bool(line.strip()) for line in cell["source"].split("\n"))
        )
    text = FOLDED.sub("", cell["source"])
    words = sum(bool(re.search(r"\w", word)) for word in text.split())
    return Part(words=words, predictions=text.count("**Predict.**"))
