"""Appendix A: the names it lists exist, and its numbers come out another way, too."""

import ast
import importlib
import inspect
import json
import pkgutil
import re
from dataclasses import fields, is_dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import trpo_lite
from trpo_lite.bound import bounds, kl, penalty_constant
from trpo_lite.mdp import evaluate, road_and_ice, shared_policy
from trpo_lite.surrogate import surrogate

PAGE = Path(__file__).parents[1] / "notebooks/A_notation_and_errata.ipynb"
CELLS = {c["id"]: c for c in json.loads(PAGE.read_text("utf-8"))["cells"]}
ROAD = road_and_ice(0.9)


def source(id):
    return "".join(CELLS[id]["source"])


def shown(id):
    """The text below a cell."""
    texts = []
    for output in CELLS[id]["outputs"]:
        texts.append(output.get("text") or output["data"]["text/plain"])
    return "\n".join("".join(text) for text in texts)


def public_names():
    """What a reader can write: functions, classes, fields, properties, parameters."""
    names, found = set(), pkgutil.iter_modules(trpo_lite.__path__)
    for name in (m.name for m in found if not m.name.startswith("_")):
        if name == "course":
            continue
        module = importlib.import_module(f"trpo_lite.{name}")
        for key, value in vars(module).items():
            if key.startswith("_") or not (
                inspect.isfunction(value) or inspect.isclass(value)
            ):
                continue
            names.add(key)
            if inspect.isfunction(value):
                names |= set(inspect.signature(value).parameters)
            elif is_dataclass(value):
                names |= {f.name for f in fields(value)}
                names |= {n for n in vars(value) if not n.startswith("_")}
    return names


def column(id, head):
    """The entries of a column of a Markdown table."""
    lines = [line for line in source(id).splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line[1:-1].split("|")] for line in lines]
    at = rows[0].index(head)
    assert {len(row) for row in rows} == {len(rows[0])}
    return [row[at] for row in rows[2:]]


def test_each_name_in_code_exists():
    names, listed = public_names(), column("notation", "in code")
    for entry in listed:
        (code,) = re.findall(r"`(.+?)`", entry)
        call = ast.parse(code).body[0].value
        if isinstance(call, ast.Call):
            given = [a.id for a in call.args]
            assert [*inspect.signature(kl).parameters] == given, code
            code = call.func.id
        assert code in names, code
    assert len(set(listed)) == len(listed) == 20
    assert "fisher_matrix_product" not in names  # a name that doesn't exist is told


def test_the_costs_of_the_lqr_are_named_as_the_letters_say():
    text = source("letters")
    for name in ("value_matrix", "action_cost", "state_cost", "state_moment"):
        assert f"`{name}`" in text and name in public_names()


def test_letters_are_listed_once_and_mean_two_things():
    letters = column("letters", "letter")
    assert len(set(letters)) == len(letters)
    assert all(column("letters", "first")) and all(column("letters", "second"))
    for letter in (r"$\lambda$", r"$\delta$", r"$\eta$", "$p$", "$r$"):
        assert letter in letters


#: what the rows of c, V and z stand for, in the words of the pages that they name
LETTERS = {
    "01": ("With $c = 1 + k$, the factor",),
    "02": (r"\sigma^2)$, $c = 1 + k$,",),
    "07": ("nobody has the exact $v$. We have some $V$.",),
    "08": (r"With $z = (u - ks)/\sigma$",),
    "09": ("Implementations solve $(H + c I)\\, x = g$ with a small $c$",),
    "10": (r"$$(F + \lambda I)\, x = g$$",),
    "13": ("$L$ is a straight line in $p$ with slope $c$",),
    "18": (
        "a slope $c$ in the outputs", "a change $V$ of the weights",
        "softmax: logits $z$", "random waves of the scaled observation $z$",
        r"with $z_i = (u_i - \mu_i)/\sigma_i$",
    ),
}  # fmt: skip
LISTED = ("| $c$", "| $V$", "| $z$")


def test_letters_mean_on_their_pages_what_is_listed():
    rows = [x for x in source("letters").splitlines() if x[:5] in LISTED]
    assert len(rows) == len(LISTED) == 3
    assert set(re.findall(r"\d\d", " ".join(rows))) == {*LETTERS}
    for number, said in LETTERS.items():
        (path,) = PAGE.parent.glob(f"{number}_*.ipynb")
        cells = json.loads(path.read_text("utf-8"))["cells"]
        text = "\n".join("".join(cell["source"]) for cell in cells)
        for words in said:
            assert words in text, (number, words)


def test_each_slip_has_its_letter_and_its_number():
    headings = [
        re.match(r"(?:## Errata\n\n)?### (\w)\. ", source(id))
        for id, cell in CELLS.items()
        if cell["cell_type"] == "markdown" and "### " in source(id)
    ]
    letters = "".join(m[1] for m in headings)
    assert letters == "abcdefghijklmnopqrstu"
    for letter in letters:
        cells = [id for id in CELLS if re.match(rf"slip-{letter}(?!.*text|.*seen)", id)]
        said = "".join(shown(id) for id in cells if CELLS[id]["cell_type"] == "code")
        assert re.search(r"\d|True", said), letter


def J(p):
    return evaluate(ROAD, shared_policy(p)).performance


def test_the_price_s_maximiser_is_solved_by_hand():
    names = {"np": np}
    exec(source("slip-b-price"), names)
    for p, slope, beta in ((0.1, 0.7537, 0.3), (0.6, -0.4, 0.2), (0.3, 0.02, 2.0)):
        new = names["priced"](p, slope, beta)
        z = np.linspace(-4e-3, 4e-3, 81) + np.log(new / (1 - new))
        every = 1 / (1 + np.exp(-z))
        pairs = np.stack([1 - every, every], -1)
        value = slope * every - beta * kl(np.array([1 - p, p]), pairs)
        assert value.argmax() == 40


def test_slip_b_after_eight_steps_is_exact():
    assert "1.98 0.61 0.54]" in shown("slip-b-run")
    best = max(J(p) for p in np.linspace(0.2, 0.7, 501))
    assert f"{best:.2f}" in source("slip-b-seen") and best < 1.9849


def test_slip_d_and_g_by_differences_of_J():
    slope = (J(0.1 + 1e-6) - J(0.1 - 1e-6)) / 2e-6
    assert f"{slope:.3f}" in shown("slip-g-mean") and 7.5 < slope < 7.6
    assert f"L = {0.9 * slope:+.2f}" in shown("slip-d")  # L is a straight line
    assert f"eta = {J(1.0) - J(0.1):+.2f}" in shown("slip-d")


def test_slip_e_lets_a_worse_step_pass():
    worse = next(x for x in shown("slip-e").splitlines() if "worse" in x)
    assert worse.split()[-4:] == ["0.325", "-0.175", "True", "False"]
    assert "slides' *sampled* $L$" in source("slip-e-text")
    old = evaluate(ROAD, shared_policy(0.1))  # the exact one is 0 there
    assert surrogate(old, shared_policy(0.1)) == pytest.approx(0, abs=1e-12)


def test_slip_f_by_a_long_rollout_of_the_shares():
    p, road = 0.6, road_and_ice(0.5)
    P = np.einsum("sa,sat->st", shared_policy(p), road.P)
    long = np.linalg.matrix_power(P, 200)[0]  # undiscounted, in the long run
    line = next(x for x in shown("slip-f").splitlines() if "plain" in x)
    np.testing.assert_allclose([float(x) for x in line.split()[2:4]], long, atol=2e-3)
    up, down = (evaluate(road, shared_policy(p + h)) for h in (1e-5, -1e-5))
    slope = 0.5 * (up.performance - down.performance) / 2e-5
    assert f"{slope:.3f}" in shown("slip-f") and "-0.304" in line


def test_slip_m_both_limits_keep_a_promise_at_small_delta():
    rows = [x.split() for x in shown("slip-m").splitlines()[1:]]
    promised, gained = (np.array([float(r[i]) for r in rows]) for i in (2, 3))
    assert promised[0] > 0 > promised[1:].max() and gained[-1] < 0
    assert np.all(promised <= gained)
    rows = [x.split() for x in shown("slip-m-average-run").splitlines()[2:]]
    by_max, by_mean, gained = np.array([[float(x) for x in r[3:]] for r in rows]).T
    assert by_max[0] > 0 and by_max[1] < 0 < by_mean[1] and by_mean[2] > 0
    assert by_mean[-1] < 0 and gained[-1] < 0
    top = max(
        np.arange(0.3, 0.5, 1e-4),
        key=lambda p: evaluate(ROAD, shared_policy(p)).performance,
    )
    near = evaluate(ROAD, shared_policy(top - 1e-3))  # one small step below the best p
    far = top - 1e-3 + np.sqrt(2 * 1e-5 * top * (1 - top))  # KL 1e-5, as in the table
    assert bounds(near, shared_policy(far), 0.9)["Schulman KL"] < 0


def test_slip_m_with_a_short_horizon_a_large_delta_keeps_its_promise():
    text = "with a long horizon ($\\gamma = .9$) that is above 0 for a tiny"
    assert text in source("slip-m-text")
    p = {0.001: 0.1139479, 0.2: 0.3783915, 1: 0.7636285}
    for delta, far in p.items():
        sizes = kl(shared_policy(0.1), shared_policy(far))
        np.testing.assert_allclose(sizes, delta, rtol=1e-4)
    for gamma, delta, promise in (
        *((0.1, 0.2, 0.213), (0.1, 1, 0.279), (0.2, 0.2, 0.110)),
        (0.9, 0.001, -0.179),
    ):
        old = evaluate(road_and_ice(gamma), shared_policy(0.1))
        L = surrogate(old, shared_policy(p[delta]))
        left = L - penalty_constant(old, gamma) * delta
        assert left == pytest.approx(promise, abs=1e-3)


def test_slip_m_largest_and_average_are_one_on_the_road():
    old = evaluate(ROAD, shared_policy(0.1))
    sizes = kl(old.pi, shared_policy(0.7636285227777946))
    assert np.ptp(sizes) == pytest.approx(0, abs=1e-15)
    assert sizes[0] == pytest.approx(1)
    assert bounds(old, shared_policy(0.10001), 0.9)["Schulman KL"] > 0


def test_slip_q_is_a_ratio_of_fishers():
    old, others = 0.1, (0.1, 0.3, 0.5)
    expected = [old * (1 - old) / p / (1 - p) for p in others]
    rows = [x.split() for x in shown("slip-q").splitlines()[1:]]
    assert [r[1] for r in rows] == [f"{x:.2f}" for x in expected]
    # NPG, Step IV and item 5: that much of the lecture has the root without k
    where = "In the NPG update, the full stepsize and item 5 the root holds"
    assert where in source("slip-q-text")


def test_slip_s_and_t_order():
    first, second = shown("slip-s").strip().splitlines()
    p = [float(re.search(r"p = ([\d.]+)", x)[1]) for x in (first, second)]
    assert p[0] < 0.2 < 0.6 < p[1]
    # T L - beta D has the maximiser of L - (beta / T) D, not its value
    assert r"\overline{D}_{KL}$ has the maximiser of $L - " in source("slip-s-text")
    T, beta, z = 4, 3.0, np.linspace(0.01, 0.99, 99)
    far = kl(np.array([0.9, 0.1]), np.stack([1 - z, z], -1))
    summed, mean = T * z - beta * far, z - beta / T * far
    assert summed.argmax() == mean.argmax() and np.ptp(summed - mean) > 0.1
    rows = [x.split() for x in shown("slip-t-run").splitlines()[1:]]
    for _, top, at_top, few, at_few in rows:
        assert float(few) < float(top) / 2
        assert abs(J(float(top)) - float(at_top)) < 0.05  # p has two digits
        assert abs(J(float(few)) - float(at_few)) < 0.1


def test_slip_u_a_clipped_term_does_not_pull():
    rows = [x.split() for x in shown("slip-u-run").splitlines()[1:]]
    clipped, priced = ([float(r[i]) for r in rows] for i in (1, 2))
    assert clipped == [1, 1, 0, 0]
    assert all(a > b for a, b in pairwise(priced)) and priced[-2] < 0
