"""The one way of showing a table of numbers on a page.

    rows = [(p, L(p), (estimate, half)) for ...]
    table("p | L | estimate", rows, (".1f", ".2f", ".2f"))

shows a text for a terminal and an HTML table for a page, slides and a site. A pair is a
mean and the half-width of its interval: `0.01 ± 0.04`.
"""

import html
import re
from numbers import Integral, Number

MISSING = "–"
NEGATIVE_ZERO = re.compile(r"-[0.,]+(e[+-]\d+)?%?")


def table(header, rows, formats=None, caption=""):
    """Display `rows` under `header`: numbers to the right, text to the left.

    header : the columns' names, or one text with " | " between them; "\\n" in a name
        breaks it into lines.
    rows : sequences with an entry for each column: a number, a pair (mean,
        half-width), a text, or None, which is shown as a dash, and so is NaN.
    formats : for each column the format of its numbers, such as ".2f", "d" or ".0%";
        "" is as many as ten digits. By default "" for every column.
    caption : one line of text above the table.
    """
    from IPython.display import display

    header = header.split(" | ") if isinstance(header, str) else header
    cells, numeric = _cells(header, rows, formats)
    bundle = {
        "text/plain": _text(header, cells, numeric, caption),
        "text/html": _html(header, cells, numeric, caption),
    }
    display(bundle, raw=True)


def _cells(header, rows, formats):
    """(rows of texts, whether each column holds numbers) of checked arguments."""
    rows, width = [tuple(row) for row in rows], len(header)
    formats = ("",) * width if formats is None else formats
    if len(formats) != width:
        raise ValueError(
            f"formats has {len(formats)} entries, expected {width}, one a column"
        )
    if not rows:
        raise ValueError("rows is empty, expected at least one row")
    for i, row in enumerate(rows):
        if len(row) != width:
            raise ValueError(
                f"row {i} has {len(row)} entries, expected {width} as in the header"
            )
    numeric = [
        all(v is None or _is_number(v) or _is_pair(v) for v in column)
        for column in zip(*rows)
    ]
    cells = [
        [_cell(i, name, value, spec) for name, value, spec in zip(header, row, formats)]
        for i, row in enumerate(rows)
    ]
    return cells, numeric


def _cell(i, name, value, spec):
    """The text of one entry."""
    try:
        if _is_pair(value):
            mean, half = value
            return f"{number(mean, spec)} ± {number(half, spec)}"
        if value is None or _is_number(value):
            return number(value, spec)
        return str(value)
    except (TypeError, ValueError) as error:
        where = f"row {i}, column {name!r}"
        raise ValueError(f"{where}: {value!r} with format {spec!r}: {error}") from None


def number(value, spec=""):
    """`value` by the format `spec`, without a sign on a zero; a dash if missing."""
    if value is None or value != value:
        return MISSING
    spec = spec or ("d" if isinstance(value, Integral) else ".10g")
    text = format(value, spec)
    return format(0.0, spec) if NEGATIVE_ZERO.fullmatch(text) else text


def _is_number(value):
    return isinstance(value, Number) and not isinstance(value, bool)


def _is_pair(value):
    return isinstance(value, tuple) and len(value) == 2 and all(map(_is_number, value))


def _text(header, cells, numeric, caption):
    """Columns two spaces apart, without spaces at the ends of lines."""
    names = [name.split("\n") for name in header]
    height = max(map(len, names))
    top = [[""] * (height - len(lines)) + lines for lines in names]
    lines = [*zip(*top), *cells]
    widths = [max(map(len, column)) for column in zip(*lines)]
    aligned = [
        "  ".join(
            entry.rjust(width) if right else entry.ljust(width)
            for entry, width, right in zip(line, widths, numeric)
        ).rstrip()
        for line in lines
    ]
    return "\n".join([caption] * bool(caption) + aligned)


def _html(header, cells, numeric, caption):
    """A table without colours and sizes: those are the page's."""

    def entry(tag, scope, text, right):
        scope = f' scope="{scope}"' if tag == "th" else ""
        side = "right" if right else "left"
        text = html.escape(text).replace("\n", "<br>")
        return f'<{tag}{scope} style="text-align: {side}">{text}</{tag}>'

    lines = [f"<caption>{html.escape(caption)}</caption>"] if caption else []
    names = [entry("th", "col", *column) for column in zip(header, numeric)]
    lines.append(f"<thead><tr>{''.join(names)}</tr></thead>")
    lines.append("<tbody>")
    # a text in the first column names its row
    tags = ["td" if numeric[0] else "th"] + ["td"] * (len(header) - 1)
    for row in cells:
        entries = [
            entry(tag, "row", *column) for tag, *column in zip(tags, row, numeric)
        ]
        lines.append(f"<tr>{''.join(entries)}</tr>")
    return "\n".join(["<table>", *lines, "</tbody>", "</table>"])
