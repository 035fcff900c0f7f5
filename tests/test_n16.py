"""What page 16 claims and its cells do not assert."""

import numpy as np
import pytest
from scipy import stats

from trpo_lite.bound import kl, total_variation
from trpo_lite.course import n16 as lesson
from trpo_lite.course import recipe, robots
from trpo_lite.course.data import load
from trpo_lite.legged.actuator import fit_actuator
from trpo_lite.legged.identify import NAMES
from trpo_lite.mdp import (
    TabularMDP,
    evaluate,
    random_mdp,
    random_policy,
    road_and_ice,
    shared_policy,
)

# ------------------------------------------------------------ a wrong model, exactly


def J(world, p):
    return evaluate(world, shared_policy(p)).performance


def test_no_trust_region_is_small_enough():
    """Both changes are like the root of delta, their ratio that of two slopes."""
    model, road, changes = lesson.grip(0.2), road_and_ice(), []
    for h in (1e-2, 1e-3, 1e-4, 1e-5):
        new = 0.5 + h
        delta = kl(shared_policy(0.5), shared_policy(new)).max()
        both = [J(world, new) - J(world, 0.5) for world in (model, road)]
        assert both[0] > 0 > both[1]
        changes.append([delta, *both])
    delta, up, down = np.transpose(changes)
    slopes = [(J(w, 0.5 + 1e-6) - J(w, 0.5 - 1e-6)) / 2e-6 for w in (model, road)]
    assert down[-1] / up[-1] == pytest.approx(slopes[1] / slopes[0], rel=1e-3)
    assert slopes[1] / slopes[0] == pytest.approx(-0.66, abs=0.005)
    for change in (up, down):
        np.testing.assert_allclose(
            change[1:] / change[:-1], np.sqrt(delta[1:] / delta[:-1]), rtol=0.12
        )


def test_the_tops_of_the_two_curves():
    tops = [
        max(np.linspace(0, 1, 101), key=lambda p: J(w, p))
        for w in (lesson.grip(0.2), road_and_ice())
    ]
    assert tops == pytest.approx([0.66, 0.39])
    assert "top at 0.66, the true one at 0.39" in lesson.beliefs.words()


def gap_of(model, world, pi):
    """The page's identity."""
    d, V = evaluate(world, pi).visitation, evaluate(model, pi).v
    return model.gamma * d @ (pi * ((world.P - model.P) @ V)).sum(1)


def test_the_identity_and_the_simulation_lemma_in_random_worlds():
    rng, tightest = np.random.default_rng(0), 0.0
    for _ in range(300):
        gamma = rng.uniform(0.1, 0.99)
        model = random_mdp(rng, gamma=gamma)
        other = random_mdp(rng, gamma=gamma).P
        share = rng.uniform()
        P = (1 - share) * model.P + share * other
        world = TabularMDP(P, model.R, gamma, model.start)
        pi = random_policy(rng, *model.R.shape)
        gap = evaluate(world, pi).performance - evaluate(model, pi).performance
        assert gap == pytest.approx(gap_of(model, world, pi), abs=1e-9)
        r_max, D = np.abs(model.R).max(), total_variation(model.P, P).max()
        bound = 2 * gamma * r_max * D / (1 - gamma) ** 2
        assert abs(gap) <= bound
        tightest = max(tightest, abs(gap) / bound)
    assert tightest > 0.01
    # swapped worlds have the other sign, so the order in the formula matters
    assert gap_of(world, model, pi) == pytest.approx(-gap, abs=1e-9)


def test_how_loose_the_lemma_is_on_the_road():
    road = road_and_ice()
    for q, D, times in ((0.2, 0.7, 59), (0.8, 0.1, 84)):
        gap = J(road, 0.5) - J(lesson.grip(q), 0.5)
        assert total_variation(lesson.grip(q).P, road.P).max() == pytest.approx(D)
        assert 2 * 0.9 * D / 0.01 / abs(gap) == pytest.approx(times, abs=0.5)
    # twice the bound: what the model must promise for a gain that is certain
    model, certain = lesson.grip(0.8999), 2 * 180 * 1e-4
    promised, came = (J(w, 0.39) - J(w, 0.5) for w in (model, road))
    assert promised > certain and came > promised - certain > 0
    near = [J(road, 0.5) - J(lesson.grip(q), 0.5) for q in (0.89, 0.899)]
    assert near[0] / near[1] == pytest.approx(10, rel=0.03)


# ---------------------------------------------------------------- step 1: the body


def test_what_repeated_logs_say():
    stored = lesson.repeats()
    assert stored["steps"].tolist() == [100, 500]  # 5 and 25 seconds
    scatter = stored["log_factors"].std(1, ddof=1)
    printed = np.median(stored["sd"], 1)
    best = NAMES.index("damping")
    assert (scatter.argmin(1) == best).all()
    worst = {NAMES.index("friction"), NAMES.index("legs")}
    assert all({*row.argsort()[2:]} == worst for row in scatter)
    assert (printed < scatter).all()
    assert (printed[:, 1] < 0.5 * scatter[:, 1]).all()  # the legs
    ratio = scatter[0] / scatter[1]
    assert ratio.min() > 2.05 and ratio.max() < 2.75
    low, high = np.sqrt(15 / stats.chi2.ppf([0.975, 0.025], 15))
    assert low == pytest.approx(0.74, abs=0.005) and high == pytest.approx(
        1.55, abs=0.005
    )
    r = np.corrcoef(stored["log_factors"][1].T)
    assert r[0, 1] == pytest.approx(-0.82, abs=0.005)
    others = np.abs(r[np.triu_indices(4, 1)][1:])
    assert others.max() < 0.5


def test_a_repeat_comes_out_again():
    from tests.legged_histories import estimate_of

    stored = lesson.repeats()
    again = estimate_of(1, 100, 3).log_factors
    # other versions of MuJoCo play another log of the same motion
    np.testing.assert_allclose(again, stored["log_factors"][0, 3], atol=0.06)


def test_the_stored_log_is_that_of_the_stored_models():
    _, _, motors = recipe.models(1)
    found = fit_actuator(lesson.log())
    np.testing.assert_allclose(found.weights, motors.weights, atol=1e-3)
    assert len(lesson.log()) == len(lesson.log("held_out")) == 500
    motion = recipe.safe_motion(500, np.random.default_rng(0))
    np.testing.assert_allclose(lesson.log().commands, motion, atol=1e-4)
    np.testing.assert_allclose(lesson.log("held_out").commands, motion[::-1], atol=1e-4)
    for log in (lesson.log(), lesson.log("held_out")):
        assert (np.cos(log.positions[:, 1]) > 0).all()  # the motion is safe


def test_the_joints_turn_to_honey():
    by = {x: load("legged_models")[f"{x}/log_factors"] for x in ("torques", "commands")}
    damping = {k: np.exp(v[:, 2]) for k, v in by.items()}
    assert damping["commands"].min() == pytest.approx(4.39, abs=0.01)
    assert damping["commands"].max() == pytest.approx(9.41, abs=0.01)
    assert damping["torques"].min() > 0.8 and damping["torques"].max() < 1.3
    sd = np.sqrt(load("legged_models")["commands/covariance"][:, 2, 2])
    assert sd.min() > 0.035 and sd.max() < 0.065


# ---------------------------------------------------------------- step 2: the motors


def test_what_the_regression_has_learnt():
    motors, held_out = fit_actuator(lesson.log()), lesson.log("held_out")
    error = motors.predict(held_out) - held_out.torques
    assert np.sqrt((error**2).mean()) == pytest.approx(0.011, abs=0.0005)
    ideal = held_out.held() - held_out.torques
    assert np.sqrt((ideal**2).mean()) == pytest.approx(0.58, abs=0.005)
    assert np.sqrt((held_out.torques**2).mean()) == pytest.approx(0.32, abs=0.005)
    half, full = (lesson.response_of(motors, 0, x) for x in (0.5, 1.0))
    for response in (half, full):
        assert np.abs(response[:6]).max() < 0.01 < 0.1 < response[6]
        steps = np.diff(response[5:14])
        assert (steps > 0).all() and (np.diff(steps[1:]) < 0).all()
    assert half[-1] == pytest.approx(0.5, abs=0.01)
    assert full[-1] == pytest.approx(0.74, abs=0.01)
    words = lesson.response.words(motors, 0)
    assert "ends at 0.50" in words and "ends at 0.74" in words


# ---------------------------------------------------------------- the seal is broken


def test_estimates_are_wrong_together():
    from trpo_lite.legged.robot import SealedRobots

    robot = SealedRobots([1])
    (truth,) = robot.reveal()
    robot.close()
    true = np.log([np.mean(truth[name]) for name in NAMES])
    x, sd = (lesson.repeats()[k][1] for k in ("log_factors", "sd"))
    bias = np.abs(x.mean(0) - true)
    assert bias.min() > 0.01 and bias.max() < 0.045
    off = []
    for number in recipe.ROBOTS:
        robot = SealedRobots([number])
        (true_one,) = robot.reveal()
        robot.close()
        body, _, _ = recipe.models(number)
        means = [np.mean(true_one[name]) for name in NAMES]
        assert min(means) > 0.7 and max(means) < 1.345
        off.append(np.abs(body.log_factors - np.log(means)))
        within_two = (off[-1] < 2 * body.sd).all()
        assert within_two == (number == 2)
    assert np.max(off) == pytest.approx(0.063, abs=0.0005)
    assert ((true < x.min(0)) | (true > x.max(0))).all()
    assert 2 * stats.t.cdf(2, 15) - 1 == pytest.approx(0.94, abs=0.005)
    in_printed, in_scatter = bias / np.median(sd, 0), bias / x.std(0, ddof=1)
    assert in_printed.round().min() == 3 and in_printed.round().max() == 9
    assert in_scatter.round().min() == 2 and in_scatter.round().max() == 6


def test_where_the_error_comes_from():
    stored = lesson.causes()
    error = {
        (bool(n), bool(d)): 100 * e.mean(0)
        for n, d, e in zip(stored["noise"], stored["limbs"], stored["log_errors"])
    }
    scatter = stored["log_errors"].std(1, ddof=1)
    assert np.abs(stored["log_errors"][-1]).max() < 2e-4  # without both, each log
    legs, damping, friction = 1, 2, 3
    assert error[True, False][friction] == pytest.approx(-2.7, abs=0.1)
    assert error[False, True][damping] == pytest.approx(2.0, abs=0.1)
    assert error[False, True][legs] == pytest.approx(1.3, abs=0.1)
    # beyond what eight logs do by chance
    of_eight = 100 * scatter / np.sqrt(8)
    assert abs(error[True, False][friction]) > 4 * of_eight[1][friction]
    assert error[False, True][damping] > 4 * of_eight[2][damping]


def test_causes_in_small():
    from tests.legged_histories import legged_bias

    found = legged_bias(times=1, steps=60)
    assert found["noise"] == [True, True, False, False]
    assert found["limbs"] == [True, False, True, False]
    errors = np.array(found["log_errors"])
    assert errors.shape == (4, 1, 4)
    assert np.abs(errors[3]).max() < 1e-3 < 3e-3 < np.abs(errors[:3]).max(2).min()


# ----------------------------------------------------------- what the four steps earn


def mean_of(kind):
    return lesson.on_robots(kind).mean()


def test_the_grid_is_whole():
    stored = lesson.results()
    assert len(stored["kind"]) == 160
    for kind, _ in lesson.STAGES:
        assert lesson.on_robots(kind).shape == (5, 5, 8)
        assert np.isfinite(lesson.on_robots(kind)).all()
    # a policy made for one robot is deployed on that one
    made = stored["robot"] > 0
    assert np.isfinite(stored["deployed"][made]).sum() == made.sum() * 8
    for kind, _ in lesson.WRONG:
        assert lesson.on_robots(kind).shape == (3, 5, 8)
    assert np.abs(stored["still"]).max() < 2


def test_gymnasiums_policies_get_next_to_nothing():
    own, real = lesson.own("nominal"), lesson.on_robots("nominal")
    assert 1375 < own.min() < 1380 and 1865 < own.max() < 1870
    assert (real < lesson.FAILED).mean() == pytest.approx(0.81, abs=0.005)
    assert real.mean(2).max() == pytest.approx(710, abs=1)
    assert lesson.on_robots("nominal", "on_back").mean() == pytest.approx(
        0.01, abs=2e-3
    )


def test_the_table_that_decides():
    with_motors = [mean_of(x) for x in ("motor", "both", "both-10", "robot")]
    assert with_motors == pytest.approx([2213, 2246, 2142, 2241], abs=1)
    assert max(mean_of(x) for x in ("nominal", "body", "body-10")) < 540
    homes = {kind: lesson.own(kind).mean() for kind, _ in lesson.STAGES[:-1]}
    assert sorted(homes, key=homes.get)[-2] == "body"
    assert homes["body"] == pytest.approx(2522, abs=1)
    assert mean_of("body") == pytest.approx(535, abs=1)
    hard = lesson.on_robots("robot").mean(2)
    assert hard.mean(0).argmin() == 3  # robot 4
    assert (hard[:, 3].min(), hard[:, 3].max()) == pytest.approx((592, 3228), abs=1)
    back = {k: lesson.on_robots(k, "on_back").mean((0, 2)) for k, _ in lesson.STAGES}
    often = [(k, i) for k, x in back.items() for i in range(5) if x[i] > 0.05]
    assert often == [(k, 3) for k in ("body", "motor", "both-10", "wide", "robot")]
    assert back["wide"][3] == pytest.approx(0.7, abs=0.005)
    assert all(0.12 < back[k][3] < 0.155 for k, _ in often if k != "wide")


@pytest.mark.parametrize(
    "one, other, gain, half, shows",
    [
        ("motor", "nominal", 2226, 194, True),
        ("body", "nominal", 548, 425, True),
        ("both", "body", 1711, 397, True),
        ("both", "motor", 33, 405, False),
        ("both-10", "both", -103, 289, False),
        ("robot", "both-10", 99, 412, False),
        ("both-10", "wide", 1143, 345, True),
        ("both-10", "motor", -70, 236, False),
    ],
)
def test_which_step_earned_what(one, other, gain, half, shows):
    five = lesson.gained(one, other)
    assert lesson.of_five(five) == pytest.approx((gain, half), abs=1)
    assert (abs(gain) > half) == shows
    seeds, of_seeds = lesson.of_five(lesson.gained(one, other, "seeds"))
    assert seeds == pytest.approx(gain, abs=1)
    assert (abs(gain) > of_seeds) == shows
    by_hand = lesson.on_robots(one).mean((0, 2)) - lesson.on_robots(other).mean((0, 2))
    np.testing.assert_allclose(five, by_hand, rtol=1e-5)
    if other == "body":
        assert five.min() > 0 and lesson.gained(one, other, "seeds").min() > 0
    if one == "motor":
        assert five.min() > 2000
        assert lesson.gained(one, other, "seeds").min() > 1800
        assert of_seeds == pytest.approx(535, abs=1)


def test_the_interval_is_students():
    assert pytest.approx(stats.t.ppf(0.975, 4), abs=1e-3) == lesson.T_95
    rng, held = np.random.default_rng(0), 0
    for _ in range(4000):
        mean, half = lesson.of_five(rng.normal(3, 2, 5))
        held += abs(mean - 3) < half
    assert held / 4000 == pytest.approx(0.95, abs=0.012)


def test_the_body_keeps_the_promise():
    for kind, gap, half in (
        ("motor", -364, 244), ("both", -52, 54), ("both-10", 202, 141),
    ):  # fmt: skip
        assert lesson.of_five(lesson.gaps(kind)) == pytest.approx((gap, half), abs=1)
    within = [k for k, _ in lesson.STAGES[:-1] if np.abs(lesson.gaps(k)).max() < 150]
    assert within == ["both"] and np.abs(lesson.gaps("both")).max() < 120.5
    stored = lesson.results()
    both = stored["kind"] == "both"
    real = np.nanmean(stored["deployed"][both], (1, 2))
    assert np.abs(real - stored["own"][both]).max() == pytest.approx(693, abs=1)
    moved = lesson.of_five(lesson.gaps("both") - lesson.gaps("motor"))
    assert moved == pytest.approx((311, 270), abs=1)
    assert lesson.gaps("both-printed")[3] == pytest.approx(-299, abs=1)
    assert lesson.gaps("body").mean() == pytest.approx(-1987, abs=1)
    assert lesson.gaps("motor").max() < 0 < lesson.gaps("both-10").min()


def test_many_robots_at_home_make_the_promise_low():
    stored = load("legged_margin")
    for kind, gap, half, alone, real in (
        ("both-10", 202, 141, 2186, 2142), ("both-30", 672, 134, 1697, 1630),
    ):  # fmt: skip
        assert lesson.of_five(lesson.gaps(kind)) == pytest.approx((gap, half), abs=1)
        mine = stored["kind"] == kind
        robot, earned = stored["robot"][mine], stored["earned"][mine]
        assert len(robot) == lesson.on_robots(kind)[:, :, 0].size
        of_model = np.array([earned[robot == n].mean() for n in recipe.ROBOTS])
        of_robot = lesson.on_robots(kind).mean((0, 2))
        assert of_model.mean() == pytest.approx(alone, abs=0.5)
        assert of_robot.mean() == pytest.approx(real, abs=0.5)
        home = of_robot - lesson.gaps(kind)
        assert (of_model - home > 100).all()  # on each robot more, with one of them


def test_the_printed_spread_is_one_per_cent_at_most():
    sd = [recipe.models(number)[0].sd for number in recipe.ROBOTS]
    assert np.max(sd) == pytest.approx(0.01, abs=1e-4)


def test_the_band_is_two_standard_deviations():
    figure = lesson.draw_worked_on("both, ± 10 %", 1.0, 0)
    mass = figure.axes[0]
    band = mass.patches[0].get_extents().transformed(mass.transData.inverted())
    assert [*band.intervalx] == pytest.approx(np.exp([-0.2, 0.2]), abs=0.005)


def test_what_the_lemma_says_of_robots():
    stored = lesson.results()
    gamma, r_max = float(stored["gamma"]), float(stored["largest"])
    bound, top = 2 * r_max / (1 - gamma) ** 2, r_max / (1 - gamma)
    assert bound == pytest.approx(547e3, rel=1e-3)
    assert bound / top == pytest.approx(400)
    gaps = [
        lesson.on_robots(k, "discounted").mean()
        - lesson.own(k, "own_discounted").mean()
        for k, _ in lesson.STAGES[:-1]
    ]
    assert np.abs(gaps).max() == pytest.approx(357, abs=1)
    assert bound > 1000 * 357
    R = np.nanmax(np.abs(stored["discounted"]))
    assert top > R


def test_what_the_films_show():
    ways = {}
    for kind, _ in lesson.STAGES:
        shown, score = lesson.film_of(kind)
        assert len(shown) == 101 and shown.interval == pytest.approx(0.05)
        ways[kind] = (shown.camera[-1, 0] - shown.camera[0, 0], score)
    assert ways["nominal"] == pytest.approx((3.0, 182), abs=0.6)
    assert ways["both-10"] == pytest.approx((10.5, 2299), abs=0.6)
    assert ways["body"] == pytest.approx((0.5, 1), abs=0.5)
    assert ways["motor"][0] == pytest.approx(10, abs=0.3)
    assert ways["both"][0] == pytest.approx(10, abs=0.3)
    assert ways["robot"][0] == pytest.approx(13, abs=0.5)
    stored = load("legged_films")
    assert int(stored["robot"]) == 1
    assert lesson.results()["seed"].min() == 20


def test_somebody_works_on_the_robot():
    returns, (load_, late) = lesson.swept()
    assert load_.tolist() == pytest.approx(np.linspace(0.6, 1.6, 11))
    assert late.tolist() == [*range(0, 110, 10)]
    know = ("motor", "both", "both-10", "robot")
    by_load = {k: returns[k][0].mean(0) for k in know}
    by_wait = {k: returns[k][1].mean(0) for k in know}
    kept = [by_load[kind].min() / by_load[kind][4] for kind in know]
    assert min(kept) == pytest.approx(1 - 0.293, abs=0.001)
    assert by_load["both-10"][-1] == pytest.approx(1970, abs=1)
    wide = returns["wide"][1].mean(0)
    assert 1 - wide[[5, 10]] / wide[0] == pytest.approx([0.4, 0.59], abs=0.005)
    for kind in know:
        assert 2100 < by_load[kind][4] < 2240
        np.testing.assert_allclose(by_load[kind][4], by_wait[kind][0])
    lost = [1 - by_wait[k][5] / by_wait[k][0] for k in know]
    assert min(lost) > 0.385 and max(lost) < 0.475
    lost = [1 - by_wait[k][10] / by_wait[k][0] for k in know]
    assert min(lost) > 0.75 and max(lost) < 0.82
    ahead = [returns["both-10"][i] - returns["both"][i] for i in range(2)]
    at = ahead[0][:, 1]
    assert lesson.of_five(at) == pytest.approx((458, 938), abs=1)
    assert at.max() == pytest.approx(1486, abs=1) and (at < 0).sum() == 2
    stored = load("legged_sweep")
    one, other = (stored["kind"].tolist().index(x) for x in ("both-10", "both"))
    of_seeds = (stored["by_load"][one] - stored["by_load"][other])[..., 1].mean(1)
    assert lesson.of_five(of_seeds) == pytest.approx((458, 367), abs=1)
    every = [lesson.of_five(one) for one in np.hstack(ahead).T]
    shown = [mean for mean, half in every if abs(mean) > half]
    assert len(every) == 22 and shown == pytest.approx([-154], abs=1)
    assert shown[0] == pytest.approx(ahead[0][:, 5].mean())
    single = returns["motor"][1][:, 5]
    assert (single.argmin(), single.argmax()) == (4, 3)
    assert (single.min(), single.max()) == pytest.approx((-136, 1939), abs=1)


def test_the_stored_sweep_begins_where_the_table_stands():
    """One episode of each policy, beside eight: the same robots and policies."""
    returns, _ = lesson.swept()
    for kind in lesson.SWEPT:
        table = lesson.on_robots(kind).mean((0, 2))
        assert (
            np.corrcoef(table, returns[kind][0][:, 4])[0, 1] > 0.9 or kind == "nominal"
        )
        assert abs(returns[kind][0][:, 4].mean() - table.mean()) < 60


def test_broken_recipes():
    mean = {kind: mean_of(kind) for kind in lesson.WORDS}
    assert len(mean) == 13 and min(mean, key=mean.get) == "commands"
    for kind, value in (
        ("commands", -268), ("nominal-10", 238), ("both-30", 1630),
        ("both-printed", 2406), ("motor-10", 2052),
    ):  # fmt: skip
        assert mean[kind] == pytest.approx(value, abs=1)
    assert lesson.on_robots("commands", "on_back").mean() == pytest.approx(
        0.25, abs=3e-3
    )
    for one, other, gain, half in (
        ("commands", "body", -844, 562), ("both-30", "both", -615, 256),
        ("both-printed", "both", 162, 192), ("motor-10", "motor", -172, 201),
    ):  # fmt: skip
        five = lesson.of_five(lesson.gained(one, other))
        assert five == pytest.approx((gain, half), abs=1)
    quantile = stats.t.ppf(0.975, 2)
    for one, other, half in (
        ("both-30", "both", 875), ("both-printed", "both", 853),
        ("motor-10", "motor", 960), ("nominal-10", "nominal", 1070),
    ):  # fmt: skip
        three = lesson.gained(one, other, "seeds")
        assert quantile * three.std(ddof=1) / np.sqrt(3) == pytest.approx(half, abs=1)
    assert lesson.gaps("both-30").mean() == pytest.approx(672, abs=1)
    seeds = lesson.gained("both-30", "both", "seeds")
    assert seeds == pytest.approx([-1019, -450, -375], abs=1)
    assert lesson.gained("commands", "nominal").mean() < 0
    three = lesson.gained("nominal-10", "nominal", "seeds")
    assert (three < 0).sum() == 1
    for one, gain, half in (("nominal-10", 282, 180), ("wide", 1013, 580)):
        five = lesson.of_five(lesson.gained(one, "nominal"))
        assert five == pytest.approx((gain, half), abs=1)


def test_one_policy_comes_out_again_in_the_small():
    """Deploying is repeatable, and the stored arrays are what it gives."""
    from trpo_lite.legged.robot import SealedRobots

    robots = SealedRobots([2] * 8)
    rewards, on_back = recipe.deployed(lambda seen: np.zeros((len(seen), 6)), robots)
    robots.close()
    stored = lesson.results()["still"][1]
    np.testing.assert_allclose(rewards.sum(0), stored, atol=0.5)
    assert not on_back.any()


def test_missing_says_what_to_install(monkeypatch):
    assert lesson.missing() == ""
    monkeypatch.setattr(robots, "find_spec", lambda name: None)
    assert "gymnasium[mujoco]" in lesson.missing()
