"""Every page follows the one skeleton, links resolve, and outputs leak nothing.

The rules are functions `rule(page) -> list of complaints`; each is shown to complain
about a page that breaks it (the second half of this file), so that none is empty.
"""

import ast
import base64
import json
import re
import struct
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

from tests.minutes import row_of
from tests.questions import ANSWERS
from trpo_lite.course.load import measure
from trpo_lite.course.page import read
from trpo_lite.course.widgets import ASLEEP

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
PAGES = sorted(NOTEBOOKS.glob("*.ipynb"))
SLIDES = {"slide", "subslide", "fragment", "skip", "notes", "-"}
# with `raises-exception`, Run All goes on below an answer with a syntax error
TAGS = {
    "exercise",
    "raises-exception",
    "same-as-package",
    "long",
    "nbval-ignore-output",
}
# the answers of the page that the second half of this file makes
MADE = {
    "idea": ("weights-words", "The line rises"),
    "explore": ("weights-words", "from left to right"),
}
LISTED = {**ANSWERS, "04_four": MADE}
LARGE = {"15", "16"}  # films: 1 MB instead of 500 KB
FIXED = [
    "Goals",
    "Recall",
    "Exercises",
    "What implementations do",
    "Recap",
    "Guarantee ledger",
    "Progress",
]
DETAILS = re.compile(
    r"^<details><summary>([^<\n]+)</summary>\n\n(.*?)\n\n</details>$", re.M | re.S
)
LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)\)")
SHOWN_CELL = re.compile(r"^lesson\.(\w+)\.show\(", re.M)
EXPLORE_CELL = re.compile(r"^lesson\.(\w+)\.explore\(\)", re.M)
LEAKS = {
    "a path": re.compile(r"(?:/(?:home|root|tmp|usr|work|Users|opt|var)/|[A-Z]:\\)\w"),
    "an object's address": re.compile(r"0x[0-9a-f]{6,}"),
    "a timing": re.compile(r"\b\d+(?:\.\d+)?\s?(?:ms|µs|s/it|it/s|steps/s)\b"),
    "a time of day": re.compile(r"\b\d{1,2}:\d{2}:\d{2}\b"),
    "a date": re.compile(r"\b20\d\d-\d\d-\d\d\b"),
    "a negative zero": re.compile(r"(?<![\w.])-0\.0*(?![\d.])"),
}


@dataclass(frozen=True)
class Page:
    """A notebook, its neighbours in the course, and what rules ask of it."""

    path: Path
    order: tuple[Path, ...]

    @cached_property
    def data(self):
        return json.loads(self.path.read_text(encoding="utf-8"))

    @cached_property
    def cells(self):
        return self.data["cells"]

    @property
    def number(self):
        return self.path.name.split("_")[0]

    @property
    def appendix(self):
        return not self.number.isdigit()

    def between(self, first, last):
        return not self.appendix and first <= int(self.number) <= last

    @cached_property
    def headings(self):
        """[(cell index, level, text)] outside of code fences."""
        return [
            (i, len(marks), text.strip())
            for i, cell in enumerate(self.cells)
            if cell["cell_type"] == "markdown"
            for marks, text in re.findall(
                r"^(#{1,6}) (.+)$", without_fences(source(cell)), re.M
            )
        ]

    def section(self, title):
        """Cells from the heading `## title` to the next one of level 2."""
        starts = [i for i, level, text in self.headings if level == 2]
        for i, level, text in self.headings:
            if level == 2 and text == title:
                end = min((s for s in starts if s > i), default=len(self.cells))
                return self.cells[i:end]
        return []

    @cached_property
    def markdown(self):
        return "\n\n".join(
            source(cell) for cell in self.cells if cell["cell_type"] == "markdown"
        )

    def code(self):
        for cell in self.cells:
            if cell["cell_type"] == "code":
                yield cell


def source(cell):
    return "".join(cell["source"])


def tags(cell):
    return set(cell["metadata"].get("tags", ()))


def without_fences(text):
    return re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)


def anchor(heading):
    """The anchor that JupyterLab gives a heading; GitHub opens the page's top."""
    return heading.replace(" ", "-")


def title_of(path):
    page = Page(path, ())
    return page.headings[0][2] if page.headings else ""


def pictures(cell):
    for output in cell.get("outputs", ()):
        if "image/png" in output.get("data", {}):
            yield output


# --- the rules


def cells_have_fixed_speaking_ids(page):
    ids = [cell.get("id", "") for cell in page.cells]
    yield from (f"id {i!r} is used twice" for i in {i for i in ids if ids.count(i) > 1})
    for i in ids:
        # Jupyter's own are eight hex digits (or a UUID)
        if not re.fullmatch(r"[a-z0-9][\w-]{2,63}", i) or re.fullmatch(
            r"[0-9a-f]{8}(-[0-9a-f-]{27})?", i
        ):
            yield f"id {i!r} does not speak"


def cells_have_slide_types_and_known_tags(page):
    for cell in page.cells:
        kind = cell["metadata"].get("slideshow", {}).get("slide_type")
        if kind not in SLIDES:
            yield f"cell {cell['id']}: slide type {kind!r}"
        if tags(cell) - TAGS:
            yield f"cell {cell['id']}: tags {sorted(tags(cell) - TAGS)}"
        if ("exercise" in tags(cell)) != ("raises-exception" in tags(cell)):
            yield f"cell {cell['id']}: `raises-exception` goes with `exercise`"
        if set(cell["metadata"]) - {"slideshow", "tags"}:
            yield f"cell {cell['id']}: metadata {sorted(cell['metadata'])}"
    for i, level, text in page.headings:
        cell = page.cells[i]
        if level <= 2 and cell["metadata"].get("slideshow", {}).get(
            "slide_type"
        ) not in (
            "slide",
            "subslide",
        ):
            yield f"{text!r} does not start a slide"


def metadata_is_minimal(page):
    if set(page.data["metadata"]) != {"kernelspec", "language_info"}:
        yield f"metadata {sorted(page.data['metadata'])}"
    if page.data["metadata"].get("kernelspec", {}).get("name") != "python3":
        yield "the kernel is not python3"
    if page.data["metadata"].get("language_info") != {"name": "python"}:
        yield "language_info holds more than the name"


def executed_in_order_without_errors(page):
    counts = [cell.get("execution_count") for cell in page.code()]
    if counts != list(range(1, len(counts) + 1)):
        yield f"execution counts {counts}: run python -m tests.execute {page.number}"
    for cell in page.code():
        for output in cell["outputs"]:
            if output["output_type"] == "error":
                yield f"cell {cell['id']} shows an error"
            if output.get("name") == "stderr":
                yield f"cell {cell['id']} wrote to stderr"
            if any("widget" in kind for kind in output.get("data", ())):
                yield f"cell {cell['id']} stores a widget"


def title_says_lecture_time_and_needs(page):
    first = source(page.cells[0])
    number = re.escape(page.number)
    if not re.match(rf"# (?:Appendix )?{number} · \S", first):
        yield f"the first cell starts {first[:30]!r}, not '# {page.number} · Title'"
    load = measure(read(page.path))
    found = re.search(
        r"^\*\*Lecture:\*\* .+ · \*\*Time:\*\* (.+) · \*\*You need:\*\* .+$",
        first,
        re.M,
    )
    if not found:
        yield "no line '**Lecture:** … · **Time:** … · **You need:** …'"
    elif found[1] != str(load):
        yield f"takes {load}, and says {found[1]}: run python -m tests.minutes"
    if load.main.minutes > 60 and "**A good place to stop.**" not in page.markdown:
        yield "longer than 60 minutes without '**A good place to stop.**'"
    if len([h for h in page.headings if h[1] == 1]) != 1:
        yield "more than one heading of level 1"


def skeleton_stands_in_order(page):
    if page.appendix:
        return
    wanted = [
        title
        for title in FIXED
        if not (title == "Recall" and not page.between(1, 99))
        and not (title == "Guarantee ledger" and not page.between(4, 99))
    ]
    titles = [text for _, level, text in page.headings if level == 2]
    there = [text for text in titles if text in FIXED]
    if there != wanted:
        yield f"sections {there}, expected {wanted}"
        return
    first = "Recall" if "Recall" in wanted else "Goals"
    start, end = titles.index(first), titles.index("Exercises")
    if titles[: start + 1] != wanted[: wanted.index(first) + 1]:
        yield f"sections before {first}: {titles[:start]}"
    if {*titles[start + 1 : end]} <= {"Deeper than the lecture"}:
        yield f"no section for an idea between {first} and Exercises"
    if titles[end:] != wanted[wanted.index("Exercises") :]:
        yield f"sections after Exercises: {titles[end:]}"


def goals_are_checkable(page):
    goals = "\n".join(source(cell) for cell in page.section("Goals"))
    items = re.findall(r"^- You can .+", goals, re.M)
    if not page.appendix and not 3 <= len(items) <= 4:
        yield f"{len(items)} goals '- You can …', expected 3 or 4"


def recall_has_three_folded_questions(page):
    if not page.between(1, 99):
        return
    recall = "\n".join(source(cell) for cell in page.section("Recall"))
    questions = re.findall(r"^\*\*(\d)\.\*\* .+", recall, re.M)
    answers = DETAILS.findall(recall)
    if questions != ["1", "2", "3"] or len(answers) != 3:
        yield f"questions {questions} and {len(answers)} folded answers, expected 3"


def answers_are_folded_alike(page):
    for cell in page.cells:
        if cell["cell_type"] == "markdown":
            text = source(cell)
            folded = DETAILS.findall(text)
            if not len(folded) == text.count("<details") == text.count("</details>"):
                yield f"cell {cell['id']}: an answer not folded as the others"
            for _, answer in folded:
                if re.search(r"^#+ |<summary>", answer, re.M):
                    yield f"cell {cell['id']}: a heading or a fold inside an answer"


def ideas_ask_before_they_show(page):
    if not page.between(1, 16):
        return
    for marker in ("**Predict.**", "**What you see.**", "**Break it.**"):
        if marker not in page.markdown:
            yield f"no {marker}"


def questions_are_answered_in_words(page):
    """Each prediction and each widget has an entry in `questions`, and the words are
    where it says: below what asks (a widget: beside it), in the same cell only folded.
    """
    if page.appendix:
        return
    ids = [cell["id"] for cell in page.cells]
    asking = {
        cell["id"]: cell["cell_type"] == "code"
        for cell in page.cells
        if "**Predict.**" in source(cell) or EXPLORE_CELL.search(source(cell))
    }
    listed = LISTED.get(page.path.stem, {})
    yield from (f"cell {id} isn't listed" for id in sorted(asking.keys() - listed))
    yield from (f"cell {id} asks nothing" for id in sorted(listed.keys() - asking))
    for id in sorted(asking.keys() & listed):
        for where, words in zip(listed[id][::2], listed[id][1::2], strict=True):
            says = said(page.cells[ids.index(where)]) if where in ids else ""
            if where == id:
                says = "\n".join(answer for _, answer in DETAILS.findall(says))
            if words not in says:
                yield f"cell {id}: {where} doesn't answer {words!r}"
            elif ids.index(where) < ids.index(id) - 2 * asking[id]:
                yield f"cell {id}: {where} answers before it is asked"


def said(cell):
    """What a cell says in words: its text, or what its code has printed."""
    if cell["cell_type"] == "markdown":
        return source(cell)
    return "\n".join(
        "".join(output.get("text") or output.get("data", {}).get("text/plain", ""))
        for output in cell["outputs"]
        if "image/png" not in output.get("data", {})
    )


def the_idea_is_on_the_page(page):
    cells = [cell for cell in page.code() if "same-as-package" in tags(cell)]
    if page.between(1, 14) and not cells:
        yield "no cell tagged same-as-package"
    for cell in cells:
        if "assert" not in source(cell):
            yield f"cell {cell['id']} is tagged same-as-package but asserts nothing"


def box_recap_and_ledger(page):
    if page.appendix:
        return

    def text(title):
        return "\n".join(source(cell) for cell in page.section(title))

    if not re.search(r"^> \S", text("What implementations do"), re.M):
        yield "What implementations do: no box ('> ' lines)"
    if not re.search(r"^\*\*The one line to remember:\*\* \S", text("Recap"), re.M):
        yield "Recap: no '**The one line to remember:**'"
    if page.between(4, 99) and not re.search(
        r"^\| proved \| just given up \| what restores it \|$",
        text("Guarantee ledger"),
        re.M,
    ):
        yield "Guarantee ledger: no table | proved | just given up | what restores it |"


def exercises_are_announced_alike(page):
    if page.appendix:
        return
    cells = page.section("Exercises")
    text = "\n".join(source(cell) for cell in cells)
    said = re.findall(
        r"^### Exercise (\d) · (.+) \((●○○|●●○|●●●), (\d+) minutes\)$", text, re.M
    )
    names = [
        re.search(r"^lesson\.(\w+)\.check\(", source(cell), re.M)
        for cell in page.code()
        if "exercise" in tags(cell)
    ]
    if [int(s[0]) for s in said] != list(range(1, len(names) + 1)) or None in names:
        yield f"{len(said)} headings '### Exercise N · …', {len(names)} exercise cells"
    if [s[1] for s in said] != [n[1] for n in names if n]:
        yield "the headings' names are not those of the exercises"
    inside = [cell["id"] for cell in cells if "exercise" in tags(cell)]
    if len(inside) != len(names):
        yield "an exercise stands outside of ## Exercises"
    for cell in page.code():
        if "exercise" in tags(cell):
            out = "".join("".join(o.get("text", "")) for o in cell["outputs"])
            if not re.fullmatch(r"\[todo\] .+\n", out):
                yield f"cell {cell['id']}: stored as {out[:40]!r}, not as [todo]"


def exercises_do_not_block(page):
    """No later cell reads a name that only an exercise cell defines."""
    pending = set()
    for cell in page.code():
        tree = ast.parse(re.sub(r"^[%!].*$", "", source(cell), flags=re.M))
        names = [n for n in ast.walk(tree) if isinstance(n, ast.Name)]
        functions = {n.name for n in tree.body if isinstance(n, ast.FunctionDef)}
        stored = {n.id for n in names if isinstance(n.ctx, ast.Store)}
        if "exercise" in tags(cell):
            pending |= functions | stored
            continue
        read = {n.id for n in names if isinstance(n.ctx, ast.Load)}
        pending -= functions | stored
        imported = {
            (a.asname or a.name).split(".")[0]
            for n in ast.walk(tree)
            if isinstance(n, (ast.Import, ast.ImportFrom))
            for a in n.names
        }
        pending -= imported
        if read & pending:
            yield f"cell {cell['id']} needs the exercise's {sorted(read & pending)}"


def ends_with_progress_and_links(page):
    if page.appendix:
        return
    last_code = [*page.code()][-1]
    if source(last_code) != "lesson.progress()":
        yield f"the last code cell is {source(last_code)!r}, not lesson.progress()"
    if page.cells[-2] is not last_code:
        yield "lesson.progress() is not the last cell but one"


def previous_and_next_are_right(page):
    last = source(page.cells[-1])
    here = page.order.index(page.path)
    wanted = []
    if here > 0:
        other = page.order[here - 1]
        wanted.append(f"[← Previous: {title_of(other)}]({other.name})")
    if here + 1 < len(page.order):
        other = page.order[here + 1]
        wanted.append(f"[Next: {title_of(other)} →]({other.name})")
    if last.strip() != " · ".join(wanted):
        yield f"the last cell is {last!r}, expected {' · '.join(wanted)!r}"


def links_resolve(page):
    text = without_fences(page.markdown)
    for target in LINK.findall(re.sub(r"`[^`\n]*`", "", text)):
        if re.match(r"https://|mailto:", target):
            continue
        file, _, fragment = target.partition("#")
        path = page.path.parent / file if file else page.path
        if re.match(r"\w+:", target) or target.startswith("/"):
            yield f"{target}: neither relative nor https"
        elif not path.exists():
            yield f"{target}: no such file"
        elif fragment and path.suffix == ".ipynb":
            anchors = {anchor(t) for _, _, t in Page(path, ()).headings}
            if fragment not in anchors:
                yield f"{target}: no such heading"
        elif fragment and path.suffix == ".md":
            heads = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.M)
            slugs = {
                re.sub(r"[^\w\- ]", "", h).lower().replace(" ", "-") for h in heads
            }
            if fragment not in slugs:
                yield f"{target}: no such heading"


def code_fits_the_page(page):
    for cell in page.code():
        lines = source(cell).splitlines()
        limit = 25 if "long" in tags(cell) else 15
        if "exercise" in tags(cell):
            limit = 25
        if len(lines) > limit:
            yield f"cell {cell['id']}: {len(lines)} lines, at most {limit}"
        for n, line in enumerate(lines, 1):
            if len(line) > 75:
                yield f"cell {cell['id']}, line {n}: {len(line)} characters, at most 75"
        for output in cell["outputs"]:
            text, data = output.get("text", ""), output.get("data", {})
            if "text/html" in data:  # a table
                text = data["text/plain"]
            for line in "".join(text).splitlines():
                if len(line) > 76:  # the printed page would break it
                    yield f"cell {cell['id']}: prints a line of {len(line)}"


def nothing_is_hidden_from_nbval(page):
    for cell in page.code():
        if "NBVAL_" in source(cell).upper():
            yield f"cell {cell['id']}: an NBVAL_ comment"
        ignored = "nbval-ignore-output" in tags(cell)
        live = EXPLORE_CELL.search(source(cell)) or re.search(
            r"tqdm|progress=True|train\(", source(cell)
        )
        if ignored and not live:
            yield f"cell {cell['id']}: ignored, but neither a widget nor a progress bar"


def outputs_leak_nothing(page):
    for cell in page.code():
        for output in cell["outputs"]:
            texts = ["".join(output.get("text", ""))]
            texts += [
                "".join(value)
                for kind, value in output.get("data", {}).items()
                if kind.startswith("text/")
            ]
            for what, pattern in LEAKS.items():
                for text in texts:
                    if found := pattern.search(text):
                        yield f"cell {cell['id']} prints {what}: {found[0]!r}"


def figures_are_described(page):
    for i, cell in enumerate(page.cells):
        for output in pictures(cell):
            alt = output.get("metadata", {}).get("image/png", {}).get("alt", "")
            if len(alt) < 20:
                yield f"cell {cell['id']}: a figure without alt text"
            beside = page.cells[max(0, i - 1) : i] + page.cells[i + 1 : i + 2]
            if not any(
                c["cell_type"] == "markdown" and len(source(c)) > 30 for c in beside
            ):
                yield f"cell {cell['id']}: a figure without a sentence beside it"
            if set(output["data"]) - {"image/png", "text/plain"}:
                yield f"cell {cell['id']}: a figure as {sorted(output['data'])}"
            width = struct.unpack(
                ">I", base64.b64decode("".join(output["data"]["image/png"]))[16:20]
            )[0]
            if width > 1200:
                yield f"cell {cell['id']}: a figure {width} pixels wide"


def widgets_stand_beside_their_static_figure(page):
    for i, cell in enumerate(page.cells):
        if cell["cell_type"] != "code" or ".explore(" not in source(cell):
            continue
        found = EXPLORE_CELL.search(source(cell))
        if not found or source(cell).strip() != found[0]:
            yield f"cell {cell['id']} is not just 'lesson.NAME.explore()'"
            continue
        if "nbval-ignore-output" not in tags(cell):
            yield f"cell {cell['id']}: a widget without the tag nbval-ignore-output"
        near = page.cells[max(0, i - 2) : i] + page.cells[i + 1 : i + 3]
        shown = [m[1] for c in near for m in [SHOWN_CELL.search(source(c))] if m]
        if found[1] not in shown:
            yield f"cell {cell['id']}: no lesson.{found[1]}.show() beside the widget"


def widgets_leave_a_sentence(page):
    for cell in page.code():
        if EXPLORE_CELL.search(source(cell)):
            texts = ["".join(o["data"]["text/plain"]) for o in cell["outputs"]]
            if texts != [ASLEEP]:
                yield f"cell {cell['id']}: stored as {texts}, not as [{ASLEEP!r}]"


def tree_of(cell):
    return ast.parse(re.sub(r"^[%!].*$", "", source(cell), flags=re.M))


def tables_are_not_made_by_hand(page):
    """No columns by formats with a width, such as 6.2f, line after line; no heads."""
    for cell in page.code():
        tree = tree_of(cell)
        rows = [call for call in ast.walk(tree) if prints_columns(call)]
        loops = [node for node in ast.walk(tree) if isinstance(node, ast.For)]
        looped = any(call in rows for loop in loops for call in ast.walk(loop))
        if looped or len(rows) > 2 or any(map(prints_a_head, ast.walk(tree))):
            yield f"cell {cell['id']} prints a table by hand: use table(...)"


def is_print(node):
    return isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print"


def prints_columns(node):
    return is_print(node) and any(
        re.match(r"(.?[<>=^])?[-+ ]?#?0?[1-9]", ast.unparse(part.format_spec)[2:-1])
        for part in ast.walk(node)
        if isinstance(part, ast.FormattedValue) and part.format_spec
    )


def prints_a_head(node):
    """A text with three words or more, set apart by several spaces."""
    return is_print(node) and any(
        len(re.split(r" {2,}", str(argument.value).strip())) > 2
        for argument in node.args
        if isinstance(argument, ast.Constant)
    )


def cells_hold_no_alt_text(page):
    for cell in page.code():
        for call in ast.walk(tree_of(cell)):
            if not isinstance(call, ast.Call):
                continue
            name = getattr(call.func, "id", getattr(call.func, "attr", ""))
            values = [*call.args, *(keyword.value for keyword in call.keywords)]
            texts = [v.value for v in values if isinstance(v, ast.Constant)]
            if name == "show" and any(len(str(text)) > 30 for text in texts):
                yield f"cell {cell['id']} holds an alt text: it belongs to the lesson"


class Bindings(ast.NodeVisitor):
    """{name: kinds} that a cell binds: function, import or value."""

    def __init__(self):
        self.kinds = {}

    def bind(self, name, kind):
        self.kinds.setdefault(name, set()).add(kind)

    def visit_FunctionDef(self, node):
        self.bind(node.name, "function")

    visit_ClassDef = visit_FunctionDef

    def visit_Import(self, node):
        for alias in node.names:
            self.bind((alias.asname or alias.name).split(".")[0], "import")

    visit_ImportFrom = visit_Import

    def visit_Name(self, node):
        if isinstance(node.ctx, ast.Store):
            self.bind(node.id, "value")

    def in_its_own_scope(self, node):
        pass

    visit_Lambda = visit_ListComp = visit_GeneratorExp = in_its_own_scope
    visit_SetComp = visit_DictComp = in_its_own_scope


def names_keep_their_kind(page):
    kinds = {}
    for cell in page.code():
        bindings = Bindings()
        bindings.visit(tree_of(cell))
        for name, found in bindings.kinds.items():
            before = kinds.setdefault(name, found)
            if before | found != before or len(before | found) > 1:
                both = " and ".join(sorted(before | found))
                yield f"cell {cell['id']}: {name} is {both}"


def deeper_parts_are_announced_alike(page):
    """What the main road goes round has a heading, says so, and stands last."""
    heading, ends = "Deeper than the lecture", "**The main road ends here.**"
    start = (
        f"## {heading}\n\n{ends} It goes on with the exercises. For those with time: "
    )
    for cell in page.cells:
        there = f"## {heading}" in source(cell) or ends in source(cell)
        if there and not re.match(re.escape(start), source(cell)):
            yield f"cell {cell['id']} ends the main road unlike the others"
    titles = [text for _, level, text in page.headings if level == 2]
    if heading in titles and titles[titles.index(heading) + 1] != "Exercises":
        yield f"{heading!r} is not the last section before Exercises"


def page_has_its_row_and_its_tests(page):
    root = page.path.parent.parent
    title = title_of(page.path).removeprefix("Appendix ")
    row = f"| [{title}](notebooks/{page.path.name}) |"
    readme = (root / "README.md").read_text(encoding="utf-8")
    if row not in readme:
        yield f"README.md has no row {row!r}"
    start = source(Page(page.order[0], ()).section("The map")[0])
    minutes = f" {measure(read(page.path)).row()} |"
    for name, text in (("README.md", readme), ("00", start)):
        if page.number == name:  # it isn't on its own map
            continue
        if not (row := row_of(text, page.path.name)) or row[2] != minutes:
            yield f"{name}: no row with{minutes} run python -m tests.minutes"
    if not page.appendix and not (root / f"tests/test_n{page.number}.py").exists():
        yield f"no tests/test_n{page.number}.py"


def files_stay_small(page):
    limit = 1_000_000 if page.number in LARGE else 500_000
    size = page.path.stat().st_size
    if size > limit:
        yield f"{size:,} bytes, at most {limit:,}"


RULES = [
    cells_have_fixed_speaking_ids,
    cells_have_slide_types_and_known_tags,
    metadata_is_minimal,
    executed_in_order_without_errors,
    title_says_lecture_time_and_needs,
    skeleton_stands_in_order,
    goals_are_checkable,
    recall_has_three_folded_questions,
    answers_are_folded_alike,
    ideas_ask_before_they_show,
    questions_are_answered_in_words,
    the_idea_is_on_the_page,
    box_recap_and_ledger,
    exercises_are_announced_alike,
    exercises_do_not_block,
    ends_with_progress_and_links,
    previous_and_next_are_right,
    links_resolve,
    code_fits_the_page,
    nothing_is_hidden_from_nbval,
    outputs_leak_nothing,
    figures_are_described,
    widgets_stand_beside_their_static_figure,
    deeper_parts_are_announced_alike,
    page_has_its_row_and_its_tests,
    files_stay_small,
]
NEW_FORM = [
    tables_are_not_made_by_hand,
    cells_hold_no_alt_text,
    names_keep_their_kind,
    widgets_leave_a_sentence,
]
ASKED = [
    pytest.param(path, rule, id=f"{path.stem}-{rule.__name__}")
    for path in PAGES
    for rule in RULES + NEW_FORM
]


@pytest.mark.parametrize("path, rule", ASKED)
def test_page(path, rule):
    assert [*rule(Page(path, tuple(PAGES)))] == []


# --- each rule complains about a page that breaks it

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 9, 9))
FOLDED = "<details><summary>Answer {}</summary>\n\nIt is so.\n\n</details>\n\n"
QUIZ = "".join(f"**{n}.** Why is it so?\n\n" + FOLDED.format(n) for n in (1, 2, 3))


def text_cell(id, text, slide="slide"):
    slideshow = {"slideshow": {"slide_type": slide}}
    return dict(cell_type="markdown", id=id, metadata=slideshow, source=text)


def code_cell(id, text, outputs=(), *tags):
    metadata = {"slideshow": {"slide_type": "fragment"}}
    if tags:
        metadata["tags"] = list(tags)
    return dict(
        cell_type="code",
        id=id,
        metadata=metadata,
        source=text,
        outputs=list(outputs),
        execution_count=None,
    )


def printed(text):
    return {"output_type": "stream", "name": "stdout", "text": text}


def figure(alt="a line that rises from left to right"):
    return {
        "output_type": "display_data",
        "data": {"image/png": PNG.decode(), "text/plain": f"Figure: {alt}"},
        "metadata": {"image/png": {"alt": alt}},
    }


def asleep():
    data = {"text/plain": ASLEEP}
    return {"output_type": "display_data", "data": data, "metadata": {}}


def table_output(text):
    data = {"text/plain": text, "text/html": "<table></table>"}
    return {"output_type": "display_data", "data": data, "metadata": {}}


def good_cells():
    see = "**What you see.** The line rises from left to right.\n\n**Break it.** Try."
    time = "5 minutes, exercises 5, deeper 5"
    line = f"**Lecture:** all · **Time:** {time} · **You need:** 03"
    ends = "**The main road ends here.** It goes on with the exercises."
    check = "def ratio(x):\n    ...\n\nlesson.ratio.check(ratio)"
    ledger = "| proved | just given up | what restores it |\n| --- | --- | --- |"
    cells = [
        text_cell("title", f"# 04 · Four\n\n{line}"),
        text_cell("goals", "## Goals\n\n" + "- You can do it.\n" * 3),
        text_cell("recall", f"## Recall\n\n{QUIZ}"),
        text_cell("idea", "## An idea\n\n$x$\n\n**Predict.** What is $x$?"),
        code_cell("same", "assert 1 == 1", (), "same-as-package"),
        code_cell("weights-figure", "lesson.weights.show()", [figure()]),
        text_cell("weights-words", see, "fragment"),
        code_cell(
            "explore", "lesson.weights.explore()", [asleep()], "nbval-ignore-output"
        ),
        text_cell(
            "deeper", f"## Deeper than the lecture\n\n{ends} For those with time: more."
        ),
        text_cell("exercises", "## Exercises"),
        text_cell("ratio-text", "### Exercise 1 · ratio (●○○, 5 minutes)", "subslide"),
        code_cell(
            "ratio",
            check,
            [printed("[todo] ratio: not yet.\n")],
            "exercise",
            "raises-exception",
        ),
        text_cell("implementations", "## What implementations do\n\n> They differ."),
        text_cell("recap", "## Recap\n\n**The one line to remember:** $x$ is $x$."),
        text_cell("ledger", f"## Guarantee ledger\n\n{ledger}"),
        text_cell("progress-text", "## Progress\n\nTick the goals."),
        code_cell("progress", "lesson.progress()", [printed("left\n")]),
        text_cell("links", "[← Previous: 03 · Three](03_three.ipynb)", "skip"),
    ]
    return {cell["id"]: cell for cell in cells}


def written(folder, cells):
    """The page 04 of these cells after a page 03, as a Page."""
    from tests.execute import METADATA

    counts = iter(range(1, 100))
    for cell in cells:
        if cell["cell_type"] == "code" and cell["execution_count"] is None:
            cell["execution_count"] = next(counts)
    row = "| [04 · Four]({}04_four.ipynb) | a step | 5 + 5 + 5 |"
    before = [
        text_cell("title", "# 03 · Three\n\n## A part"),
        text_cell("map", f"## The map\n\n{row.format('')}"),
    ]
    (folder / "notebooks").mkdir()
    (folder / "tests").mkdir()
    (folder / "tests/test_n04.py").touch()
    (folder / "README.md").write_text(row.format("notebooks/"), encoding="utf-8")
    paths = folder / "notebooks/03_three.ipynb", folder / "notebooks/04_four.ipynb"
    for path, content in zip(paths, (before, cells), strict=True):
        data = dict(cells=content, metadata=METADATA, nbformat=4, nbformat_minor=5)
        path.write_text(json.dumps(data), encoding="utf-8")
    return Page(paths[1], paths)


def test_a_good_page_passes_every_rule(tmp_path):
    page = written(tmp_path, [*good_cells().values()])
    assert {r.__name__: [*r(page)] for r in RULES + NEW_FORM if [*r(page)]} == {}


def replaced(id, old, new):
    def change(cells):
        assert old in cells[id]["source"]
        cells[id]["source"] = cells[id]["source"].replace(old, new)

    return change


def prints(text, id="same"):
    def change(cells):
        cells[id]["outputs"] = [printed(text)]

    return change


def adds(text, id="same"):
    def change(cells):
        cells[id]["source"] += f"\n{text}"

    return change


def tagged(id, *tags):
    def change(cells):
        cells[id]["metadata"]["tags"] = list(tags)

    return change


def removed(id):
    def change(cells):
        del cells[id]

    return change


def set_item(id, key, value):
    def change(cells):
        cells[id][key] = value

    return change


def moved(id, before):
    def change(cells):
        cell = cells.pop(id)
        rest = [*cells.items()]
        cells.clear()
        for key, other in rest:
            if key == before:
                cells[id] = cell
            cells[key] = other

    return change


BROKEN = [
    (cells_have_fixed_speaking_ids, set_item("same", "id", "recap")),
    (cells_have_fixed_speaking_ids, set_item("same", "id", "0f3a55d1")),
    (cells_have_slide_types_and_known_tags, set_item("same", "metadata", {})),
    (cells_have_slide_types_and_known_tags, tagged("same", "nbval-skip")),
    (cells_have_slide_types_and_known_tags, tagged("same", "raises-exception")),
    (cells_have_slide_types_and_known_tags, tagged("ratio", "exercise")),
    (executed_in_order_without_errors, set_item("same", "execution_count", 7)),
    (
        executed_in_order_without_errors,
        set_item("same", "outputs", [dict(printed("x"), name="stderr")]),
    ),
    (title_says_lecture_time_and_needs, replaced("title", "# 04", "# 05")),
    (title_says_lecture_time_and_needs, replaced("title", "**Time:**", "Time:")),
    (
        title_says_lecture_time_and_needs,
        replaced("title", "exercises 5", "exercises 4"),
    ),
    (title_says_lecture_time_and_needs, replaced("recap", "$x$ is", "word " * 9000)),
    (skeleton_stands_in_order, moved("recap", "implementations")),
    (skeleton_stands_in_order, removed("ledger")),
    (skeleton_stands_in_order, removed("idea")),
    (skeleton_stands_in_order, moved("idea", "goals")),
    (goals_are_checkable, replaced("goals", "- You", "- [ ] You")),
    (recall_has_three_folded_questions, replaced("recall", "**3.**", "3.")),
    (answers_are_folded_alike, replaced("recall", "It is so.\n\n", "It is so.\n")),
    (answers_are_folded_alike, replaced("recall", "It is so.", "## So")),
    (ideas_ask_before_they_show, replaced("idea", "**Predict.**", "Predict.")),
    (ideas_ask_before_they_show, replaced("weights-words", "**Break it.**", "Try:")),
    (questions_are_answered_in_words, replaced("weights-words", "rises", "falls")),
    (questions_are_answered_in_words, replaced("recap", "$x$ is", "**Predict.**")),
    (questions_are_answered_in_words, removed("explore")),
    (questions_are_answered_in_words, removed("weights-words")),
    (questions_are_answered_in_words, moved("weights-words", "goals")),
    (the_idea_is_on_the_page, tagged("same")),
    (the_idea_is_on_the_page, replaced("same", "assert", "print")),
    (box_recap_and_ledger, replaced("implementations", "> ", "")),
    (box_recap_and_ledger, replaced("recap", "**The one line", "The one line")),
    (box_recap_and_ledger, replaced("ledger", "proved", "kept")),
    (exercises_are_announced_alike, replaced("ratio-text", "ratio", "other")),
    (exercises_are_announced_alike, replaced("ratio-text", "●○○", "easy")),
    (exercises_are_announced_alike, moved("ratio", "exercises")),
    (exercises_are_announced_alike, prints("[ok] ratio: right.\n", "ratio")),
    (exercises_do_not_block, replaced("progress", "lesson", "ratio(1); lesson")),
    (ends_with_progress_and_links, replaced("progress", "progress", "other")),
    (ends_with_progress_and_links, moved("progress", "progress-text")),
    (previous_and_next_are_right, replaced("links", "Three", "Drei")),
    (previous_and_next_are_right, removed("links")),
    (links_resolve, replaced("idea", "$x$", "[x](05_five.ipynb)")),
    (links_resolve, replaced("idea", "$x$", "[x](03_three.ipynb#Other-part)")),
    (links_resolve, replaced("idea", "$x$", "[x](#Nowhere)")),
    (links_resolve, replaced("idea", "$x$", "[x](http://example.org)")),
    (code_fits_the_page, replaced("same", "assert", "# " + "x" * 75 + "\nassert")),
    (code_fits_the_page, set_item("same", "outputs", [printed("x" * 77)])),
    (code_fits_the_page, replaced("same", "assert", "pass\n" * 15 + "assert")),
    (code_fits_the_page, prints("x" * 120)),
    (nothing_is_hidden_from_nbval, replaced("same", "assert", "# NBVAL_SKIP\nassert")),
    (nothing_is_hidden_from_nbval, tagged("same", "nbval-ignore-output")),
    (outputs_leak_nothing, prints("in /home/someone/course")),
    (outputs_leak_nothing, prints("<object at 0x7f1234567890>")),
    (outputs_leak_nothing, prints("took 12.5 ms")),
    (outputs_leak_nothing, prints("[-0. 1.]")),
    (figures_are_described, set_item("weights-figure", "outputs", [figure("")])),
    (figures_are_described, removed("weights-words")),
    (widgets_stand_beside_their_static_figure, removed("weights-figure")),
    (widgets_stand_beside_their_static_figure, tagged("explore")),
    (
        widgets_stand_beside_their_static_figure,
        replaced("weights-figure", "weights", "others"),
    ),
    (code_fits_the_page, set_item("same", "outputs", [table_output("x" * 77)])),
    (deeper_parts_are_announced_alike, moved("deeper", "idea")),
    (deeper_parts_are_announced_alike, replaced("deeper", "**The main", "The main")),
    (deeper_parts_are_announced_alike, replaced("deeper", "## Deeper", "### Deeper")),
    (page_has_its_row_and_its_tests, adds("y = 1\n" * 90)),
    (files_stay_small, prints("x" * 600_000)),
    (widgets_leave_a_sentence, set_item("explore", "outputs", [])),
    (
        cells_hold_no_alt_text,
        adds("show(lesson.draw(), 'a line that rises from left to right')"),
    ),
    (
        cells_hold_no_alt_text,
        adds("plots.show(figure, alt='a line, rising to the right, dashed')"),
    ),
    (names_keep_their_kind, adds("def L(): ...\nfor L in range(3): pass")),
    (names_keep_their_kind, adds("import math\nmath = 3")),
    (names_keep_their_kind, adds("ratio = 3")),  # an exercise's name
    *(
        (tables_are_not_made_by_hand, adds(f"for x in (1, 2):\n    {line}"))
        for line in (
            "print(f'{x:6.2f}')",
            "print(f'{x:>4}', x)",
            "print('x', *(f'{y:7.3f}' for y in (x, x)))",
            "print(f'{x:24s} {x:.2f}')",
        )
    ),
    (tables_are_not_made_by_hand, adds("print(f'{1:6.2f}')\n" * 3)),
    (tables_are_not_made_by_hand, adds("print('  p     L     eta')")),
]


@pytest.mark.parametrize(
    "rule, change",
    [pytest.param(*b, id=f"{b[0].__name__}-{i}") for i, b in enumerate(BROKEN)],
)
def test_rule_complains(tmp_path, rule, change):
    cells = good_cells()
    change(cells)
    assert [*rule(written(tmp_path, [*cells.values()]))]


def test_metadata_rule_complains(tmp_path):
    page = written(tmp_path, [*good_cells().values()])
    page.data["metadata"] = {**page.data["metadata"], "widgets": {}}
    assert [*metadata_is_minimal(page)]


@pytest.mark.parametrize(
    "text",
    [
        "for x in (1, 2):\n    print(f'{x:.2f} {x!r}')",
        "print(f'{1:6.2f}')",
        "lesson.weights.show('short')",
        "x = 1\nx = [x for show in (1, 2)]\ndef f():\n    x = 2",
    ],
)
def test_rules_of_code_let_pass_what_is_good(tmp_path, text):
    cells = good_cells()
    adds(text)(cells)
    page = written(tmp_path, [*cells.values()])
    assert [c for rule in NEW_FORM for c in rule(page)] == []


def test_row_and_tests_are_asked_for(tmp_path):
    page = written(tmp_path, [*good_cells().values()])
    (tmp_path / "tests/test_n04.py").unlink()
    assert [*page_has_its_row_and_its_tests(page)] == ["no tests/test_n04.py"]
    (tmp_path / "README.md").write_text("[04 · Four](notebooks/04_four.ipynb)")
    assert len([*page_has_its_row_and_its_tests(page)]) == 3


def test_links_to_headings_that_exist_resolve(tmp_path):
    cells = good_cells()
    cells["idea"]["source"] += " [a](03_three.ipynb#A-part) [b](#An-idea) `[c](no)`"
    assert [*links_resolve(written(tmp_path, [*cells.values()]))] == []


def test_every_rule_is_shown_to_complain():
    shown = {rule for rule, _ in BROKEN}
    shown |= {metadata_is_minimal}
    assert shown == {*RULES, *NEW_FORM}
