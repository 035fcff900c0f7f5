"""The reader's page and the course's, merged: nothing of the reader's is ever lost."""

import copy
import warnings
from collections import Counter

import nbformat
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from trpo_lite.course.merge import NEWS, decide, merge, text
from trpo_lite.course.page import dump, parse

STUB = """def count(states):
    share = ...  # your line
    return share


lesson.count.check(count)"""
ANSWER = STUB.replace("...", "(states == 1).mean()")


def code(id, source, *printed, **metadata):
    outputs = [{"output_type": "stream", "name": "stdout", "text": t} for t in printed]
    count = 1 if printed else None
    return {
        "id": id,
        "cell_type": "code",
        "source": source,
        "metadata": metadata,
        "outputs": outputs,
        "execution_count": count,
    }


def words(id, source, **metadata):
    return {"id": id, "cell_type": "markdown", "source": source, "metadata": metadata}


def page(*cells):
    return {
        "cells": copy.deepcopy([*cells]),
        "metadata": {},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


BASE = page(
    words("title", "# 03 · Sample"),
    words("predict", "**Predict.** How many?"),
    code("run", "print(1)"),
    words("seen", "**What you see.** One."),
    code("exercise", STUB, tags=["exercise"]),
)


def edited(edits, base=BASE):
    """`base` with other texts: {id: source, or None for removed}."""
    cells = [dict(cell) for cell in base["cells"]]
    for cell in cells:
        cell["source"] = edits.get(cell["id"], cell["source"])
    return page(*(cell for cell in cells if cell["source"] is not None))


def ids(page):
    return [cell["id"] for cell in page["cells"]]


def of(page, id):
    return next(cell for cell in page["cells"] if cell["id"] == id)


A, B, C = (words("x", source) for source in "abc")


@pytest.mark.parametrize(
    "base, mine, theirs, what, source",
    [
        (A, A, A, "", "a"),
        (A, B, A, "", "b"),
        (A, B, B, "", "b"),
        (A, A, B, "changed", "b"),
        (A, B, C, "both", "b"),
        (None, None, A, "new", "a"),
        (None, A, A, "", "a"),
        (None, A, B, "both", "a"),
        (A, None, A, "", None),
        (A, None, B, "away", None),
        (A, None, None, "", None),
        (A, A, None, "gone", None),
        (A, B, None, "kept", "b"),
    ],
)
def test_every_case_of_one_cell(base, mine, theirs, what, source):
    done, cell = decide(base, mine, theirs)
    assert (done, cell and cell["source"]) == (what, source)


def test_answers_outputs_and_own_cells_stay_while_news_come():
    mine = edited(
        {"exercise": ANSWER, "predict": "**Predict.** How many? Two, I think"}
    )
    of(mine, "exercise")["outputs"] = code("", "", "[retry] count: no.\n")["outputs"]
    of(mine, "run").update(code("run", "print(1)", "1\n"))
    mine["cells"].insert(2, words("7d5c", "my guess: 2"))
    theirs = edited({"title": "# 03 · A sample", "run": "print(2)"})
    theirs["cells"].insert(2, code("before", "x = 2"))
    merged = merge(BASE, mine, theirs)
    assert merged.news == "1 new, 2 changed cells, under: 03 · A sample"
    assert merged.questions == ()
    # the reader's guess stays under its question, before what the course put there
    assert ids(merged.page) == [
        "title", "predict", "7d5c", "before", "run", "seen", "exercise",
    ]  # fmt: skip
    assert of(merged.page, "exercise") == of(mine, "exercise")
    assert of(merged.page, "predict") == of(mine, "predict")
    assert of(merged.page, "title")["source"] == "# 03 · A sample"
    run = of(merged.page, "run")
    assert run["source"] == "print(2)" and run["outputs"][0]["text"] == "1\n"


def test_the_headings_of_what_came_are_named_the_first_few():
    parts = [
        cell for n in range(6)
        for cell in (words(f"h{n}", f"## Part {n}\n\nWords."), code(f"c{n}", str(n)))
    ]  # fmt: skip
    base = page(words("title", "# 03 · Sample"), *parts)
    theirs = edited({"c1": "new", "h1": "## Part one\n\nWords.", "c4": None}, base)
    merged = merge(base, base, theirs)
    assert merged.news == "2 changed, 1 gone cells, under: Part one; Part 4"
    theirs = edited({f"c{n}": "new" for n in range(6)}, base)
    places = "Part 0; Part 1; Part 2; Part 3; …"
    assert merge(base, base, theirs).news == f"6 changed cells, under: {places}"


def test_a_conflict_keeps_the_readers_cell_and_puts_the_courses_below_once():
    mine = edited({"exercise": ANSWER})
    second = edited({"exercise": STUB.replace("your line", "your line: a mean")})
    merged = merge(BASE, mine, second)
    assert merged.news == "" and len(merged.questions) == 1
    assert merged.questions[0].startswith("exercise: you and the course changed it")
    assert ids(merged.page) == [*ids(BASE), "exercise-new-version"]
    assert of(merged.page, "exercise")["source"] == ANSWER
    note = merged.page["cells"][-1]
    # as text: a cell of code would define the function anew, unanswered
    assert note["cell_type"] == "markdown" and note["source"].startswith(NEWS)
    assert "```python\ndef count(states):" in note["source"]
    assert "your line: a mean" in note["source"]
    # the next version takes the note's place, unless the reader has written into it
    third = edited({"exercise": STUB.replace("your line", "one line")})
    again = merge(second, merged.page, third).page
    assert ids(again) == ids(merged.page)
    assert "one line" in again["cells"][-1]["source"]
    mine = copy.deepcopy(merged.page)
    mine["cells"][-1]["source"] += "\nto do on Monday"
    again = merge(second, mine, third).page
    assert "one line" in again["cells"][-2]["source"]
    assert again["cells"][-1]["source"].endswith("to do on Monday")
    assert len({*ids(again)}) == len(ids(again))


def test_a_note_shows_code_with_fences_whole():
    mine, theirs = edited({"run": "mine"}), edited({"run": "print('```')"})
    assert (
        "````python\nprint('```')\n````"
        in merge(BASE, mine, theirs).page["cells"][3]["source"]
    )


def test_what_the_course_removes_goes_unless_the_reader_changed_it():
    theirs = edited({"run": None, "exercise": None})
    merged = merge(BASE, edited({"exercise": ANSWER}), theirs)
    assert ids(merged.page) == ["title", "predict", "seen", "exercise"]
    assert merged.news == "1 gone cell, under: 03 · Sample"
    assert merged.questions[0].startswith("exercise: the course has removed it")


def test_what_the_reader_removed_stays_away_and_is_told_if_it_changed():
    mine = edited({"seen": None, "run": None})
    merged = merge(BASE, mine, edited({"seen": "Two."}))
    assert merged.page == mine
    assert [q.split(":")[0] for q in merged.questions] == ["seen"]


def test_cells_that_the_course_moved_move_and_take_the_readers_along():
    mine = page(*BASE["cells"])
    mine["cells"].insert(3, code("own", "print(1 + 1)", "2\n"))  # below `run`
    title, predict, run, seen, exercise = BASE["cells"]
    theirs = page(title, exercise, predict, seen, run)
    merged = merge(BASE, mine, theirs).page
    assert ids(merged) == ["title", "exercise", "predict", "seen", "run", "own"]
    # the course moved nothing: the reader's order
    mine = page(title, run, predict, seen, exercise)
    merged = merge(BASE, mine, edited({"seen": "Two."})).page
    assert ids(merged) == ["title", "run", "predict", "seen", "exercise"]


def test_how_a_cell_is_shown_is_the_readers_and_the_courses_tags_are_the_courses():
    mine = page(*BASE["cells"])
    base = page(*BASE["cells"])
    of(base, "exercise")["metadata"] = {"tags": ["exercise"], "slides": 1, "old": 1}
    theirs = page(*BASE["cells"])
    of(theirs, "exercise")["metadata"] = {"tags": ["new"], "slides": 1}
    mine_now = {"tags": ["exercise"], "slides": 2, "old": 1, "collapsed": True}
    of(mine, "exercise")["metadata"] = mine_now
    merged = merge(base, mine, theirs)
    metadata = of(merged.page, "exercise")["metadata"]
    assert metadata == {"tags": ["new"], "slides": 2, "collapsed": True}
    assert not merged.news and not merged.questions


def without_ids(page):
    page = copy.deepcopy(page)
    for cell in page["cells"]:
        del cell["id"]
    return page | {"nbformat_minor": 4}


def test_a_page_whose_ids_a_tool_has_dropped_is_matched_by_its_text():
    mine = edited({"exercise": ANSWER})
    mine["cells"].insert(2, words("own", "my guess: 2"))
    mine["cells"].insert(5, words("own", "a long remark about what I have seen"))
    theirs = edited({"title": "# 03 · A sample"})
    theirs["cells"].append(words("last", "the end"))
    merged = merge(BASE, without_ids(mine), theirs)
    expected = merge(BASE, mine, theirs)
    assert merged.news == expected.news
    assert merged.news == "1 new, 1 changed cells, under: 03 · A sample"
    sources = [cell["source"] for cell in merged.page["cells"]]
    assert sources == [cell["source"] for cell in expected.page["cells"]]
    assert [i for i in ids(merged.page) if "yours" not in i] == [*ids(BASE), "last"]
    # random ids are no better than none
    for n, cell in enumerate(mine["cells"]):
        cell["id"] = f"{n:08x}"
    assert [c["source"] for c in merge(BASE, mine, theirs).page["cells"]] == sources


@pytest.mark.parametrize("answer", [STUB, ANSWER])
@pytest.mark.parametrize("order", [(4, 0, 1, 2, 3), (1, 2, 3, 4, 0), (0, 3, 4, 1, 2)])
def test_a_cell_that_was_moved_where_ids_are_dropped_was_not_removed(order, answer):
    mine = edited({"exercise": answer, "seen": "**What you see.** One. So it is."})
    mine = page(*(mine["cells"][n] for n in order))
    theirs = edited({name: of(BASE, name)["source"] + " New." for name in ids(BASE)})
    merged = merge(BASE, without_ids(mine), theirs)
    assert ids(merged.page) == ids(merge(BASE, mine, theirs).page)
    assert merged.questions == merge(BASE, mine, theirs).questions
    assert not any("you removed it" in said for said in merged.questions)


def test_of_two_similar_cells_without_ids_one_is_the_courses_and_both_stay():
    mine = edited({"exercise": ANSWER})
    second = ANSWER.replace("mean", "sum")
    mine["cells"].append(code("own", second))
    merged = merge(BASE, without_ids(mine), edited({"title": "# 03 · New"})).page
    sources = [cell["source"] for cell in merged["cells"]]
    assert sources[-2:] == [ANSWER, second] and len(sources) == 6
    assert merged["nbformat_minor"] == 5 and ids(merged)[:5] == ids(BASE)


def test_what_editors_change_unasked_is_no_change():
    """Blank lines at a cell's end; which kernel the page ran in, which stays."""
    mine = edited({"title": "# 03 · Sample\n", "run": "print(1)\n\n"})
    mine["metadata"] = {"kernelspec": {"name": "mine"}, "language_info": {}}
    merged = merge(BASE, mine, edited({"title": "# 03 · New"}))
    assert merged.news == "1 changed cell, under: 03 · New"
    assert merged.questions == ()
    assert of(merged.page, "title")["source"] == "# 03 · New"
    assert merged.page["metadata"] == mine["metadata"]


def test_a_page_that_is_not_the_courses_is_refused():
    own = page(code("mine", "import this"))
    for mine in (own, without_ids(own), page()):
        with pytest.raises(ValueError, match="no cell of it is the course's"):
            merge(BASE, mine, BASE)


def test_a_lost_base_loses_no_answer():
    mine = edited({"exercise": ANSWER})
    merged = merge(None, mine, edited({"title": "# 03 · New"}))
    assert of(merged.page, "exercise")["source"] == ANSWER
    # a blank that is filled in is an answer; that the stub was another, nobody knows
    assert [q.split(":")[0] for q in merged.questions] == ["title"]
    theirs = edited({"exercise": STUB.replace("count(states)", "count(states, n)")})
    merged = merge(None, mine, theirs)
    assert [q.split(":")[0] for q in merged.questions] == ["exercise"]
    # nor does the base, if it is there, allow to pass over what the course changed
    theirs = edited({"exercise": STUB.replace("your line", "one line: a mean")})
    assert merge(BASE, mine, theirs).questions


def test_an_id_used_twice_names_the_first_cell():
    mine = page(*BASE["cells"], code("run", "print(1)  # my copy", "1\n"))
    merged = merge(BASE, mine, edited({"run": "print(2)"})).page
    sources = [cell["source"] for cell in merged["cells"]]
    assert sources[2] == "print(2)" and sources[-1] == "print(1)  # my copy"
    assert len({*ids(merged)}) == len(ids(merged))


def test_a_note_is_its_cells_also_if_another_has_its_text():
    """Found by chance: the note of one cell was taken for the other's earlier one."""
    base = page(code("a", "u"), code("b", "w"))
    mine, theirs = page(code("a", "my a"), code("b", "my b")), {"a": "w", "b": "x"}
    merged = merge(base, mine, page(*(code(k, v) for k, v in theirs.items()))).page
    assert ids(merged) == ["a", "a-new-version", "b", "b-new-version"]
    notes = [c["source"] for c in merged["cells"] if c["source"].startswith(NEWS)]
    assert ["\nw\n" in notes[0], "\nx\n" in notes[1]] == [True, True]


@st.composite
def versions(draw):
    """(base, mine, theirs): some cells, and what a reader and the course made of it."""
    names = draw(st.lists(st.sampled_from("abcdefgh"), unique=True, min_size=1))
    base = [code(name, draw(st.sampled_from("uvw"))) for name in names]

    def worked_on(new, tag):
        cells = []
        for cell in draw(st.permutations(base)) if draw(st.booleans()) else base:
            cell = dict(cell)
            fate = draw(st.sampled_from(["stays"] * 3 + ["changes", "goes"]))
            if fate == "changes":
                cell["source"] = draw(
                    st.sampled_from(["u", "v", "w", f"{tag} {cell['id']}"])
                )
            if fate != "goes":
                cells.append(cell)
            if draw(st.integers(0, 4)) == 0 and new:
                cells.append(code(new.pop(), f"added by {tag} {len(new)}"))
        return page(*cells)

    mine = worked_on([*"ijk"], "mine")
    for n, cell in enumerate(mine["cells"]):
        cell["outputs"] = code("", "", f"output {n}")["outputs"]
    return page(*base), mine, worked_on([*"kmn"], "theirs")


@settings(max_examples=1000, deadline=None, derandomize=True)
@given(versions())
def test_whatever_both_did_nothing_is_lost_and_a_second_time_changes_nothing(pages):
    base, mine, theirs = pages
    # else it is refused as a stranger's, which has its own test
    assume({*ids(mine)} & {*ids(base)} & {*ids(theirs)})
    merged = merge(base, mine, theirs)
    result = merged.page
    old, new = ({c["id"]: c["source"] for c in p["cells"]} for p in (base, theirs))
    got = {c["id"]: c for c in result["cells"]}
    assert len(got) == len(result["cells"])
    for cell in mine["cells"]:
        id, source = cell["id"], cell["source"]
        if source != old.get(id):  # the reader's work
            assert got[id]["source"] == source
        if id in got:  # and what it showed
            assert got[id]["outputs"] == cell["outputs"]
        else:
            assert id in old and id not in new
    notes = [c["source"] for c in result["cells"] if c["source"].startswith(NEWS)]
    for id, source in new.items():
        if id not in ids(mine):
            assert (id in got) == (id not in old)
        elif got[id]["source"] != source:
            assert source == old.get(id) or any(f"\n{source}\n" in n for n in notes)
    for repeated in (merge(base, result, theirs), merge(theirs, result, theirs)):
        assert repeated.page == result and not repeated.news
    assert merge(base, mine, base).page == mine
    assert ids(merge(base, base, theirs).page) == ids(theirs)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nbformat.validate(nbformat.from_dict(result))


@settings(max_examples=200, deadline=None)
@given(versions())
def test_without_ids_nothing_of_the_reader_is_lost(pages):
    base, mine, theirs = pages
    given_out = [text(cell) for cell in base["cells"]]
    own = [text(cell) for cell in mine["cells"] if text(cell) not in given_out]
    assume(len(own) < len(mine["cells"]))  # else it may be refused as a stranger's
    result = merge(base, without_ids(mine), theirs).page
    assert not Counter(own) - Counter(map(text, result["cells"]))
    assert len({*ids(result)}) == len(result["cells"])


def test_bytes_are_those_of_jupyter():
    text = dump(page(*BASE["cells"], words("é", "zwei\nZeilen ü\n")))
    assert text.decode() == nbformat.writes(nbformat.reads(text.decode(), 4)) + "\n"
    assert dump(parse(text)) == text


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "it is no notebook: Expecting value"),
        (b"<<<<<<< HEAD\n{}", "it is no notebook: Expecting value"),
        (b"\xff\xfe\x00", "it is no notebook"),
        (b"[" * 100_000, "it is no notebook"),
        (b"[]", "it has no list of cells"),
        (b'{"cells": {}, "nbformat": 4}', "it has no list of cells"),
        (b'{"cells": [], "nbformat": 3}', "it has nbformat 3, expected 4"),
        (b'{"cells": [], "nbformat": 4, "metadata": []}', "its metadata are broken"),
        (b'{"cells": [1], "nbformat": 4}', "its cell 1 is broken"),
        (b'{"cells": [{"cell_type": "raw"}], "nbformat": 4}', "its cell 1 is broken"),
        (
            b'{"cells": [{"cell_type": "code", "source": "", "outputs": [0]}], '
            b'"nbformat": 4}',
            "its cell 1 is broken",
        ),
    ],
)
def test_a_file_that_is_no_page_is_told_in_one_line(content, message):
    with pytest.raises(ValueError, match=message) as raised:
        parse(content)
    assert len(str(raised.value).splitlines()) == 1
