"""What a cell has printed, as a slide's part: a table or lines, in letters that fit.

The largest of `SIZES` is taken at which all of it has room; what has none even at the
smallest is left to the notes. Room is estimated from the widths of DejaVu Sans; the
browser's test measures it.
"""

import base64
import html
import math
import re
import struct

from trpo_lite.course.publish.page_deck.words import plain

SIZES = 40, 36, 32, 28, 26, 24  # pixels
WIDTH, HEIGHT = 1180, 620
READING = 150  # height that a reading of three lines takes of it
LETTER, MONO = 0.6, 0.603  # the width of a letter by its height
SIDES = 28  # a cell's padding at its sides
ROW, LINE = 0.4, 1.3  # a row's padding, a line's height, both by a letter's
# a picture of more than this height by its width has a slide for itself
TALL = 0.63
CELL = re.compile(r"<t([hd])[^>]*>(.*?)</t\1>", re.DOTALL)
TABLE_ROW = re.compile(r"<tr>.*?</tr>", re.DOTALL)


def result(pieces):
    """(HTML, is there room for a reading under it), or None if nothing fits.

    pieces : HTML of tables, and other texts as they were printed.
    """
    for wrapped, room in ((False, READING), (False, 0), (True, READING), (True, 0)):
        for size in SIZES:
            boxes = [_box(piece, size, wrapped) for piece in pieces]
            high = sum(height + 18 for _, height in boxes) <= HEIGHT - room
            if high and max(width for width, _ in boxes) <= WIDTH:
                inner = "".join(map(_html, pieces))
                style = f"font-size: {size}px"
                return f'<div class="result" style="{style}">{inner}</div>', room > 0
    return None


def parted(table):
    """The HTML of a table of words; of its halves, thirds or quarters for more room.

    Empty if a quarter has none either.
    """
    head, *rows = TABLE_ROW.findall(table)
    for parts in (1, 2, 3, 4):
        size = math.ceil(len(rows) / parts)
        pieces = [rows[i : i + size] for i in range(0, len(rows), size)]
        tables = [_table(head, piece) for piece in pieces] if parts > 1 else [table]
        found = [result([one]) for one in tables]
        if all(found):
            return [html for html, _ in found]
    return []


def _table(head, rows, kind=""):
    body = "".join(rows)
    return f"<table{kind}><thead>{head}</thead><tbody>{body}</tbody></table>"


def only_bold(table):
    """The table with those rows alone that begin in bold, if there are such."""
    head, *rows = TABLE_ROW.findall(table)
    bold = [row for row in rows if "<strong>" in CELL.search(row)[2]]
    if not bold:
        return table
    rows = [row.replace("<strong>", "").replace("</strong>", "") for row in bold]
    return _table(head, rows, ' class="few"')


def lines(text):
    """The HTML of what was printed."""
    return f"<pre>{html.escape(text)}</pre>"


def tall(picture):
    """Has a stored PNG, in base64, the height of a picture with rows of panels?"""
    width, height = struct.unpack(">II", base64.b64decode(picture)[16:24])
    return height > TALL * width


def _html(piece):
    return piece if "<table" in piece else lines(piece)


def _box(piece, size, wrapped):
    """(width, height) in pixels; a table's cells are in lines if it is `wrapped`."""
    if "<table" not in piece:
        rows = piece.split("\n")
        return max(map(len, rows)) * MONO * size, len(rows) * LINE * size + 20
    rows = [
        [_lines(cell) for _, cell in CELL.findall(row)]
        for row in TABLE_ROW.findall(piece)
    ]
    whole = [_widest(column, size, str.splitlines) for column in zip(*rows)]
    words = [_widest(column, size, str.split) for column in zip(*rows)]
    widths = whole
    if wrapped and sum(whole) > WIDTH:
        # each column has its longest word; the rest goes where it is wanted
        spare, wanted = WIDTH - sum(words), sum(whole) - sum(words)
        share = max(0, spare) / wanted
        widths = [least + share * (most - least) for least, most in zip(words, whole)]
    lines = sum(
        max(_height(cell, size, width) for cell, width in zip(row, widths))
        for row in rows
    )
    caption = "<caption>" in piece
    gaps = (len(rows) + caption) * (ROW * size + 2)
    return sum(widths), (lines + caption) * LINE * size + gaps


def _lines(cell):
    return [plain(one).strip() for one in re.split(r"<br ?/?>", cell)]


def _widest(column, size, split):
    """The width of a column that keeps in one line what `split` leaves together."""
    pieces = [piece for cell in column for line in cell for piece in split(line)]
    return LETTER * size * max(map(len, pieces), default=0) + SIDES


def _height(cell, size, width):
    """The lines of a cell in a column of this width; wrapped lines end early."""
    room = width - SIDES + 1
    shares = [LETTER * size * len(line) / room for line in cell]
    return sum(1 if share <= 1 else math.ceil(1.1 * share) for share in shares)
