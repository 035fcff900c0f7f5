"""The rules by which a page's cells become slides."""

import re
from dataclasses import dataclass, field

from trpo_lite.course import load
from trpo_lite.course.progress import ANNOUNCED
from trpo_lite.course.publish.page_deck import code, results, words
from trpo_lite.course.publish.slides import CODE_LINES, highlighted, tex
from trpo_lite.course.widgets import Widget

CALL = re.compile(r"^lesson\.(\w+)\.(show|explore)\(", re.M)
PREDICT, SEEN, ONE_LINE = "Predict.", "What you see.", "The one line to remember:"
PAGE = "The page"  # what it says beside the slide
# in the place of a table that has no room
ELSEWHERE = "<p><small>The table: on the page.</small></p>"
# what a check prints of an answer that nobody has given
UNTOUCHED = "[todo]"
# leads that make a slide of their own, under their name
MARKED = ("Break it.", "Repair.")
# sections whose words are said, but for their exercises or their one line
SAID = ("Exercises", "Recap", "Progress")
# words on a slide, under a title, of a sentence that leads to a formula, of a quotation
# that stands whole
MOST, OPENING, INTRODUCING, QUOTED = 40, 45, 30, 65
# signs under a picture
UNDER = 140
# lines of a formula that leave no room for words
HIGH = 4


@dataclass
class Draft:
    """A slide in the making.

    parts, said : as a slide's, and its notes'. group : main, deeper, or an exercise's
        (name, minutes). weight : the share of its group's minutes that it takes.
    open : may a reading come under it?
    """

    kind: str
    parts: list
    heading: str
    group: object
    figure: object = None
    said: list = field(default_factory=list)
    weight: float = 0.0
    open: bool = False


class Maker:
    """Cells in, drafts out; it knows the section, and what is still to be said.

    lesson : the page's module. picture : what a slide's figure is, by the place of the
        picture among those that the page shows, from 0.
    """

    def __init__(self, cells, lesson, picture):
        self.cells, self.lesson, self.picture = cells, lesson, picture
        self.title = self.heading = self.opening = ""
        self.group, self.task = "main", None
        self.drafts, self.waiting, self.weight = [], [], 0.0
        self.shown, self.alive = 0, set()
        self.ways = {
            "title": self.first_slide,
            "list": self.listing,
            "table": self.table,
            "folded": self.folded,
        }
        for self.at, cell in enumerate(cells):
            self.cell(cell)
        self.drafts[-1].said += self.waiting

    # --- what all slides have

    def add(self, kind, *parts, figure=None, open_=False, heading=None):
        """A new slide, with what waited for it to be said."""
        heading = self.heading if heading is None else heading
        draft = Draft(kind, list(parts), heading, self.group, figure, open=open_)
        draft.said, self.waiting = self.waiting, []
        draft.weight, self.weight = self.weight, 0.0
        self.drafts.append(draft)
        self.fresh = True
        return draft

    def say(self, html, label=PAGE):
        """Words for the notes: of this cell's last slide, or of the next one."""
        target = self.drafts[-1].said if self.fresh else self.waiting
        if target and target[-1][0] == label:
            target[-1] = label, target[-1][1] + html
        else:
            target.append((label, html))

    def cell(self, cell):
        self.fresh = False
        before, source = len(self.drafts), cell["source"]
        if cell["cell_type"] == "markdown":
            self.markdown(words.blocks(source))
            guesses = source.count(f"**{PREDICT}**")
            size = words.count(source) / load.WORDS + guesses
        else:
            self.code(cell)
            size = len(source.split("\n")) / load.LINES
        made = self.drafts[before:]
        for draft in made:
            draft.weight += size / len(made)
        if not made:
            self.weight += size

    # --- words

    def markdown(self, blocks):
        for i, block in enumerate(blocks):
            rest = blocks[i + 1 :]
            if block.kind == "heading":
                self.section(block.text)
            elif block.kind == "formula":
                self.formula(block.text, blocks[i - 1] if i else None)
            elif block.kind == "lead":
                self.lead(block, rest)
            elif self.opening and not self.leads_to_formula(rest):
                self.open(block, rest)
            elif block.kind in self.ways:
                self.ways[block.kind](block)
            elif block.kind != "links":
                self.say(words.shown(block.text))

    def first_slide(self, block):
        """The page's number and name; what it opens with follows."""
        self.title = block.text
        source = self.cells[self.at]["source"]
        said = [b for b in words.blocks(source) if b.kind == "words"]
        one, *more = words.sentences(" ".join(b.text for b in said))[:2] or [""]
        both = " ".join([one, *more])
        first = both if words.count(both) <= OPENING else one
        line = f"<p>{words.line(first)}</p>" if first else ""
        self.add("title", f"<h1>{words.line(block.text)}</h1>{line}", heading="")

    def section(self, text):
        """A heading: it stands on the slide of what follows, then at slides' tops."""
        source = self.cells[self.at]["source"]
        if re.search(rf"^## {re.escape(text)}$", source, re.M):
            self.group, self.task = "main", None
            if load.DEEPER.search(f"## {text}"):
                self.group = "deeper"
        found = ANNOUNCED.search(f"### {text}")
        if found:
            self.group, self.task = (found[1], int(found[2])), []
            self.begun = len(self.drafts)
        self.heading, self.opening = text, text
        if text.startswith("Q) "):
            self.opening = ""
            self.question("Q)", text[3:], heading=self.title)

    @staticmethod
    def leads_to_formula(rest):
        for block in rest:
            if block.kind == "formula":
                return True
            if block.kind in ("lead", "heading"):
                return False
        return False

    def top(self):
        """The heading as the slide's own, where it has not been shown yet."""
        text, self.opening = self.opening, ""
        return f"<h3>{words.line(text)}</h3>" if text else ""

    def open(self, block, rest):
        """A section's first slide where no formula leads it."""
        if self.task is not None and block.kind != "links":
            self.opening = ""
            self.task.append(block)
        elif self.heading in SAID:
            self.say(words.shown(block.text))
        elif block.kind in ("list", "table"):
            self.ways[block.kind](block)
        elif block.kind in ("words", "quote"):
            self.reading(block.text, rest, self.top())

    @staticmethod
    def first(text, rest, most=30):
        """A text's first sentence; where that ends in a colon, what comes after it.

        That is a quotation, if it is short, or the first sentence of the next words.
        """
        firsts = [words.start(one, most) for one in text.split("\n\n")]
        for block in rest:
            if block.kind == "words":
                firsts.append(words.start(block.text, most))
            elif block.kind == "quote" and words.count(block.text) <= QUOTED:
                firsts.append(block.text)
        return next((one for one in firsts if not one.endswith(":")), firsts[0])

    def reading(self, text, rest, top="", mark=""):
        """A text's first sentence, alone; all of it goes into the notes."""
        first = self.first(text, rest, MOST if mark else 30)
        name = f'<b class="mark">{mark}</b> ' if mark else ""
        heading = self.title if top else None
        self.add("reading", f"{top}<p>{name}{words.line(first)}</p>", heading=heading)
        if words.plain(words.line(text)) != words.plain(words.line(first)):
            self.say(words.shown(text))

    def formula(self, text, before):
        """A formula, large, under its heading and the sentence that introduces it."""
        heading = self.title if self.opening else None
        top, first = self.top(), ""
        if text.count(r"\\") >= HIGH:
            top, heading = "", None
        elif before and before.kind in ("words", "lead"):
            last = words.sentences(before.text)[-1]
            if 1 < words.count(last) <= INTRODUCING:
                first = f"<p>{words.line(last)}</p>"
        shown = "".join(
            f'<div class="tex">{tex(one, display=True)}</div>'
            for one in words.formulas(text)
        )
        self.add("formula", top + first + shown, heading=heading)

    def listing(self, block):
        """A list as it is if it is short; else it is said. A quiz's stays with it."""
        if self.fresh and self.drafts[-1].kind == "quiz":
            self.drafts[-1].parts[0] += words.shown(block.text)
            return
        if self.fresh and self.goes_on(self.drafts[-1], block):
            self.drafts[-1].parts.append(words.listed(block))
            return
        room = MOST if not self.opening else 75
        if words.count(block.text) <= room:
            heading = self.title if self.opening else None
            self.add("reading", self.top() + words.listed(block), heading=heading)
        else:
            self.say(words.shown(block.text))

    @staticmethod
    def goes_on(draft, block):
        """May a list come on the slide before it, on the next press?"""
        held = words.count(words.plain(draft.parts[0])) + words.count(block.text)
        alone = len(draft.parts) == 1 and not draft.said
        return draft.kind == "reading" and alone and held <= MOST + 10

    def table(self, block):
        """A table of words if it has room; of a ledger the page's own row alone."""
        table = words.shown(block.text)
        if self.heading == "Guarantee ledger":
            table = results.only_bold(table)
        found = results.parted(table)
        for one in found:
            heading = self.title if self.opening else None
            self.add("table", self.top() + one, heading=heading)
        if not found:
            if self.opening:
                self.add("reading", self.top() + ELSEWHERE, heading=self.title)
            elif self.fresh and self.drafts[-1].kind == "reading":
                self.drafts[-1].parts[0] += ELSEWHERE
            self.say(table)

    def lead(self, block, rest):
        mark, text = block.name, block.text
        if mark in (PREDICT, "Q)"):
            self.question(mark, text)
        elif mark[:-1].isdigit():
            self.quiz(mark, text)
        elif mark == SEEN:
            self.seen(text, rest)
        elif mark == ONE_LINE:
            # a Greek letter would become another one
            first = text[:1].upper() if text[:1].isascii() else text[:1]
            self.add("line", f"<p>{words.line(first + text[1:])}</p>")
        elif mark in MARKED:
            self.reading(text, rest, mark=mark)
        else:
            self.say(words.shown(f"**{mark}** {text}"))

    def question(self, mark, text, heading=None):
        """A question, alone: what follows is on slides after it."""
        self.opening = ""
        shown = f'<p><b class="mark">{mark}</b> {words.line(text)}</p>'
        self.add("question", shown, heading=heading)

    def quiz(self, mark, text):
        self.opening = ""
        shown = f'<p><b class="mark">{mark}</b> {words.line(text)}</p>'
        self.add("quiz", shown)

    def folded(self, block):
        """An answer: of a quiz it comes on the next press, all go into the notes."""
        html = words.shown(block.text)
        last = self.drafts[-1]
        if last.kind == "quiz" and len(last.parts) == 1:
            if words.count(block.text) <= MOST:
                last.parts.append(html)
        elif self.drafts and not self.fresh:
            last.said.append((block.name, html))
            return
        self.say(html, block.name)

    def seen(self, text, rest):
        """What there is to see: under the last result if it is short, else alone."""
        first = self.first(text, rest)
        last = self.drafts[-1]
        shown = f"<p>{words.line(first)}</p>"
        under = last.figure is None or len(words.plain(shown)) <= UNDER
        if last.open and under and not last.parts[(last.figure is None) :]:
            last.parts.append(shown)
            self.fresh = True
        else:
            self.add("reading", shown)
        if words.count(text) > words.count(first):
            self.say(words.shown(text))

    # --- code and what comes of it

    def code(self, cell):
        source, tags = cell["source"], cell["metadata"].get("tags", ())
        if "exercise" in tags:
            self.exercise(source)
            return
        if cell["id"].startswith("imports") or source == "lesson.progress()":
            return
        shown = code.idea(source)
        if shown and "same-as-package" not in tags:
            self.add("code", code.large(shown))
        calls, pieces = CALL.findall(source), []
        showing = [name for name, way in calls if way == "show"]
        for output in cell["outputs"]:
            data = output.get("data", {})
            if "image/png" in data:
                self.printed(pieces)
                pieces = []
                self.drawn(showing.pop(0), results.tall("".join(data["image/png"])))
            elif output["output_type"] == "stream":
                text = "".join(output["text"]).rstrip()
                if text.startswith(UNTOUCHED):
                    continue
                if all(line.endswith(": True") for line in text.split("\n")) and (
                    "same-as-package" in tags
                ):
                    self.say(results.lines(text))  # no result: it agrees
                else:
                    pieces.append(text)
            elif "text/html" in data:
                pieces.append("".join(data["text/html"]))
        self.printed(pieces)
        for name in (name for name, way in calls if way == "explore"):
            if name not in self.alive:
                self.living(name)

    def printed(self, pieces):
        """Tables and lines that a cell has printed: together, or a slide each."""
        if not pieces:
            return
        whole = results.result(pieces)
        found = [whole] if whole else [results.result([piece]) for piece in pieces]
        for one in filter(None, found):
            self.add("table", one[0], open_=one[1])

    def drawn(self, name, high):
        """A picture; or its widget, where nothing is asked before that comes.

        high : has it no room for a reading under it?
        """
        figure = self.picture(self.shown)
        self.shown += 1
        if isinstance(getattr(self.lesson, name), Widget) and self.soon(name):
            self.living(name)
        else:
            self.add("picture", figure=figure, open_=not high)

    def soon(self, name):
        """Does the widget come alive before the next question?"""
        for cell in self.cells[self.at + 1 :]:
            if cell["cell_type"] == "code":
                if f"lesson.{name}.explore(" in cell["source"]:
                    return True
            elif f"**{PREDICT}**" in cell["source"] or cell["source"][:3] == "## ":
                return False
        return False

    def living(self, name):
        one = getattr(self.lesson, name)
        self.alive.add(name)
        self.add("widget", figure=(one, one.defaults), open_=True)

    def exercise(self, source):
        """What is asked: its first sentences and the stub, or what the stub says."""
        blocks, self.task = self.task or [], None
        text = next((b.text for b in blocks if b.kind == "words"), "")
        first = words.start(text, MOST)
        stub = source.partition("\n\n\nlesson.")[0].strip("\n")
        if len(stub.split("\n")) > CODE_LINES:
            stub = code.documented(stub)
        heading = f"<h3>{words.line(self.heading)}</h3>"
        shown = f"<p>{words.line(first)}</p>" if first else ""
        self.opening = ""
        self.add("exercise", heading + shown + highlighted(stub), heading=self.title)
        # what the page shows of a bug first comes after the question
        self.drafts.insert(self.begun, self.drafts.pop())
        said = self.drafts[self.begun].said
        for block in blocks:
            if block.kind == "folded":
                said.append((block.name, words.shown(block.text)))
            elif block.text != first:
                said.append((PAGE, words.shown(block.text)))
