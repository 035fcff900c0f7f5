"""What a cell has printed, as a slide's part: a table or lines, in letters that fit.

The largest of `SIZES` is taken at which all of it has room; what has none even at the
smallest is left to the notes. Room is estimated from the widths of DejaVu Sans; the
browser's test measures it.
"""

import html
import math
import re

from trpo_lite.course.publish.page_deck.words import plain

SIZES = 40, 36, 32, 28, 26, 24  # pixels
WIDTH, HEIGHT = 1180, 620
READING = 150  # height that a reading of three lines takes of it
LETTER, MONO = 0.6, 0.603  # the width of a letter by its height
ROW, LINE = 0.4, 1.3  # a row's padding, a line's height, both by a letter's
CELL = re.compile(r"<t([hd])[^>]*>(.*?)</t\1>", re.DOTALL)
TABLE_ROW = re.compile(r"<tr>.*?</tr>", re.DOTALL)


def result(pieces):
    """(HTML, is there room for a reading under it), or None if nothing fits.

    pieces : HTML of tables, and other texts as they were printed.
    """
    for room in (READING, 0):
        for size in SIZES:
            boxes = [_box(piece, size) for piece in pieces]
            high = sum(height + 18 for _, height in boxes) <= HEIGHT - room
            if high and max(width for width, _ in boxes) <= WIDTH:
                inner = "".join(map(_html, pieces))
                style = f"font-size: {size}px"
                return f'<div class="result" style="{style}">{inner}</div>', room > 0
    return None


def only_bold(table):
    """The table with those rows alone that begin in bold, if there are such."""
    head, *rows = TABLE_ROW.findall(table)
    bold = [row for row in rows if "<strong>" in CELL.search(row)[2]]
    if not bold:
        return table
    row = "".join(bold).replace("<strong>", "").replace("</strong>", "")
    return f"<table><thead>{head}</thead><tbody>{row}</tbody></table>"


def lines(text):
    """The HTML of what was printed."""
    return f"<pre>{html.escape(text)}</pre>"


def _html(piece):
    return piece if "<table" in piece else lines(piece)


def _box(piece, size):
    """(width, height) in pixels."""
    if "<table" not in piece:
        lines = piece.split("\n")
        wide = max(map(len, lines)) * MONO * size
        return wide, len(lines) * LINE * size + 20
    rows = [
        [_lines(cell) for _, cell in CELL.findall(row)]
        for row in TABLE_ROW.findall(piece)
    ]
    columns = list(zip(*rows))
    natural = [max(max(map(len, cell)) for cell in column) for column in columns]
    widths = [LETTER * size * length + 28 for length in natural]
    # a long text wraps, a number doesn't
    longest = [
        max((len(w) for cell in column for one in cell for w in one.split()), default=0)
        for column in columns
    ]
    least = sum(LETTER * size * length + 28 for length in longest)
    total = sum(widths)
    if total > WIDTH:
        free = max(WIDTH - least, 0)
        spare = [w - LETTER * size * long - 28 for w, long in zip(widths, longest)]
        share = free / max(sum(spare), 1)
        widths = [
            LETTER * size * long + 28 + share * more
            for long, more in zip(longest, spare)
        ]
    lines = sum(
        max(
            sum(
                max(1, math.ceil(1.1 * LETTER * size * len(one) / (width - 27)))
                if total > WIDTH
                else 1
                for one in cell
            )
            for cell, width in zip(row, widths)
        )
        for row in rows
    )
    caption = "<caption>" in piece
    height = (lines + caption) * LINE * size + (len(rows) + caption) * (ROW * size + 2)
    return min(total, max(least, WIDTH if least <= WIDTH else least)), height


def _lines(cell):
    return [plain(one).strip() for one in re.split(r"<br ?/?>", cell)]
