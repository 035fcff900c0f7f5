"""A page of the course as slides: one idea each, from the notebook itself.

    steps("05")    # its sections, each with its slides, for `deck.document`

Cells become slides by a few rules. A prediction and a quiz question stand alone, folded
answers go to the speaker's notes. A formula stands alone. A picture is drawn again by
the page's own cells, and a widget is alive; the first sentence of what there is to see
comes on the next press, the rest on slides after it. Code stands on a slide where it
defines something in at most 12 lines; of other cells only the output is shown. The
exercises are left to the page. What is too high for one slide goes on on the next:
`deck.js`, which can measure, cuts it between lines.
"""

import html
import re
from importlib import import_module
from itertools import accumulate

from trpo_lite.course import page
from trpo_lite.course.publish import mathematics, pages
from trpo_lite.course.publish.slides import CODE_LINES, Aside, Slide, Step, highlighted
from trpo_lite.course.widgets import Widget

LEFT_OUT = ("Exercises", "Progress")
BLOCK = re.compile(
    r"<details>.*?</details>|\$\$.*?\$\$|(?:(?!<details>|\$\$)\S).*?(?=\n\s*\n|\n?\$\$|\Z)",
    re.DOTALL,
)
DETAILS = re.compile(
    r"<details>\s*<summary>(?P<name>.*?)</summary>(?P<words>.*)</details>", re.DOTALL
)
ASKED = re.compile(r"\*\*(?P<mark>Predict\.|Q\)|\d\.)\*\*\s*(?P<words>.*)", re.DOTALL)
SHOWN = re.compile(r"^lesson\.(\w+)\.(show|explore)\(", re.MULTILINE)
SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z$*])")
LONGEST = 150  # signs of the one sentence under a picture
TOO_LONG = 320  # signs of one piece to read
OUTPUT_LINES = 10
TABLE_SIGNS = 75  # the widest row of a table that a slide has room for


def steps(number):
    """The page's sections as `Step`s."""
    content = page.read(pages.path_of(number))
    return _Writer(number, content["cells"]).steps()


class _Writer:
    """Goes through the cells and keeps the section, the slides and what is pending."""

    def __init__(self, number, cells):
        self.number, self.cells = number, cells
        self.sections, self.slides, self.words = [], [], []
        self.heading, self.skipping, self.shown = "", False, []

    def steps(self):
        for cell in self.cells:
            if cell["cell_type"] == "markdown":
                self.markdown(cell["source"])
            elif cell["cell_type"] == "code" and not self.skipping:
                self.code(cell)
        self.section("")
        return tuple(self.sections)

    def section(self, heading):
        self.flush()
        if self.slides:
            self.sections.append(Step(self.heading, tuple(self.slides)))
        self.heading, self.slides = heading, []
        self.skipping = heading in LEFT_OUT

    def add(self, kind, parts, rows=(), figure=None):
        self.flush()
        self.slides.append(Slide(kind, tuple(parts), Aside(tuple(rows)), figure))

    def flush(self):
        """What is pending, as a slide to read."""
        if self.words:
            words, self.words = self.words, []
            self.slides.append(Slide("reading", tuple(words), Aside()))

    def markdown(self, source):
        for found in BLOCK.finditer(source):
            block = found[0].strip()
            first, _, rest = block.partition("\n")
            if first.startswith("# "):
                self.section(first[2:])
                self.add("title", [f"<h1>{_inline(first[2:])}</h1>"])
            elif first.startswith("## "):
                self.section(first[3:])
                if first.startswith("## Q)"):
                    self.asked("Q)", first[6:])
            elif not self.skipping and not block.startswith(("[←", "[Next")):
                if first.startswith("###"):
                    self.flush()
                    block = f"**{first.lstrip('# ')}**\n{rest}".strip()
                self.block(block)

    def block(self, block):
        details, asked = DETAILS.fullmatch(block), ASKED.match(block)
        if details:
            self.folded(details["name"], details["words"])
        elif asked:
            self.asked(asked["mark"], asked["words"])
        elif block.startswith("$$"):
            self.add("formula", [f'<div class="tex">{mathematics.html(block)}</div>'])
        elif block.startswith(">"):
            for words in re.split(r"\n>\s*\n", block):
                self.paragraph(re.sub(r"^> ?", "", words, flags=re.MULTILINE))
        elif block.startswith("|"):
            self.words.append(_html(block))
        elif re.match(r"(-|\d+\.) ", block):
            for item in re.split(r"\n(?=(?:-|\d+\.) )", block):
                self.words.append(f"<p>{_inline(re.sub('^- ', '• ', item))}</p>")
        else:
            self.paragraph(block)

    def paragraph(self, words):
        """Words to read; after a picture their first sentence goes under it."""
        last = self.slides[-1] if self.slides and not self.words else None
        words = words.replace("\n", " ")
        seen = words.removeprefix("**What you see.** ")
        first, *rest = SENTENCE.split(seen, maxsplit=1)
        under = last and last.figure and not last.parts and seen != words
        words = seen
        if under and len(first) <= LONGEST:
            parts = (f"<p>{_inline(first)}</p>",)
            self.slides[-1] = Slide(last.kind, parts, last.notes, last.figure)
            words = "".join(rest)
        while len(words) > TOO_LONG and len(sentences := SENTENCE.split(words)) > 1:
            lengths = accumulate(len(sentence) + 1 for sentence in sentences)
            count = max(1, sum(length <= TOO_LONG for length in lengths))
            self.words.append(_html(" ".join(sentences[:count])))
            words = " ".join(sentences[count:])
        if words:
            self.words.append(_html(words))

    def asked(self, mark, words):
        text = f'<p><b class="mark">{mark}</b> {_inline(words)}</p>'
        self.add("question", [text])

    def folded(self, name, words):
        """A folded answer: for the speaker, beside the question that it belongs to."""
        self.flush()
        if self.slides:
            last = self.slides[-1]
            aside = Aside((*last.notes.rows, (name, mathematics.html(words))))
            self.slides[-1] = Slide(last.kind, last.parts, aside, last.figure)

    def code(self, cell):
        source, names = cell["source"], SHOWN.findall(cell["source"])
        for name, way in names:
            self.drawn(name, way)
        lines = source.strip().splitlines()
        defines = re.search(r"^(def|class) ", source, re.MULTILINE)
        if defines and len(lines) <= CODE_LINES and not names:
            self.add("code", [highlighted(source)])
        for output in cell["outputs"]:
            self.output(output)

    def drawn(self, name, way):
        """A slide of a picture or a widget; a widget that was there stays away.

        After a question it comes again: there it is moved for the answer.
        """
        one = getattr(import_module(f"trpo_lite.course.n{self.number}"), name)
        nth = self.shown.count(name)
        if way == "show":
            self.shown.append(name)
        if not isinstance(one, Widget):
            drawing = pages.picture(self.number, name, nth)
            self.add("picture", [], figure=drawing)
        elif way == "show":
            settings = pages.arguments(self.number, name, nth)
            self.add("widget", [], figure=(one, {**one.defaults, **settings}))
        elif any(slide.kind == "question" for slide in self.slides[-3:]):
            self.add("widget", [], figure=(one, one.defaults))

    def output(self, output):
        if "data" in output:
            table = "".join(output["data"].get("text/html", ""))
            plain = "".join(output["data"].get("text/plain", "")).split("\n")
            fits = len(plain) <= OUTPUT_LINES and max(map(len, plain)) <= TABLE_SIGNS
            if "<table" in table and fits:
                self.add("reading", [table])
        elif output["output_type"] == "stream":
            text = "".join(output["text"]).rstrip()
            if text and len(text.splitlines()) <= OUTPUT_LINES:
                self.add("reading", [f"<pre>{html.escape(text)}</pre>"])


def _html(markdown):
    return mathematics.html(markdown).replace(".ipynb", ".html")


def _inline(markdown):
    """The HTML of words without their paragraph's element."""
    return re.sub(r"</?p>", "", _html(markdown.replace("\n", " "))).strip()
