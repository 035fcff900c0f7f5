"""The lecture in 90 minutes: its order, its minutes, its numbers, its notes."""

import re

import numpy as np
import pytest

from trpo_lite import bound, lqr
from trpo_lite.course import page
from trpo_lite.course.publish import deck, lecture
from trpo_lite.course.publish.pages import function, path_of, picture, value
from trpo_lite.course.publish.slides import (
    CODE_LINES,
    Notes,
    Slide,
    Step,
    code,
    erratum,
    prose,
    question,
    said,
)
from trpo_lite.mdp import evaluate, road_and_ice, shared_policy
from trpo_lite.surrogate import surrogate

# the headings of the lecture's slides, in their order; the last four of a line share
# a step with the first
HEADINGS = (
    "The RL problem",
    "Step I: Application of Minorize-Maximization algorithm",
    r"Effect of policy update: $\pi_{old} \rightarrow \pi?$",
    r"Effect of policy update: $\pi_{old} \rightarrow \pi$",
    "Local approximation: Ignoring distribution mismatch",
    "Use the local approximation to get surrogate",
    "MM algorithm",
    "Advantages and Disadvantages",
    "Step II: Trust region method",
    "Approximation of trust region constraint",
    "Using samples...",
    "TRPO pseudocode",
    "Step III: Further approximation – Natural policy gradient",
    "Connection to policy gradient",
    "Natural policy gradient",
    "Example: Policy gradient vs Natural policy gradient",
    "Natural policy gradient (NPG) algorithm",
    "Issues in NPG algorithm",
    "Step IV: How? Line search!",
    "Putting everything together: Full TRPO algorithm",
    "TRPO results",
    "Application of TRPO: Legged robots",
    "Computational issue: Inverse of KL divergence Hessian",
    "Idea I: KL penalty",
    "Proximal policy optimization (PPO) with adaptive KL penalty",
    "Idea II: Clipped objective",
    "Clipped surrogate objective function",
    "PPO with clipped objective",
)
# the lecture's own questions, and the step that asks them
QUESTIONS = (
    (3, r"$\pi_{old} \rightarrow \pi$?"),
    (8, "(Why?)"),
    (9, "How can we take a larger step?"),
    (13, "Efficient solution?"),
    (14, "Solution?"),
    (14, "Looks familiar?"),
    (18, "How to resolve these issues?"),
    (23, "Can we only use first order information modifying TRPO?"),
    (26, "How?"),
)


@pytest.fixture(scope="module")
def steps():
    return lecture.steps()


def slides_of(step):
    return [(slide, " ".join(slide.parts)) for slide in step.slides]


def test_the_lecture_has_its_28_steps_in_its_own_order(steps):
    assert tuple(step.heading for step in steps) == HEADINGS
    assert len(steps) == 28


def test_the_command_says_where_it_is(tmp_path, monkeypatch, capsys):
    """It takes minutes: a line before each step, at once."""
    names = ("The RL problem", "MM algorithm")
    notes = Notes(1, "a", "b", "c")
    two = [Step(name, (question("Why?", notes),)) for name in names]
    monkeypatch.setattr(lecture, "steps", lambda: two)
    before = []
    made, told = deck.section, capsys.readouterr
    monkeypatch.setattr(deck, "section", lambda *a: before.append(told()) or made(*a))
    assert deck.main([str(tmp_path / "new")]) == 0
    assert [x.out for x in before] == [
        f"{i} of 2: {x}\n" for i, x in enumerate(names, 1)
    ]
    assert "wrote" in told().out and (tmp_path / "new/lecture.html").exists()


def test_the_minutes_add_up_to_90(steps):
    assert sum(step.minutes for step in steps) == 90


def test_each_step_has_its_formula_and_its_picture(steps):
    for step in steps:
        kinds = {slide.kind for slide in step.slides}
        if step.heading.startswith(("TRPO results", "Application of TRPO")):
            assert kinds & {"picture", "reading"}
            continue  # slides of results: the lecture has no formula there
        assert any("<math" in text for _, text in slides_of(step)), step.heading
        assert kinds & {"picture", "widget"}, step.heading


def test_a_question_stands_alone_and_before_its_answer(steps):
    for number, words in QUESTIONS:
        found = [
            i
            for i, (slide, text) in enumerate(slides_of(steps[number - 1]))
            if slide.kind == "question" and prose(words) in text
        ]
        assert len(found) == 1, words
        slide = steps[number - 1].slides[found[0]]
        assert len(slide.parts) == 1 and slide.figure is None
        assert found[0] + 1 < len(steps[number - 1].slides), words
    for step in steps:
        last = step.slides[-1]
        if last.kind == "question":  # then the next step answers it
            assert step.heading == "Natural policy gradient"


def test_every_slide_has_notes_that_say_four_things(steps):
    for step in steps:
        for slide in step.slides:
            notes = slide.notes
            assert notes.minutes in (0.25, 0.5, 0.75, 1, 1.5, 2, 2.5)
            for words in (notes.usual, notes.say, notes.ask):
                assert len(words) > 3 and words[-1] in ".?!)", words


def test_the_slips_stand_beside_what_they_mend(steps):
    appendix = "\n".join(cell["source"] for cell in page.read(path_of("A"))["cells"])
    letters = set(re.findall(r"^### ([a-z])\.", appendix, re.MULTILINE))
    assert set(deck.errata()) == letters
    cited = set()
    for step in steps:
        for slide, text in slides_of(step):
            notes = f"{slide.notes.usual} {slide.notes.say}"
            cited |= set(re.findall(r'href="erratum:([a-z])"', text))
            cited |= set(re.findall(r"\(erratum ([a-z])\)", notes))
    assert cited == letters


def test_code_is_the_pages_and_short(steps):
    shown = [slide for step in steps for slide in step.slides if slide.kind == "code"]
    assert len(shown) == 3
    source = function("11", "search")
    assert source.startswith("def search(") and source.endswith("keep the old policy")
    assert len(source.splitlines()) <= CODE_LINES
    with pytest.raises(LookupError, match="defines no function 'sought'"):
        function("11", "sought")


# --- the numbers, against other ways to them


def words(steps, number):
    return " ".join(
        re.sub("<[^>]*>", "", text) for _, text in slides_of(steps[number - 1])
    )


def test_the_roads_numbers(steps):
    world = road_and_ice()
    old = evaluate(world, shared_policy(0.1))

    def gains(p):
        new = shared_policy(p)
        L = old.visitation @ (new * old.advantage).sum(1)
        P, r = np.einsum("sa,sat->st", new, world.P), (new * world.R).sum(1)
        J = world.start @ np.linalg.solve(np.eye(2) - world.gamma * P, r)
        return L, J - old.performance

    L, eta = gains(0.8)
    assert f"promise is {L:.2f} and the truth is {said(eta, '.2f')}" in words(steps, 5)
    L, eta = gains(1.0)
    expected = f"{said(L, '+.2f')}, J changes by {said(eta, '+.2f')}"
    assert expected in re.sub(r"\s+", " ", words(steps, 26)).replace("L = ", "")
    assert eta < 0 < L
    _, eta = gains(0.4)
    assert words(steps, 3).count(f"{eta:.4f}") == 5


def test_the_trust_region_at_delta_1(steps):
    world, old = road_and_ice(), evaluate(road_and_ice(), shared_policy(0.1))
    p = np.linspace(0.1, 0.999, 8991)
    inside = bound.kl(old.pi[0], np.stack([1 - p, p], -1)) <= 1
    new = shared_policy(p[inside].max())
    eta = evaluate(world, new).performance - old.performance
    text = words(steps, 9)
    assert f"promises +{surrogate(old, new):.2f}" in text
    assert f"changes by {said(eta, '+.2f')}" in text and eta < 0


def test_what_the_notes_say_of_smaller_prices():
    world, old = road_and_ice(), evaluate(road_and_ice(), shared_policy(0.1))
    p = np.linspace(0.001, 0.999, 999)
    C = bound.penalty_constant(old, 0.9)
    L = np.array([surrogate(old, shared_policy(x)) for x in p])
    change = {}
    for part in (30, 100):
        M = L - C / part * bound.kl(old.pi[0], np.stack([1 - p, p], -1))
        best = evaluate(world, shared_policy(p[M.argmax()]))
        change[part] = best.performance - old.performance
    assert change[30] > 0 > change[100]


def test_kl_on_the_line_grows_with_the_state(steps):
    mean = lqr.mean_kl(lqr.scalar_lqr(), (-0.3, 0.3), (-0.31, 0.3))
    text = words(steps, 10)
    assert f"{mean:.4f} on average" in text and f"{0.01**2 * 1e4 / 0.18:.1f} " in text


def test_the_thousand_steps_are_the_pages(steps):
    stored = page.read(path_of("11"))["cells"]
    table = "".join(
        text
        for cell in stored
        for output in cell.get("outputs", ())
        for text in output.get("data", {}).get("text/plain", "")
    )
    shares = [
        float(re.search(rf"{name}[^\n]*?(\d+\.\d)%", table)[1])
        for name in ("KL violated", "surrogate down", "J down")
    ]
    text = words(steps, 18)
    assert re.findall(r"(\d+)%", text)[:3] == [f"{share:.0f}" for share in shares]


def test_a_value_is_the_pages_where_it_shows_the_picture():
    figure, alt = picture("03", "gap")()
    assert "slope 2" in alt and len(figure.axes) == 1
    assert value("04", "len(points) - 1", "stairs") == 24  # as printed on the page
    with pytest.raises(LookupError, match="page 03 shows no picture 'nothing'"):
        picture("03", "nothing")


# --- the small Markdown, and what a slide refuses


def test_prose():
    assert prose("a *b* **c** `d<e`") == (
        "a <em>b</em> <strong>c</strong> <code>d&lt;e</code>"
    )
    assert "<math" in prose("so $x^2$, then") and "$" not in prose("so $x^2$")
    assert prose("so $x^2$, then").endswith("</math>,</span> then")
    assert erratum("a") == "[erratum a](erratum:a)"
    assert prose(erratum("a")) == ('<a href="erratum:a" class="erratum">erratum a</a>')
    assert prose("[A](b.html)") == '<a href="b.html">A</a>'
    assert said(-1.256, "+.2f") == "−1.26"


def test_a_slide_refuses_what_no_slide_is():
    notes = Notes(1, "a", "b", "c")
    with pytest.raises(ValueError, match="13 lines of code, expected at most 12"):
        code("\n".join(["x = 1"] * 13), "words", notes)
    with pytest.raises(ValueError, match="kind is 'film'"):
        Slide("film", ("a",), notes)
    with pytest.raises(ValueError, match="minutes are 0"):
        question("Why?", Notes(0, "a", "b", "c"))


def test_the_same_letters_give_the_same_font():
    import matplotlib

    path = f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf"
    one = deck.subset(path, (97, 98, 99))
    assert one[:4] == b"wOFF" and len(one) < 20_000
    assert deck.subset(path, frozenset((99, 98, 97))) == one
