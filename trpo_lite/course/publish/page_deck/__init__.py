"""A page of the course as slides: one idea each, by rule, from the stored notebook.

    steps("05")    # for `deck.document`

A page's skeleton makes it possible: a cell begins with a heading and a formula, asks
**Predict.**, is followed by what comes out and by **What you see.** `Maker` knows which
slide each of them becomes. A slide shows the page's own first sentence, and its notes
hold the cell's other words and the folded answers.
"""

from trpo_lite.course import load, page
from trpo_lite.course.publish.page import lesson_of
from trpo_lite.course.publish.page_deck.maker import Maker
from trpo_lite.course.publish.page_deck.minutes import shared
from trpo_lite.course.publish.pages import path_of, pictures
from trpo_lite.course.publish.slides import Aside, Slide, Step
from trpo_lite.course.working_copy import COURSE


def numbers():
    """The numbers of all pages, in order."""
    return sorted(path.stem.split("_")[0] for path in COURSE.glob("*.ipynb"))


def name(number):
    """The page's title."""
    cells = page.read(path_of(number))["cells"]
    return cells[0]["source"].partition("\n")[0].lstrip("# ")


def steps(number):
    """The page's slides, as one `Step`."""
    content = page.read(path_of(number))

    def picture(place):
        return lambda: pictures(number)[place]

    drafts = Maker(content["cells"], lesson_of(number), picture).drafts
    return (Step(name(number), finished(drafts, load.measure(content))),)


def finished(drafts, measured):
    """The drafts as slides whose minutes add up to those that the page announces.

    measured : the page's `Load`.
    """
    totals = {"main": measured.main.minutes, "deeper": measured.deeper.minutes}
    minutes = {}
    for group in dict.fromkeys(draft.group for draft in drafts):
        members = [i for i, draft in enumerate(drafts) if draft.group == group]
        total = totals[group] if group in totals else group[1]
        weights = [drafts[i].weight for i in members]
        minutes |= zip(members, shared(total, weights), strict=True)
    return tuple(
        Slide(
            draft.kind,
            tuple(draft.parts),
            Aside(minutes[i], tuple(draft.said)),
            draft.figure,
            draft.heading,
        )
        for i, draft in enumerate(drafts)
    )
