r"""What a slide is made of.

A slide is one of: a question, a formula, a picture with one sentence, a reading, or a
code of at most 12 lines. Its parts come one after the other, a key press each, so a
result and its reading are never on one press. Its notes are for the speaker alone.

    question(r"How can we take a larger step?", Notes(1, usual, say, ask))
    formula([r"$$J(\pi)$$", "a line of words"], notes)

Words are Markdown's smallest part: *emphasis*, **strong**, `code`, [links](address) and
$formulas$; a line $$like this$$ is a formula of its own. `erratum("a")` is a link to
that slip in the appendix.
"""

import html
import re
from collections.abc import Callable
from dataclasses import dataclass

from trpo_lite.course.publish import mathematics
from trpo_lite.course.widgets import Widget

KINDS = ("title", "question", "formula", "picture", "widget", "reading", "code")
# what pages have beside these
KINDS += ("quiz", "table", "exercise", "line")
CODE_LINES = 12
TOGETHER = re.compile(
    r"[(“\"]?<math(?! display)(?:(?!</math>).)*</math>[.,:;?!)”\"’]+"
    r"|[(“\"]<math(?! display)(?:(?!</math>).)*</math>",
    re.DOTALL,
)


@dataclass(frozen=True)
class Notes:
    """What the speaker sees: minutes, what people usually answer, and what then.

    minutes : how long the slide stands.
    usual : what people usually answer or object.
    say : what to say then.
    ask : what to ask next.
    """

    minutes: float
    usual: str
    say: str
    ask: str

    def __post_init__(self):
        if not self.minutes > 0:
            raise ValueError(f"minutes are {self.minutes}, expected more than 0")

    @property
    def rows(self):
        """What the speaker sees, as pairs (label, HTML)."""
        return (
            ("Minutes", f"{self.minutes:g}"),
            ("People answer", prose(self.usual)),
            ("Say then", prose(self.say)),
            ("Ask next", prose(self.ask)),
        )


@dataclass(frozen=True)
class Aside:
    """What the speaker sees beside a slide of a page: its minutes, what else it says.

    said : pairs (label, HTML).
    """

    minutes: float
    said: tuple[tuple[str, str], ...] = ()

    @property
    def rows(self):
        """What the speaker sees, as pairs (label, HTML)."""
        return (("Minutes", f"{self.minutes:.3g}"), *self.said)


@dataclass(frozen=True)
class Slide:
    """One slide: its parts as HTML, in the order of the presses, and its notes.

    figure : a function of no arguments that draws what the slide shows and returns
        (figure, alt text), or a pair (widget, settings); None on slides without.
    heading : what stands at its top; that of its step if it has none.
    """

    kind: str
    parts: tuple[str, ...]
    notes: Notes | Aside
    figure: Callable | tuple | None = None
    heading: str = ""

    def __post_init__(self):
        if self.kind not in KINDS:
            raise ValueError(f"kind is {self.kind!r}, expected one of {KINDS}")


@dataclass(frozen=True)
class Step:
    """One step of the lecture: its heading in the lecture's words, and its slides."""

    heading: str
    slides: tuple[Slide, ...]

    @property
    def minutes(self):
        return sum(slide.notes.minutes for slide in self.slides)


def title(words, notes):
    """The deck's first slide: its name and lines under it."""
    first, *rest = words
    lines = "".join(f"<p>{prose(line)}</p>" for line in rest)
    return Slide("title", (f"<h1>{prose(first)}</h1>{lines}",), notes)


def question(words, notes, mark="Q)"):
    """A question alone: the lecture's are marked "Q)", the course's "Predict."."""
    text = f'<p><b class="mark">{mark}</b> {prose(words)}</p>'
    return Slide("question", (text,), notes)


def formula(lines, notes):
    """Formulas and words, a press each; "+ " joins a line to the one before."""
    return Slide("formula", tuple(_parts(lines)), notes)


def reading(lines, notes):
    """Sentences, a press each."""
    return Slide("reading", tuple(_parts(lines)), notes)


def picture(draw, sentence, notes):
    """A picture, and on the next press the one sentence that says what to see."""
    return Slide("picture", (f"<p>{prose(sentence)}</p>",), notes, draw)


def widget(one, sentence, notes, **settings):
    """A widget, alive, first at these settings; the sentence on the next press."""
    if not isinstance(one, Widget):
        raise TypeError(f"expected a Widget, got {type(one).__name__}")
    shown = one, {**one.defaults, **settings}
    return Slide("widget", (f"<p>{prose(sentence)}</p>",), notes, shown)


def code(source, sentence, notes):
    """Lines of Python, and on the next press one sentence."""
    source = source.strip("\n")
    if len(source.splitlines()) > CODE_LINES:
        count = len(source.splitlines())
        raise ValueError(f"{count} lines of code, expected at most {CODE_LINES}")
    return Slide("code", (highlighted(source), f"<p>{prose(sentence)}</p>"), notes)


def erratum(letter):
    """A note, to stand in words, that links to the slip's place in the appendix."""
    return f"[erratum {letter}](erratum:{letter})"


def said(value, spec):
    """A number in words, with a minus sign in place of a hyphen."""
    return format(value, spec).replace("-", "−")


def _parts(lines):
    parts = []
    for line in lines:
        if line.startswith("+ "):
            parts[-1] += _line(line[2:])
        else:
            parts.append(_line(line))
    return parts


def _line(text):
    if text.startswith("$$"):
        return f'<div class="tex">{tex(text.strip("$"), display=True)}</div>'
    return f"<p>{prose(text)}</p>"


TOKENS = re.compile(
    r"\$(?P<tex>[^$]+)\$|`(?P<code>[^`]+)`|\*\*(?P<strong>[^*]+)\*\*"
    r"|\*(?P<em>[^*]+)\*|\[(?P<link>[^\]]+)\]\((?P<to>[^)]+)\)"
)


def prose(text):
    """The HTML of a line of words in the small Markdown above."""

    def one(match):
        if match["tex"]:
            return tex(match["tex"])
        if match["code"]:
            return f"<code>{html.escape(match['code'])}</code>"
        if match["link"]:
            address = html.escape(match["to"])
            note = ' class="erratum"' if address.startswith("erratum:") else ""
            return f'<a href="{address}"{note}>{html.escape(match["link"])}</a>'
        name = "strong" if match["strong"] else "em"
        return f"<{name}>{prose(match[name])}</{name}>"

    pieces, end = [], 0
    for match in TOKENS.finditer(text):
        pieces += [html.escape(text[end : match.start()], quote=False), one(match)]
        end = match.end()
    return together("".join([*pieces, html.escape(text[end:], quote=False)]))


def together(fragment):
    """HTML in which a formula takes its full stop or bracket to the next line."""
    return TOGETHER.sub(r'<span class="together">\g<0></span>', fragment)


def tex(source, display=False):
    """The MathML of a formula in TeX."""
    return mathematics.formula(source, block=display)


def highlighted(source):
    """The HTML of Python code, coloured."""
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    return highlight(source, PythonLexer(), HtmlFormatter(cssclass="code"))
