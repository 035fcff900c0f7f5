"""What page 11 claims and its cells do not assert."""

import numpy as np
import pytest

from trpo_lite import lqr, mdp
from trpo_lite.bound import kl as kl_rows
from trpo_lite.conjugate_gradient import conjugate_gradient
from trpo_lite.course import n11 as lesson
from trpo_lite.line_search import line_search
from trpo_lite.policies import TabularSoftmax
from trpo_lite.surrogate import surrogate

THETA = lesson.POLICY.theta


@pytest.fixture(scope="module")
def full():
    """(L, KL / delta, gain of J, change of log sigma) of 1000 full steps at .1."""
    rows = []
    for sample in lesson.samples(1000):
        step = lesson.full_step(sample, 0.1)
        L, kl = sample.evaluate(THETA + step)
        rows.append((L, kl / 0.1, lesson.gain(THETA + step), step[1]))
    return np.array(rows).T


def test_the_gallery_shows_what_its_titles_say(full):
    L, kl, J, _ = full[:, list(lesson.CASES.values())]
    assert kl[0] > 1 and L[0] > 0 and J[0] > 0
    assert L[1] < 0 and J[1] < 0
    assert kl[2] < 1 and L[2] > 0 and J[2] < 0
    for case, i in lesson.CASES.items():
        t, ray_L, ray_kl, ray_J = lesson.ray(case, 0.1)
        assert [y[0] for y in (t, ray_L, ray_kl, ray_J)] == pytest.approx([0] * 4)
        at_one = [np.interp(1, t, y) for y in (ray_L, ray_kl / 0.1, ray_J)]
        np.testing.assert_allclose(at_one, full[:3, i], rtol=0.02)
    # "goes wrong from its first inch"; "fine at a quarter of its length"
    assert (lesson.ray("J down", 0.1)[3][1:] < 0).all()
    t, L, _, J = lesson.ray("L down", 0.1)
    assert np.interp(0.25, t, L) > 0 and np.interp(0.25, t, J) > 0
    # so Taylor alone can lower J: the slope was right
    some = lesson.full_step(lesson.samples(1000)[lesson.CASES["L down"]], 0.1)
    gains = [lesson.gain(THETA + share * some) for share in (0.3, 1.0)]
    assert gains == pytest.approx([0.0030, -0.033], abs=5e-4)


def test_the_sample_is_a_sample_of_the_world():
    """TD errors: right on average in every state, and the states are the policy's."""
    sample = lesson.samples(1000)[0]
    rng = np.random.default_rng(7)
    many = lesson.draw_samples(lesson.POLICY, 1, 100_000, rng)[0]
    exact = lqr.advantage(
        lesson.WORLD, lesson.GAIN, lesson.STD, many.observations, many.actions
    )
    left = many.advantages - exact
    for power in (0, 1, 2):
        terms = left * many.observations[:, 0] ** power
        assert abs(terms.mean()) < 4 * terms.std() / np.sqrt(len(terms))
    assert len(sample.advantages) == 250


def test_kl_exceeds_delta_exactly_when_sigma_shrinks(full):
    _, kl, J, y = full
    assert ((kl > 1) == (y < 0)).all()
    assert not ((kl <= 1) & (full[0] > 0) & (J >= 0)).any()
    formula = y + (np.exp(-2 * y) * (1 + 0.2 - 2 * y**2) - 1) / 2
    np.testing.assert_allclose(kl * 0.1, formula, atol=1e-9)


def test_the_limit_stops_mostly_good_steps(full):
    L, kl, J, _ = full
    assert np.mean(J[kl > 1] > 0) == pytest.approx(0.82, abs=0.005)
    # a step with L <= 0 lowers J as often after the search
    searched = [
        line_search(x.evaluate, THETA, lesson.full_step(x, 0.1), 0.1).theta
        for x in lesson.samples(1000)
    ]
    after = np.array([lesson.gain(theta) for theta in searched])
    assert np.mean(after[L <= 0] < 0) == np.mean(J[L <= 0] < 0) > 0.4
    assert J[lesson.CASES["L down"]] < after[lesson.CASES["L down"]] < 0


def test_why_steps_that_widen_sigma_lower_j(full):
    """Each part of the step alone, on all steps that stay inside the limit."""
    steps = np.array([lesson.full_step(x, 0.1) for x in lesson.samples(1000)])
    wider = steps[:, 1] > 0
    assert wider.sum() == 272 and (full[2][wider] < 0).all()
    sigma = [lesson.gain(np.add(THETA, (0, y))) for _, y in steps[wider]]
    k = [lesson.gain(np.add(THETA, (x, 0))) for x, _ in steps[wider]]
    assert max(sigma) < 0
    assert np.mean(np.array(k) < 0) == pytest.approx(0.95, abs=0.01)
    k = [lesson.gain(np.add(THETA, (x, 0))) for x, _ in steps[~wider]]
    assert np.mean(np.array(k) < 0) == pytest.approx(0.94, abs=0.01)


def test_the_orders_of_kl_agree_on_no_step(full):
    """Inside by old||new exactly if sigma widens, by new||old exactly if it shrinks."""
    for sample, kl in zip(lesson.samples(1000), full[1]):
        step = lesson.full_step(sample, 0.1)
        back = lesson.reverse_kl(sample, THETA + step) <= 0.1
        assert back == (step[1] < 0) != (kl <= 1)


def test_a_flipped_step_hardly_ever_passes():
    passed = [
        line_search(x.evaluate, THETA, -lesson.full_step(x, 0.1), 0.1).accepted
        for x in lesson.samples(1000)
    ]
    assert sum(passed) == 38


def test_samples_of_the_lake_without_a_reward():
    lake, pi = mdp.TabularMDP.from_gymnasium("FrozenLake", 0.95), np.full((16, 4), 0.25)
    runs = [
        mdp.sample_trajectories(lake, pi, 10, 25, np.random.default_rng(i))
        for i in range(300)
    ]
    nothing = np.mean([not run.rewards.any() for run in runs])
    assert nothing == pytest.approx(0.7, abs=0.06)


def test_the_exact_natural_step_shrinks_sigma():
    slopes = lqr.gradient(lesson.WORLD, lesson.GAIN, lesson.STD, parameter="log_std")
    assert slopes[1] < 0  # F is diagonal: the step has the signs of g


def test_first_order_says_that_some_try_passes():
    for sample in lesson.samples(1000)[:50]:
        step = lesson.full_step(sample, 0.1)
        promise = sample.gradient() @ step
        L, kl = sample.evaluate(THETA + 1e-4 * step)
        assert promise > 0
        assert L / promise == pytest.approx(1e-4, rel=0.05)
        assert kl == pytest.approx(1e-8 * 0.1, rel=0.01)


def test_wilsons_interval():
    low, high = lesson.interval([0] * 1000)[1:]
    assert low == 0 and high == pytest.approx(0.0038, abs=1e-4)
    p, low, high = lesson.interval([1] * 40 + [0] * 60)
    assert (p, low, high) == pytest.approx((0.4, 0.3094, 0.4980), abs=1e-3)


def test_road_and_ice_passes_both_tests_and_falls():
    """Exact L and KL at the accepted p = .694, without the page's search."""
    world = mdp.road_and_ice()
    old = mdp.evaluate(world, mdp.shared_policy(0.1))
    d = old.visitation / old.visitation.sum()
    logit = np.log(1 / 9) + 0.64 * np.sqrt(2 / 0.09)
    pi = mdp.shared_policy(1 / (1 + np.exp(-logit)))
    assert surrogate(old, pi) > 4
    assert np.ptp(kl_rows(old.pi, pi)) == pytest.approx(0, abs=1e-12)  # max = mean
    assert d @ kl_rows(old.pi, pi) < 0.8
    assert mdp.evaluate(world, pi).performance < old.performance - 0.1


def reached(case, delta, backtrack):
    sample = lesson.samples(1000)[lesson.CASES[case]]
    step = lesson.full_step(sample, delta)
    return line_search(sample.evaluate, THETA, step, delta, backtrack)


def test_the_widgets_questions_have_answers():
    deltas = lesson.along.controls["delta"].values
    second = [d for d in deltas if reached("L down", d, 0.8).backtracks == 1]
    assert second == [0.001, 0.01, 0.03]
    assert not any(reached("L down", 1.0, a).accepted for a in (0.85, 0.9, 0.95))
    assert all(reached("L down", 1.0, a).accepted for a in (0.3, 0.5, 0.75, 0.8))
    assert reached("KL violated", 1.0, 0.95).accepted
    for d in deltas:
        assert {reached("J down", d, a).backtracks for a in (0.3, 0.8, 0.95)} == {0}
    assert any(reached("KL violated", d, 0.95).backtracks > 1 for d in deltas)


def test_the_picture_holds_every_try_and_each_control_moves_it():
    def marks(**settings):
        figure = lesson.draw_ray(**{**lesson.along.defaults, **settings})
        lines = [line.get_xydata() for axes in figure.axes for line in axes.lines]
        words = [text.get_text() for axes in figure.axes for text in axes.texts]
        return lines, words

    lines, words = marks()
    found = reached("L down", 0.1, 0.8)
    kl = [trial.kl / 0.1 for trial in found.tried]
    np.testing.assert_allclose(lines[7][:, 1], kl[:-1])  # right: crosses
    np.testing.assert_allclose(lines[8], [[0.8**3, kl[-1]]])  # and the dot
    assert "failed: 3" in words[0] and "accepted at j = 3" in words[1]
    assert "none accepted" in marks(delta=1.0, backtrack=0.95)[1]
    for change in ({"case": "J down"}, {"delta": 0.3}, {"backtrack": 0.5}):
        assert marks(**change)[1] != words or any(
            a.shape != b.shape or not np.allclose(a, b)
            for a, b in zip(lines, marks(**change)[0], strict=True)
        )


def test_accumulating_tries_never_lower_l():
    """Though a second try may lower it inside the limit: L > 0 alone would take it."""
    lower = 0
    for sample in lesson.samples(1000)[:200]:
        step = lesson.full_step(sample, 1.0)
        first = sample.evaluate(lesson.right_search(sample, step, 1.0, 0.8, 2)[0])[0]
        theta = lesson.accumulating(sample, step, 1.0, 0.8, 2)[0]
        best = sample.evaluate(theta)[0]
        assert best >= first
        theta = THETA
        for j in range(3):
            L, kl = sample.evaluate(theta + 0.8**j * step)
            if L > 0 and kl <= 1:
                theta = theta + 0.8**j * step
        lower += sample.evaluate(theta)[0] < first - 1e-6
    assert lower > 5


def test_each_suspect_has_its_own_symptom():
    found = {f.__name__: lesson.symptoms(f, 200) for f in lesson.suspects.values()}
    right = found["right_search"]
    assert right["over"] == right["down"] == 0 < right["kept"]
    assert found["overwritten"]["log"] == 1 and found["overwritten"]["over"] > 0.5
    assert found["overwritten"]["down"] > right["kept"] > 0
    bug = found["not_restored"]
    assert bug["kept"] == 0 and bug["down"] == right["kept"]
    bug = found["accumulating"]
    assert bug["over"] == bug["down"] == 0 and bug["tries"] == 3
    assert bug["mean"] >= right["mean"]
    assert found["no_kl_test"]["log"] < 0.5 and found["no_kl_test"]["over"] > 0.5
    bug = found["other_direction"]
    assert bug["log"] == 1 and bug["over"] > 0.5 and bug["down"] == 0
    for sample in lesson.samples(1000)[:400]:  # over the limit only where sigma shrinks
        step = lesson.full_step(sample, 1.0)
        theta, _ = lesson.other_direction(sample, step, 1.0, 0.8, 2)
        assert sample.evaluate(theta)[1] <= 1 or theta[1] < THETA[1]


def test_the_words_of_the_widget_follow_it():
    words = lesson.along.words("L down", 0.1, 0.8)
    assert "3 red crosses" in words and "share 0.51 is accepted" in words
    words = lesson.along.words("L down", 1.0, 0.95)
    assert "11 red crosses" in words and "No try is accepted" in words


def test_the_right_suspect_is_the_packages_search():
    for sample in lesson.samples(1000)[:60]:
        step = lesson.full_step(sample, 1.0)
        theta, _ = lesson.right_search(sample, step, 1.0, 0.8, 2)
        end = line_search(sample.evaluate, THETA, step, 1.0, 0.8, 2)
        np.testing.assert_array_equal(theta, end.theta)


def test_more_rows_do_not_lower_the_largest_kl():
    few, many = (lesson.with_and_without(1.0, rows, 100) for rows in (25, 250))
    assert few["max"] == pytest.approx(many["max"], rel=0.01)
    assert many["J searched"] < many["J full"]
    for delta in (0.01, 0.1, 1.0):  # the formula of the folded derivation
        y = np.sqrt(delta) * np.linspace(-1, 1, 4001)
        kl = y + (np.exp(-2 * y) * (1 + 2 * delta - 2 * y**2) - 1) / 2
        found = lesson.with_and_without(delta, 250)["max"]
        assert found == pytest.approx(kl.max() / delta, abs=0.005)


def test_where_the_search_raises_the_mean_gain():
    def gains(delta, rows):
        found = lesson.with_and_without(delta, rows)
        return found["gain full"], found["gain searched"]

    for delta, rows in ((0.01, 250), (0.01, 2000), (0.1, 250), (0.1, 2000)):
        full, searched = gains(delta, rows)
        assert 0 < searched < full
    full, searched = gains(0.01, 2000)
    assert searched / full == pytest.approx(0.8, abs=0.03)
    for rows in (25, 250, 2000):
        full, searched = gains(1.0, rows)
        assert searched > full + 0.03


def test_a_larger_sample_and_the_sign_of_l():
    rng, down = np.random.default_rng(5), []
    for rows in (25, 250, 2000):
        samples = lesson.draw_samples(lesson.POLICY, 2000, rows, rng)
        L = [
            [x.evaluate(THETA + lesson.full_step(x, delta))[0] for x in samples]
            for delta in (0.01, 0.1, 1.0)
        ]
        down.append(np.mean(np.array(L) <= 0, axis=1))
    small, middle, large = np.transpose(down)
    assert small[1] > 0 and max(small) < 0.01
    assert middle == pytest.approx([0.026, 0.03, 0.008], abs=0.008)
    assert large == pytest.approx([0.185, 0.193, 0.126], abs=0.02)
    assert large[2] < 0.8 * min(large[:2]) and middle[2] < 0.6 * min(middle[:2])


def random_starts(seeds):
    """Of `zero-run` with other random numbers: (old, start, J after / J before).

    Only samples without a reward, so g = 0; the last is a function of the step.
    """
    lake = mdp.TabularMDP.from_gymnasium("FrozenLake", 0.95)
    uniform = TabularSoftmax.zeros(16, 4)
    first = mdp.evaluate(lake, uniform.probabilities()).performance

    def ratio(step):
        pi = uniform.with_theta(step).probabilities()
        return mdp.evaluate(lake, pi).performance / first

    for seed in seeds:
        rng = np.random.default_rng(seed)
        runs = mdp.sample_trajectories(lake, uniform.probabilities(), 10, 25, rng)
        if not runs.rewards.any():
            start = 1e-4 * np.random.default_rng(seed + 1).standard_normal(64)
            yield uniform.at(runs.states[:, :-1].ravel()), start, ratio


def test_sb3_contribs_rule_spends_little_on_noise():
    """Page 10's random start at g = 0, damped with .1, stopped at r.r < 1e-10."""
    found = []
    for old, start, ratio in random_starts(range(40)):

        def damped(v, old=old):
            return old.fisher_product(v) + 0.1 * v

        r = -damped(start)  # g = 0
        stop = 1e-5 / np.linalg.norm(r)
        x = start + conjugate_gradient(damped, r, 15, stop).x
        step = np.sqrt(2 * 0.01 / (x @ damped(x))) * x
        found.append((old.kl(old.with_theta(step)).mean() / 0.01, ratio(step)))
    np.testing.assert_allclose(found[0], [0.15, 0.97], atol=0.005)  # the page's seeds
    kl, J = np.transpose(found)
    assert len(found) > 20 and max(kl) < 0.4 and max(abs(J - 1)) < 0.1


def test_a_random_step_on_the_lake_wins_about_as_often_as_it_loses():
    ratios = []
    for old, start, ratio in random_starts(range(300)):
        error = -old.fisher_product(start)  # g = 0
        x = start + conjugate_gradient(old.fisher_product, error, 5).x
        size = x @ old.fisher_product(x)
        if size <= 0:  # rounding: x is a direction that changes nothing
            continue
        step = np.sqrt(2 * 0.01 / size) * x
        if old.kl(old.with_theta(step)).mean() <= 0.01:
            ratios.append(ratio(step))
    assert np.mean(np.array(ratios) > 1) == pytest.approx(0.5, abs=0.08)


@pytest.mark.parametrize("seed", range(12))
def test_failed_tries_that_stay_ruin_the_policy(seed):
    rng, now, failed = np.random.default_rng(seed), lesson.POLICY, 0
    for _ in range(60):
        fresh = lesson.draw_samples(now, 1, 250, rng)[0]
        wrong = -lesson.full_step(fresh, 0.1)
        end = line_search(fresh.evaluate, now.theta, wrong, 0.1)
        failed += not end.accepted
        now = now.with_theta(now.theta + end.tried[-1].scale * wrong)
    J = lqr.performance(lesson.WORLD, lesson.GAIN, lesson.STD)
    assert failed > 50 and lesson.gain(now.theta) < J / 5


@pytest.mark.parametrize(
    "backtrack, halvings, tries, used, found",
    [(0.5, 3, 4.1, 0.91, 1.0), (0.95, 0, 3.1, 0.92, 0.99)],
)
def test_what_the_halvings_of_exercise_3_are_worth(
    backtrack, halvings, tries, used, found
):
    """The exercise's numbers, on the samples of the page's table over alpha."""
    counts, shares, kept = [], [], 0
    for sample in lesson.samples(1000)[:300]:
        calls = []

        def evaluate(theta, sample=sample, calls=calls):
            calls.append(sample.evaluate(theta))
            return calls[-1]

        start, step = lesson.POLICY.theta, lesson.full_step(sample, 0.1)
        end = lesson.refined_reference(
            evaluate, start, step, 0.1, backtrack, 11, halvings
        )
        counts.append(len(calls))
        if np.array_equal(end, start):
            kept += 1
        else:
            L, kl = sample.evaluate(end)
            assert L > 0 and kl <= 0.1
            shares.append(kl / 0.1)
    assert np.mean(counts) == pytest.approx(tries, abs=0.05)
    assert np.mean(shares) == pytest.approx(used, abs=0.005)
    assert 1 - kept / 300 == pytest.approx(found, abs=1e-9)
