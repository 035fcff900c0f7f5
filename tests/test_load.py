"""Minutes by the stated formula, counted by hand on a small page."""

import pytest

from tests.minutes import ROOT, main, row_of, with_minutes
from trpo_lite.course.load import LINES, WORDS, Load, Part, measure
from trpo_lite.course.page import dump, read


def text(source):
    return {"cell_type": "markdown", "source": source, "metadata": {}}


def code(source):
    return {"cell_type": "code", "source": source, "metadata": {}, "outputs": []}


FOLDS = """Four words and one.

<details><summary>Answer 1</summary>

It counts.

</details>

<details><summary>Derivation</summary>

This whole fold does not.

</details>"""
PAGE = {
    "cells": [
        text("# 09 · A page"),  # 09, A, page: 3 words
        text("## An idea\n\n| a | b |\n| --- | --- |\n\n**Predict.** $x = 1$?"),
        code("x = 1\n\nprint(x)  # twice"),
        text(FOLDS),
        text("## Optional: more\n\n**Predict.** Why? **Predict.** How?"),
        code("x = 2"),
        text("## Next\n\none two"),
        text("## Deeper than the lecture\n\none two three"),
        text("### A part\n\nfour"),
        text("## Exercises\n\nmany words that are theirs"),
        text("### Exercise 1 · one (●○○, 4 minutes)\n\nDo it."),
        code("def one(x):\n    ...  # your code"),
        text("### Exercise 2 · two (●●○, 8 minutes)"),
        text("## Recap\n\nend"),
    ],
    "metadata": {},
    "nbformat": 4,
}


def test_what_is_counted():
    load = measure(PAGE)
    # title 3; idea 2, a, b, Predict, $x, 1$; words 4 + 1, Answer: tag and 1</summary>,
    # It counts, and </details>; next 1 + 2; recap 1 + 1
    assert load.main == Part(words=3 + 7 + 4 + 5 + 3 + 2, lines=2, predictions=1)
    assert load.exercises == 12
    assert load.deeper == Part(words=2 + 4 + 4 + 3 + 3, lines=1, predictions=2)


@pytest.mark.parametrize(
    "part, minutes",
    [
        (Part(), 0),
        (Part(words=1), 5),  # something takes five
        (Part(words=10 * WORDS, lines=7 * LINES, predictions=3), 20),
        (Part(words=10 * WORDS, lines=9 * LINES, predictions=3), 20),
        (Part(words=10 * WORDS, lines=10 * LINES, predictions=3), 25),
    ],
)
def test_minutes_by_the_formula(part, minutes):
    assert part.minutes == minutes


def test_how_a_title_and_a_map_say_it():
    main_road = Part(lines=550)
    assert str(Load(main_road, 24, Part())) == "55 minutes, exercises 24"
    whole = Load(main_road, 24, Part(predictions=9))
    assert str(whole) == "55 minutes, exercises 24, deeper 10"
    assert (Load(main_road, 24, Part()).row(), whole.row()) == (
        "55 + 24",
        "55 + 24 + 10",
    )
    alone = Load(main_road, 0, Part())
    assert (str(alone), alone.row()) == ("55 minutes", "55")


def test_the_formula_is_stated_as_it_is():
    said = f"{WORDS} words or {LINES} lines of code a minute, and a minute for each"
    assert said in (ROOT / "README.md").read_text("utf-8")
    start = read(ROOT / "notebooks/00_start_here.ipynb")
    assert said in "".join(cell["source"] for cell in start["cells"])


def test_minutes_are_written_into_titles_and_maps(tmp_path):
    (tmp_path / "notebooks").mkdir()
    path = tmp_path / "notebooks/09_page.ipynb"
    line = "**Lecture:** all · **Time:** 7 minutes · **You need:** 08"
    rows = "| page | step | minutes |\n| [09](09_page.ipynb) | a step | 3 |\n| 15 | – |"
    cells = [text(f"# 09 · A page\n\n{line}"), text(f"## The map\n\n{rows}")]
    path.write_bytes(dump({**PAGE, "cells": cells + PAGE["cells"][1:]}))
    readme = tmp_path / "README.md"
    readme.write_text("| [09](notebooks/09_page.ipynb) | a step |\n", encoding="utf-8")
    main(tmp_path)
    first, second, *_ = read(path)["cells"]
    assert "**Time:** 5 minutes, exercises 12, deeper 5 · **You" in first["source"]
    assert "| [09](09_page.ipynb) | a step | 5 + 12 + 5 |\n| 15 |" in second["source"]
    row = "| [09](notebooks/09_page.ipynb) | a step | 5 + 12 + 5 |\n"
    assert readme.read_text("utf-8") == row
    before = path.read_bytes(), path.stat().st_mtime_ns
    main(tmp_path)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before


def test_other_rows_stay():
    table = "| [a](a.ipynb) | one | 1 |\n| [b](b.ipynb) | two | 2 |"
    changed = with_minutes(table, {"b.ipynb": Load(Part(words=1), 3, Part())})
    assert changed == table.replace("| 2 |", "| 5 + 3 |")
    assert row_of(table, "c.ipynb") is None


def test_rows_of_a_map_have_as_many_cells_as_its_head():
    """Or Jupyter's own renderer, unlike GitHub's, shows no table at all."""
    page = read(ROOT / "notebooks" / "00_start_here.ipynb")
    texts = [cell["source"] for cell in page["cells"]]
    texts.append((ROOT / "README.md").read_text(encoding="utf-8"))
    maps = [text for text in texts if "| page | step | minutes |" in text]
    assert len(maps) == 2
    for text in maps:
        table = text[text.index("| page | step | minutes |") :].split("\n\n")[0]
        assert {row.count("|") for row in table.splitlines()} == {4}
