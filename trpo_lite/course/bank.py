"""Sheets of questions: python -m trpo_lite.course bank [NAME...] [-o DIR]

Writes questions.html and answers.html (into DIR, by default here), to be printed. With
names of questions these, in this order; else all that --page and --kind leave. --seed
shuffles questions and options alike on both sheets, for a second version of an exam.
`trpo_lite/course/bank.md` holds the questions, and can be added to.
"""

import random
import re
from dataclasses import dataclass, replace
from pathlib import Path

from trpo_lite._terminal import Parser, say
from trpo_lite.course.handout import sheet
from trpo_lite.files import write

PROG = "python -m trpo_lite.course bank"
FILE = Path(__file__).with_name("bank.md")
KINDS = ("choice", "number", "log", "derivation")
LETTERS = "ABCDEFGH"

PLACE = re.compile(r"(\S+) · (.+) · (\w+) · (\d+) points? · (\d+) minutes?")
OPTION = re.compile(r"- \[( |x)\] (.+)\n  \*(.+)\*")


@dataclass(frozen=True)
class Option:
    """One answer to choose, and why it is right or wrong."""

    text: str
    right: bool
    why: str


@dataclass(frozen=True)
class Question:
    """One entry of the bank; it has options or an answer, as Markdown with formulas."""

    name: str
    page: str  #: such as "03"
    section: str  #: the heading on that page
    kind: str  #: one of `KINDS`
    points: int
    minutes: int
    text: str
    options: tuple[Option, ...] = ()
    answer: str = ""

    @property
    def letter(self):
        """The letter of the right option; "" if there are none."""
        right = [option.right for option in self.options]
        return LETTERS[right.index(True)] if right else ""


def read(text):
    """The questions of a bank's text, in its order; ValueError names a broken one."""
    _, *entries = re.split(r"^## ", text, flags=re.M)
    questions = [_entry(entry) for entry in entries]
    names = [question.name for question in questions]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"two questions have the name {name!r}")
    return tuple(questions)


def _entry(entry):
    name, _, rest = entry.strip().partition("\n")
    place, _, body = rest.partition("\n")
    found = PLACE.fullmatch(place)
    if not found or found[3] not in KINDS:
        raise ValueError(
            f"{name}: its second line is {place!r}, expected "
            "'page · section · kind · N points · N minutes' with a kind of "
            f"{', '.join(KINDS)}"
        )
    page, section, kind, points, minutes = found.groups()
    body, _, answer = body.partition("\n### Answer\n")
    options = tuple(
        Option(text, mark == "x", why) for mark, text, why in OPTION.findall(body)
    )
    if len(options) != body.count("\n- ["):
        raise ValueError(f"{name}: an option lacks its line of *why*")
    if bool(options) == bool(answer.strip()):
        raise ValueError(f"{name}: it must have either options or an answer")
    if options and sum(option.right for option in options) != 1:
        raise ValueError(f"{name}: one option must be marked with x")
    text = OPTION.sub("", body).strip()
    return Question(
        name,
        page,
        section,
        kind,
        int(points),
        int(minutes),
        text,
        options,
        answer.strip(),
    )


def shuffled(questions, seed):
    """The questions in another order, and the options of each."""
    rng = random.Random(seed)
    drawn = rng.sample(questions, len(questions))
    return [
        replace(q, options=tuple(rng.sample(q.options, len(q.options)))) for q in drawn
    ]


def question_sheet(questions):
    """The students' sheet as Markdown."""
    total = _total(questions)
    parts = [
        "# Questions",
        f"Name: {'.' * 60}",
        f"{len(questions)} questions, {total}.",
    ]
    for n, q in enumerate(questions, 1):
        parts.append(f"### {n} ({_count(q.points, 'point')})\n\n{q.text}")
        if q.options:
            parts += [
                f"**{letter}** ☐ {option.text}"
                for letter, option in zip(LETTERS, q.options)
            ]
        else:
            parts.append(f'<div style="height: {2 * q.minutes}em"></div>')
    return "\n\n".join(parts)


def answer_sheet(questions):
    """The teacher's sheet as Markdown: keys, why each option is wrong, answers."""
    parts = ["# Answers", f"{len(questions)} questions, {_total(questions)}."]
    for n, q in enumerate(questions, 1):
        about = f"{q.name}, {_count(q.minutes, 'minute')}, page {q.page}, *{q.section}*"
        key = f": {q.letter}" if q.options else ""
        parts.append(f"### {n}{key} ({_count(q.points, 'point')})\n\n{about}")
        for letter, option in zip(LETTERS, q.options):
            mark = " ✓" if option.right else ""
            parts.append(f"**{letter}**{mark} {option.text}<br>\n*{option.why}*")
        if q.answer:
            parts.append(q.answer)
    return "\n\n".join(parts)


def _total(questions):
    points, minutes = (
        sum(getattr(q, x) for q in questions) for x in ("points", "minutes")
    )
    return f"{_count(points, 'point')}, {_count(minutes, 'minute')}"


def _count(n, word):
    return f"{n} {word}" + "s" * (n != 1)


def chosen(questions, names, pages, kinds):
    """The questions with these names; else of these pages and kinds, if any are given.

    ValueError for a name that isn't there, or if nothing is left.
    """
    by_name = {question.name: question for question in questions}
    for name in names:
        if name not in by_name:
            raise ValueError(f"the bank has no question {name!r}")
    if names:
        return [by_name[name] for name in names]
    found = [
        question
        for question in questions
        if (not pages or question.page in pages)
        and (not kinds or question.kind in kinds)
    ]
    if not found:
        raise ValueError("no question is of such a page and kind")
    return found


def main(arguments=None):
    _, details = __doc__.split("\n\n", 1)
    parser = Parser(PROG, description=details)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("-o", dest="folder", metavar="DIR", type=Path, default=Path())
    parser.add_argument("--page", nargs="+", metavar="NN", default=())
    parser.add_argument("--kind", nargs="+", choices=KINDS, default=())
    parser.add_argument("--seed", type=int, help="shuffle questions and options by it")
    parser.add_argument("--list", action="store_true", help="only print what there is")
    options = parser.parse_args(arguments)
    questions = read(FILE.read_text("utf-8"))
    questions = chosen(questions, options.names, options.page, options.kind)
    if options.list:
        for q in questions:
            say(f"{q.page}  {q.kind:10}  {q.points} p  {q.minutes:2d} min  {q.name}")
        say(f"{len(questions)} questions, {_total(questions)}")
        return 0
    if options.seed is not None:
        questions = shuffled(questions, options.seed)
    from trpo_lite.course.publish import mathematics

    mathematics.check_installed()  # no folder with nothing in it
    options.folder.mkdir(parents=True, exist_ok=True)
    sheets = {"questions": question_sheet, "answers": answer_sheet}
    for name, make in sheets.items():
        target = options.folder / f"{name}.html"
        write(target, sheet(name.capitalize(), make(questions)))
        say(target)
    return 0
