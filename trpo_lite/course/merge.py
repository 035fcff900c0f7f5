"""Three versions of a page become one, cell by cell.

`base` is the page as it was handed out, `mine` what the reader made of it, `theirs` the
page as the course has it now. Of each cell of the course:

    one of them changed it         that one's version stands
    both did                       the reader's stands, the course's in a note below it;
                                   if the base is lost, not if only a blank is filled in
    the reader removed it          it stays away
    the course removed it          it goes, unless the reader changed it

Cells that the reader added stay below the cell they stand under, and outputs stay. The
order is the reader's, unless the course moved cells. The same merge done again changes
nothing, so one that was killed half-way, or two at once, end with the same page.

Cells are known by their ids. If a tool has dropped all of these, text counts: equal
text, then the place between equal texts, then similar text, there and elsewhere.

nbdime merges pages, too, but line by line: an answer and a new version of its cell
become code that neither side has written, and it does not say so.
"""

import re
from collections import Counter
from dataclasses import dataclass
from difflib import SequenceMatcher
from operator import eq

NEWS = (
    "**New in the course.** You changed the cell above, so it stays as it is. "
    "This is the course's new version. Take what you like and delete this cell."
)
SAID = {
    "both": "you and the course changed it; yours stays, the course's stands below it",
    "kept": "the course has removed it; you changed it, and it stays",
    "away": "the course has changed it; you removed it, and it stays away",
}
MOST = 4  # headings that are named
SIMILAR = 0.6  # two versions of one cell, at least; 1 is equal


@dataclass(frozen=True)
class Merged:
    """The page, what came with it in words, and what is left to the reader.

    news : as "1 new, 2 changed cells, under: Goals; Recall"; "" if nothing came.
    questions : one line for each cell that both sides had a hand in.
    """

    page: dict
    news: str
    questions: tuple[str, ...]


def merge(base, mine, theirs):
    """The reader's page with what is new in the course; base is None if it is lost.

    Pages as from `page.read`; in base and theirs each cell has an id of its own.
    ValueError if no cell of `mine` is the course's.
    """
    old, new = by_id(base) if base else {}, by_id(theirs)
    keys = paired(mine["cells"], old, new)
    if not any(keys):
        raise ValueError("no cell of it is the course's")
    found = {key: cell for key, cell in zip(keys, mine["cells"]) if key}
    decided = {k: decide(old.get(k), found.get(k), new.get(k)) for k in {**old, **new}}
    # beside those of the course, by their ids, the reader's own cells by their numbers
    own = {n: cell for n, cell in enumerate(mine["cells"]) if not keys[n]}
    kept = own | {k: {**cell, "id": k} for k, (_, cell) in decided.items() if cell}
    here = [key or n for n, key in enumerate(keys) if (key or n) in kept]
    there = [key for key in new if key in kept]
    cells = [kept[key] for key in arranged([*old], here, there)]
    for key, (what, _) in decided.items():
        if what == "both":
            cells = noted(cells, key, old.get(key), new[key])
    places = {**places_of(base), **places_of(theirs)} if base else places_of(theirs)
    return Merged(
        {**mine, "cells": named(cells), "nbformat_minor": 5},
        told({k: what for k, (what, _) in decided.items()}, places),
        tuple(f"{k}: {SAID[what]}" for k, (what, _) in decided.items() if what in SAID),
    )


def told(whats, places):
    """What came with a page, in words; whats, places : by the cells' ids."""
    came = {key: w for key, w in whats.items() if w in ("new", "changed", "gone")}
    count = Counter(came.values())
    counts = [f"{count[w]} {w}" for w in ("new", "changed", "gone") if count[w]]
    where = [*dict.fromkeys(places[key] for key in came)]
    where = where if len(where) <= MOST else [*where[:MOST], "…"]
    cells = "cell" if len(came) == 1 else "cells"
    return f"{', '.join(counts)} {cells}, under: {'; '.join(where)}" if came else ""


def places_of(page):
    """{id: the heading that the cell stands under, or is}."""
    places, heading = {}, "the beginning"
    for cell in page["cells"]:
        if cell["cell_type"] == "markdown" and cell["source"].startswith("#"):
            heading = cell["source"].partition("\n")[0].lstrip("# ")
        places[cell["id"]] = heading
    return places


def by_id(page):
    """The cells by their ids; ValueError if one has none."""
    if not all(cell.get("id") for cell in page["cells"]):
        raise ValueError("a cell of the course's page has no id")
    return {cell["id"]: cell for cell in page["cells"]}


def text(cell):
    """What counts of a cell in comparisons; how it is shown or folded does not."""
    return cell["cell_type"], cell["source"].rstrip()


def decide(base, mine, theirs):
    """(what happens, the cell or None) to a cell of the course; None: not there."""
    in_course = base and theirs and text(base) == text(theirs)
    if mine is None:
        if base is None:
            return "new", theirs
        return "away" if theirs and not in_course else "", None
    if theirs is None:
        return ("gone", None) if text(mine) == text(base) else ("kept", mine)
    metadata = {"metadata": _metadata(base, mine, theirs)}
    if in_course or text(mine) == text(theirs):
        return "", mine | metadata
    if base and text(mine) == text(base):
        return "changed", theirs | _results(mine, theirs) | metadata
    if base is None and _filled_in(mine, theirs):
        return "", mine | metadata
    return "both", mine | metadata


def _filled_in(mine, theirs):
    """Is the reader's the course's cell but for the lines with a blank, `...`?"""
    around = re.split(r"\.\.\..*", text(theirs)[1])
    pattern = ".*".join(map(re.escape, around))
    return re.fullmatch(pattern, text(mine)[1], re.S) is not None


def _metadata(base, mine, theirs):
    """The reader's, with each entry that the course has changed."""
    old, new = base["metadata"] if base else {}, theirs["metadata"]
    changed = {k for k in {**old, **new} if old.get(k) != new.get(k)}
    stay = {k: v for k, v in mine["metadata"].items() if k not in changed}
    return stay | {k: new[k] for k in new if k in changed}


def _results(mine, theirs):
    """What running the cell has left."""
    code = mine["cell_type"] == theirs["cell_type"] == "code"
    return {k: mine[k] for k in ("outputs", "execution_count")} if code else {}


def paired(cells, old, new):
    """For each cell the id by which the course knows it, or None: the reader's own."""
    known, keys = {**old, **new}, []
    for cell in cells:
        id = cell.get("id")
        keys.append(id if id in known and id not in keys else None)
    return keys if any(keys) else _paired_by_text(cells, old or new)


def _paired_by_text(cells, known):
    ids, known = [*known], [*map(text, known.values())]
    texts, found = [*map(text, cells)], {}  # a cell's number: its number in `known`

    def pair(here, there, alike):
        """Each free cell of `here` with the first free one of `there` that is alike."""
        free = [k for k in there if k not in found.values()]
        for n in here:
            near = (k for k in free if alike(known[k], texts[n]))
            if n not in found and (k := next(near, None)) is not None:
                found[n] = k
                free.remove(k)

    match = SequenceMatcher(None, known, texts, autojunk=False)
    blocks = [(range(*b[1:3]), range(*b[3:])) for b in match.get_opcodes()]
    everywhere = range(len(texts)), range(len(known))
    for there, here in blocks:
        if [known[k] for k in there] == [texts[n] for n in here]:
            found.update(zip(here, there, strict=True))
    pair(*everywhere, eq)  # the reader has moved it
    for there, here in blocks:
        there = [k for k in there if k not in found.values()]
        here = [n for n in here if n not in found]
        if [known[k][0] for k in there] == [texts[n][0] for n in here]:
            found.update(zip(here, there, strict=True))
        pair(here, there, _similar)
    pair(*everywhere, _similar)
    return [ids[found[n]] if n in found else None for n in range(len(cells))]


def _similar(one, other):
    ratio = SequenceMatcher(None, one[1], other[1], autojunk=False).ratio
    return one[0] == other[0] and ratio() >= SIMILAR


def arranged(old, here, there):
    """The cells' keys in order: the reader's, `here`, unless the course moved cells."""
    common = {*old} & {*here} & {*there}
    moved = [k for k in old if k in common] != [k for k in there if k in common]
    spine = there if moved else woven([k for k in here if k in {*there}], there)
    return woven(spine, here)


def woven(order, guests):
    """`order` with each of `guests` that it lacks right after its predecessor there."""
    result, before = [*order], None
    for guest in guests:
        if guest not in result:
            result.insert(0 if before is None else result.index(before) + 1, guest)
        before = guest
    return result


def noted(cells, key, base, theirs):
    """The cells with a note of the new version below the cell `key`.

    The note on an earlier version goes, if the reader left it as it was.
    """
    name = f"{key[:50]}-new-version"

    def place(note):
        """Where the note on this very cell stands; another cell may have its text."""
        for n, cell in enumerate(cells):
            id = cell.get("id")
            here = id.startswith(name) if id else cells[n - 1].get("id") == key
            if here and cell["source"] == note:
                return n

    note = _note(theirs)
    if place(note) is not None:
        return cells
    at = [cell.get("id") for cell in cells].index(key) + 1
    if base and (earlier := place(_note(base))) is not None:
        at = earlier
        cells = cells[:at] + cells[at + 1 :]
    cell = {"cell_type": "markdown", "metadata": {}, "source": note}
    return [*cells[:at], {**cell, "id": name}, *cells[at:]]


def _note(cell):
    source = cell["source"]
    if cell["cell_type"] == "code":
        fence = "```"
        while fence in source:
            fence += "`"
        source = f"{fence}python\n{source}\n{fence}"
    return f"{NEWS}\n\n{source}"


def named(cells):
    """The cells, each with an id of its own; the course's keep theirs."""
    taken, result = {cell.get("id") for cell in cells}, {}
    for cell in cells:
        id, n = cell.get("id"), 1
        while id is None or id in result or (n > 1 and id in taken):
            id, n = f"{cell.get('id', 'yours')[:50]}-{n}", n + 1
        result[id] = {**cell, "id": id}
    return [*result.values()]
