r"""A page's Markdown cut into blocks, and its words counted and shortened.

    blocks("## One\n\nTwo.")        # Block("heading", "One"), Block("words", "Two.")
    start("One. Two. Three.", 2)    # "One. Two."

Nothing is rewritten: a slide shows whole sentences of the page, from the first one on.
"""

import html
import re
from dataclasses import dataclass

from trpo_lite.course.publish import mathematics
from trpo_lite.course.publish.slides import together

BLOCK = re.compile(
    r"<details>.*?</details>|\$\$.*?\$\$|```.*?```"
    r"|(?:(?!<details>|\$\$)\S).*?(?=\n\s*\n|\n?\$\$|\Z)",
    re.DOTALL,
)
FOLDED = re.compile(
    r"<details>\s*<summary>(?P<name>.*?)</summary>(?P<text>.*)</details>", re.DOTALL
)
LEAD = re.compile(r"\*\*(?P<name>Q\)|\d+\.|[A-Z][^*\n]*?[.:])\*\*\s+(?P<text>.*)", re.S)
ASKED = re.compile(r"\*\*(?P<name>Q\)) (?P<text>[^*]+)\*\*")
KINDS = (
    ("title", r"# "),
    ("heading", r"#{2,} "),
    ("formula", r"\$\$"),
    ("table", r"\|"),
    ("list", r"(?:-|\d+\.) "),
    ("quote", r">"),
    ("fence", r"```"),
    ("links", r"\[(?:←|Next)"),
)
# what may hold full stops that end no sentence
WHOLE = re.compile(r"\$[^$]+\$|`[^`]+`|\]\([^)]*\)|\bal\.|\bvs\.|\be\.g\.|\bi\.e\.")
END = re.compile(r"(?<=[.!?])[\"”)*]*\s+(?=[\"“(*\[]*[A-Z0-9_])")
LINE = 48  # signs of formulas that stand in one line
# words of a start that says too little, and how many more it then may have
FEW, LEAST = 2, 15
PAGE_LINK = re.compile(r"\[([^\]]+)\]\((?![a-z]+:)[^)]*\)")


@dataclass(frozen=True)
class Block:
    """A piece of a cell: its kind, its text, and its name if it has one.

    kind : of `KINDS`, or folded, lead or words. name : a fold's summary, or the bold
        words that a paragraph begins with, such as "Predict.".
    """

    kind: str
    text: str
    name: str = ""


def blocks(source):
    """The `Block`s of a Markdown cell."""
    return tuple(_block(found[0].strip()) for found in BLOCK.finditer(source))


def _block(text):
    if found := FOLDED.fullmatch(text):
        return Block("folded", found["text"].strip(), found["name"])
    for kind, start_ in KINDS:
        if re.match(start_, text):
            bare = text.strip("$").strip() if kind == "formula" else text
            bare = text.lstrip("# ") if kind in ("title", "heading") else bare
            bare = re.sub(r"^> ?", "", text, flags=re.M) if kind == "quote" else bare
            return Block(kind, bare)
    if found := ASKED.fullmatch(text) or LEAD.fullmatch(text):
        return Block("lead", found["text"], found["name"])
    return Block("words", text)


def sentences(text):
    """The sentences of a paragraph, as they are."""
    text = " ".join(text.split())
    hidden = WHOLE.sub(lambda found: "_" * len(found[0]), text)
    cuts, depth = [0], 0
    for found in END.finditer(hidden):
        depth = hidden.count("(", 0, found.start()) - hidden.count(")", 0, found.end())
        if depth <= 0:
            cuts.append(found.end())
    return [text[a:b].strip() for a, b in zip(cuts, [*cuts[1:], len(text)])]


def count(text):
    """How many words a text has; a formula counts as one for each space in it."""
    return sum(bool(re.search(r"\w", word)) for word in text.split())


def start(text, most=30):
    """The first sentence, and those after it while all have at most `most` words.

    A few more if it is very short. What stands in brackets as a whole is passed over,
    and, where there is another, what ends in a colon: what it announces is not there.
    """
    found = [one for one in sentences(text) if not re.fullmatch(r"\(.*\)", one)]
    found = [one for one in found if not one.endswith(":")] or found
    shown = found[:1]
    for one in found[1:]:
        room = most if count(" ".join(shown)) > FEW else most + LEAST
        if count(" ".join([*shown, one])) > room:
            break
        shown.append(one)
    return " ".join(shown)


def formulas(text):
    """A line of formulas as it is, or each for itself if the line is long.

    Between them stands a wide space.
    """
    if len(plain(mathematics.formula(text, block=True))) <= LINE:
        return [text]
    depth, parts = 0, [""]
    for token in re.split(r"(\\qquad|\\begin|\\end|[{}])", text):
        depth += token in ("{", "\\begin")
        depth -= token in ("}", "\\end")
        if token == "\\qquad" and depth == 0:
            parts.append("")
        else:
            parts[-1] += token
    return [part.strip().rstrip(",") for part in parts]


def shown(markdown):
    """Markdown as HTML for a slide: links to other pages are their words alone.

    A formula takes its full stop, its comma or its bracket along to the next line.
    """
    text = mathematics.html(PAGE_LINK.sub(r"\1", markdown)).strip()
    return together(text)


def line(markdown):
    """The HTML of words that stand in a line, without a paragraph's element."""
    return re.sub(r"</?p>", "", shown(" ".join(markdown.split()))).strip()


def plain(fragment):
    """The words of an HTML fragment."""
    return html.unescape(re.sub(r"<[^>]*>", "", fragment))


def listed(block):
    """The HTML of a list."""
    return f'<div class="list">{shown(block.text)}</div>'
