"""One notebook as the inner HTML of a page of the site.

    page = Page.of(path, players)      # title, sections for search, HTML

What follows a **Predict.** stays folded until the reader asks for it: the outputs, and
the words on what one sees. Widgets are players, exercises have their hints folded.
"""

import html
import importlib
import importlib.util
import re
from dataclasses import dataclass

from trpo_lite.course.page import read
from trpo_lite.course.publish import mathematics
from trpo_lite.plots import img

CALL = re.compile(r"lesson\.(\w+)\.(show|explore)\(.*\)", re.S)
CHECK = re.compile(r"^lesson\.(\w+)\.check\(", re.M)
HEADING = re.compile(r"<h([1-6])>(.*?)</h\1>", re.S)
PAGE_LINK = re.compile(r'href="([^":/#]+)\.ipynb(#[^"]*)?"')
TAG = re.compile(r"<[^>]+>")
SEEN = "**What you see"
PREDICT = re.compile(r"^\*\*Predict\.\*\*", re.M)
# what may follow in the same cell, and is no answer
NEXT = re.compile(r"\n\n(?=\*\*(?:Predict|Break it|A good place to stop)\.\*\*)")


@dataclass(frozen=True)
class Section:
    """A heading and the plain text under it, for search and navigation.

    anchor : its id on the page; level : 1 for the title, then 2 and 3.
    """

    anchor: str
    level: int
    title: str
    text: str


@dataclass(frozen=True)
class Page:
    """A page of the site: `name`.html with this title, body and these sections."""

    name: str
    title: str
    body: str
    sections: tuple

    @classmethod
    def of(cls, path, players):
        """The page of the notebook at `path`.

        players : {widget's name in the lesson: HTML fragment}
        """
        writer = Writer(lesson_of(path.stem), players)
        cells = read(path)["cells"]
        for cell, following in zip(cells, [*cells[1:], None], strict=True):
            writer.add(cell, following)
        writer.close()
        sections = tuple(
            Section(anchor, level, title, " ".join(" ".join(texts).split()))
            for anchor, level, title, texts in writer.sections
        )
        return cls(path.stem, sections[0].title, "\n".join(writer.parts), sections)


def lesson_of(name):
    """The lesson module of page `name`, or None."""
    module = f"trpo_lite.course.n{name.split('_')[0]}"
    found = importlib.util.find_spec(module)
    return found and importlib.import_module(module)


def plain(fragment):
    """The words of an HTML fragment."""
    return html.unescape(TAG.sub("", fragment))


class Writer:
    """Cells in, HTML out; it knows whether the reader is to guess first."""

    def __init__(self, lesson, players):
        self.lesson, self.players = lesson, players
        self.parts, self.sections = [], []
        self.guessing, self.folded = False, []

    def add(self, cell, following):
        """Append a cell; `following` is the next one, or None."""
        self.cell = cell
        if cell["cell_type"] == "markdown":
            self.markdown(cell["source"])
        elif cell["cell_type"] == "code":
            self.code(cell, following)

    def close(self):
        """End what is folded."""
        if self.folded:
            inner = "\n".join(self.folded)
            self.parts.append(
                '<details class="result"><summary>You have a guess? See what comes out'
                f"</summary>\n{inner}\n</details>"
            )
        self.folded = []

    def put(self, fragment, answer=False):
        """Append HTML: an answer is folded while the reader guesses, and what follows.

        Without an answer before it, what isn't one stays in sight.
        """
        if self.guessing and (answer or self.folded):
            self.folded.append(fragment)
        else:
            self.parts.append(fragment)

    # --- words

    def markdown(self, source):
        rest = source
        if source.startswith(SEEN):
            seen, *more = NEXT.split(source, maxsplit=1)
            self.put(self.words(seen), answer=True)
            rest = "".join(more)
        if source.startswith((SEEN, "#")):
            self.close()
            self.guessing = False
        if rest:
            self.close()
            self.put(self.words(rest))
        if PREDICT.search(rest):
            self.guessing = True

    def words(self, source):
        """Markdown as HTML, with ids for headings, links to pages, tables that fit."""
        text = mathematics.html(source)
        text = PAGE_LINK.sub(r'href="\1.html\2"', text)
        text = HEADING.sub(self.heading, text)
        text = text.replace("<table>", '<div class="table"><table>')
        text = text.replace("</table>", "</table></div>")
        if self.sections:
            self.sections[-1][-1].append(plain(text))
        return text

    def heading(self, match):
        anchor = self.cell["id"]
        if any(anchor == section[0] for section in self.sections):
            anchor = f"{anchor}-{len(self.sections)}"
        level = int(match[1])
        self.sections.append((anchor, level, plain(match[2]), []))
        return f'<h{level} id="{anchor}">{match[2]}</h{level}>'

    # --- code

    def code(self, cell, following):
        source, call = cell["source"], CALL.fullmatch(cell["source"])
        if call and call[2] == "explore":
            self.close()
            self.guessing = False
            self.parts.append(self.players[call[1]])
        elif source == "lesson.progress()":
            pass  # nobody has done an exercise here
        elif exercise := CHECK.search(source):
            self.close()
            self.guessing = False
            self.parts += [highlighted(source), self.help(exercise[1])]
        elif cell["id"].startswith("imports"):
            self.parts.append(
                f"<details><summary>Imports</summary>{highlighted(source)}</details>"
            )
        else:
            if not call:
                self.put(highlighted(source))
            # a widget that follows at once shows the same picture
            alive = call and f"lesson.{call[1]}.explore()"
            if following is None or following["source"] != alive:
                for output in cell["outputs"]:
                    self.put(shown(output), answer=True)

    def help(self, name):
        """The hints of an exercise and its solution, folded."""
        exercise = getattr(self.lesson, name)
        count = len(exercise.hints)
        folds = [
            (f"Hint {n} of {count}", f"<p>{html.escape(hint)}</p>")
            for n, hint in enumerate(exercise.hints, 1)
        ]
        folds.append(("Solution", highlighted(exercise.source(exercise.reference))))
        return "\n".join(
            f"<details><summary>{summary}</summary>{inner}</details>"
            for summary, inner in folds
        )


def highlighted(source):
    """Python source as HTML in colours."""
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    return highlight(source, PythonLexer(), HtmlFormatter(cssclass="code"))


def shown(output):
    """One stored output as HTML: a text, a table or a picture with its alt text.

    ValueError at any other kind, and at a picture without an alt text.
    """
    if output["output_type"] == "stream":
        return f'<pre class="output">{html.escape("".join(output["text"]))}</pre>'
    data = output.get("data", {})
    if "image/png" in data:
        alt = output["metadata"].get("image/png", {}).get("alt")
        if not alt:
            raise ValueError("a stored picture has no alt text")
        return img("".join(data["image/png"]).strip(), alt)
    if "text/html" in data:
        return f'<div class="table">{"".join(data["text/html"])}</div>'
    if "text/plain" in data:
        return f'<pre class="output">{html.escape("".join(data["text/plain"]))}</pre>'
    raise ValueError(f"an output of kinds {sorted(data)} cannot be shown")
