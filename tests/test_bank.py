"""The question bank: its form, its sheets, and every number and key computed."""

import json
import re
import subprocess
import sys
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from tests.bank_numbers import ARGUED, CHECKS
from trpo_lite.course import bank

ROOT = Path(__file__).parents[1]
QUESTIONS = bank.read(bank.FILE.read_text("utf-8"))
BY_NAME = {question.name: question for question in QUESTIONS}

# .05, −.7, 1.25, +3.88, 13,830; not the 2 of L_2, of x_2 or of 2x
NUMBER = re.compile(r"(?<![\w.,^_{])[−+-]?(?:\d[\d,]*)?\.\d+|(?<![\w.,^_{])\d[\d,]{2,}")


def headings(page):
    """The headings of a page, without the marks of italics."""
    path = next((ROOT / "notebooks").glob(f"{page}_*.ipynb"))
    cells = json.loads(path.read_text("utf-8"))["cells"]
    texts = ["".join(c["source"]) for c in cells if c["cell_type"] == "markdown"]
    return set(re.findall(r"^#{2,3} (.+)$", "\n".join(texts), re.M))


def whole(question):
    """All that students and teacher read of a question."""
    parts = [question.text, question.answer]
    for option in question.options:
        parts += [option.text, option.why]
    return "\n".join(parts)


def numbers(text):
    return {found.strip("$+,") for found in NUMBER.findall(text)}


def holds(text, number):
    """Does the text hold this number, as a word of its own, with either minus?"""
    text, number = (x.replace("−", "-") for x in (text, number))
    return re.search(rf"(?<![\d.]){re.escape(number)}(?!\d|\.\d)", text)


@cache
def computed(name):
    return CHECKS[name]()


def test_there_are_enough_of_each_kind_and_of_each_page():
    kinds = [question.kind for question in QUESTIONS]
    assert len(QUESTIONS) >= 60
    assert min(kinds.count(kind) for kind in ("choice", "derivation", "log")) >= 12
    assert {question.page for question in QUESTIONS} >= {
        *(f"{n:02d}" for n in range(1, 15)),
        "17",
    }


@pytest.mark.parametrize("page", sorted({question.page for question in QUESTIONS}))
def test_sections_are_headings_of_their_pages(page):
    there = headings(page)
    for question in QUESTIONS:
        if question.page == page:
            assert question.section in there, (question.name, question.section)


def test_each_question_is_computed_or_said_to_be_argued():
    assert set(CHECKS) | ARGUED == set(BY_NAME)
    assert not set(CHECKS) & ARGUED


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_keys_numbers_and_logs_are_what_is_computed(name):
    question, found = BY_NAME[name], computed(name)
    if question.options:
        marked = [option.right for option in question.options]
        assert len(found["key"]) == len(marked)
        right = marked.index(True)
        # the right one is computed; a wrong one is too, or its line argues
        assert found["key"][right] is True or found["key"][right] is np.True_
        assert not any(found["key"][:right] + found["key"][right + 1 :]), found["key"]
    else:
        assert found["key"] is None
    logs = re.findall(r"^```\n(.*?)\n```$", question.text, re.M | re.S)
    if found["log"] is not None:
        assert logs == [found["log"]]
    text = whole(question)
    for number in found["numbers"]:
        assert holds(text, number), number


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_an_answer_has_no_number_that_is_neither_given_nor_computed(name):
    question = BY_NAME[name]
    given = numbers(question.text) | {".5", ".8", ".2"}
    found = set(computed(name)["numbers"]) if name in CHECKS else set()
    known = {x.lstrip("−-+").lstrip("0") for x in given | found}
    for number in numbers(question.answer):
        assert number.lstrip("−-+").lstrip("0") in known, number


def test_options_say_why_and_their_order_tells_nothing():
    letters = [question.letter for question in QUESTIONS if question.options]
    for letter in "ABCD":
        assert 0.1 < letters.count(letter) / len(letters) < 0.5, letter
    for question in QUESTIONS:
        texts = [option.text for option in question.options]
        assert len(set(texts)) == len(texts) != 1
        assert all(len(option.why) > 10 for option in question.options), question.name


def test_it_copies_no_quiz_of_the_pages():
    pages = ""
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        pages += "".join(
            "".join(c["source"]) for c in json.loads(path.read_text("utf-8"))["cells"]
        )
    for question in QUESTIONS:
        for sentence in re.split(r"(?<=[.?!])\s+", question.text):
            if len(sentence) > 60:
                assert sentence not in pages, sentence


@pytest.mark.parametrize(
    "entry, told",
    [
        ("## a\nno place\n\nText.", "second line"),
        ("## a\n01 · S · riddle · 1 point · 2 minutes\n\nText.", "second line"),
        ("## a\n01 · S · choice · 1 point · 2 minutes\n\nT\n\n- [x] yes", "why"),
        ("## a\n01 · S · choice · 1 point · 2 minutes\n\nText.", "either"),
        (
            "## a\n01 · S · choice · 1 point · 2 minutes\n\nT\n\n- [ ] n\n  *w*",
            "marked",
        ),
        (
            "## a\n01 · S · log · 1 point · 2 minutes\n\nT\n\n### Answer\n\nYes.\n" * 2,
            "two questions",
        ),
    ],
)
def test_a_broken_entry_is_named(entry, told):
    with pytest.raises(ValueError, match=told):
        bank.read("# Bank\n\n" + entry)


def test_the_sheets_agree_and_students_see_no_answer():
    drawn = bank.shuffled(QUESTIONS, 7)
    assert sorted(q.name for q in drawn) == sorted(BY_NAME)
    assert drawn != list(QUESTIONS) and drawn == bank.shuffled(QUESTIONS, 7)
    questions, answers = bank.question_sheet(drawn), bank.answer_sheet(drawn)
    for n, question in enumerate(drawn, 1):
        assert question.text in questions and question.text not in answers
        for option in question.options:
            assert option.why in answers and option.why not in questions
        if question.options:
            key = re.search(rf"^### {n}: (\w)", answers, re.M)[1]
            right = next(option for option in question.options if option.right)
            block = questions.split(f"### {n} (")[1].split("\n### ")[0]
            assert f"**{key}** ☐ {right.text}" in block
        else:
            assert question.answer in answers and question.answer not in questions


def test_questions_are_chosen_by_name_page_and_kind():
    assert [q.name for q in bank.chosen(QUESTIONS, ["golden", "cents"], (), ())] == [
        "golden",
        "cents",
    ]
    logs = bank.chosen(QUESTIONS, [], ["17"], ["log"])
    assert logs and {(q.page, q.kind) for q in logs} == {("17", "log")}
    with pytest.raises(ValueError, match="no question 'gold'"):
        bank.chosen(QUESTIONS, ["gold"], (), ())
    with pytest.raises(ValueError, match="page and kind"):
        bank.chosen(QUESTIONS, [], ["99"], ())


def test_the_command_writes_two_files(tmp_path, capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nbconvert's dependencies have their own
        assert bank.main(["--page", "04", "-o", str(tmp_path / "exam")]) == 0
    told = capsys.readouterr().out.split()
    assert told == [
        str(tmp_path / "exam" / f"{x}.html") for x in ("questions", "answers")
    ]
    questions, answers = (Path(x).read_text("utf-8") for x in told)
    assert "<math" in questions and "$" not in re.sub(
        r"<style.*?</style>|<script.*?</script>", "", questions, flags=re.S
    )
    assert "with the new policy first" in answers
    assert "with the new policy first" not in questions
    assert "http" not in re.sub(r'xmlns="[^"]*"|xmlns:\w+="[^"]*"', "", questions)


def test_the_command_lists_and_refuses():
    command = [sys.executable, "-m", "trpo_lite.course", "bank"]
    listed = subprocess.run([*command, "--list"], capture_output=True, text=True)
    assert listed.returncode == 0
    assert f"{len(QUESTIONS)} questions, " in listed.stdout
    refused = subprocess.run([*command, "nobody"], capture_output=True, text=True)
    assert refused.returncode == 2 and "no question 'nobody'" in refused.stderr
