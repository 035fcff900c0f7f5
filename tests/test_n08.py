"""What page 08 claims and its cells do not assert."""

import io

import numpy as np
import pytest

from trpo_lite import lqr
from trpo_lite.bound import kl
from trpo_lite.course import n08 as lesson
from trpo_lite.mdp import evaluate, road_and_ice, shared_policy
from trpo_lite.natural_gradient import natural_step_exact
from trpo_lite.surrogate import surrogate

OLD = (lesson.GAIN, lesson.STD)


def moved(step):
    return lesson.GAIN + step[0], lesson.STD * np.exp(step[1])


def test_the_line_and_the_bowl_of_the_road():
    t, L, bowl, g, H = lesson.road_curves()
    np.testing.assert_allclose((g, H), (0.6783, 0.09), atol=5e-5)
    middle = len(t) // 2
    assert np.abs([t[middle], L[middle], bowl[middle]]).max() < 1e-14
    np.testing.assert_allclose(np.gradient(L, t)[middle], g, rtol=2e-3)
    old = evaluate(road_and_ice(), shared_policy(0.1))

    def errors(t):
        pi = shared_policy(1 / (1 + 9 * np.exp(-t)))
        return surrogate(old, pi) - g * t, kl(old.pi[0], pi[0]) - H * t**2 / 2

    ratios = np.divide(errors(0.02), errors(0.01))
    np.testing.assert_allclose(ratios, (4, 8), atol=0.2)


@pytest.mark.parametrize("which", lesson.MOVES)
def test_terms_sum_to_kl_tilt_and_curve_upwards(which):
    direction, t = lesson.MOVES[which], np.linspace(-1.5, 1.5, 301)
    terms = lesson.kl_terms(direction, t)
    pi = lesson.softmax(np.log(lesson.P_OLD) + np.outer(t, direction))
    np.testing.assert_allclose(terms.sum(1), kl(lesson.P_OLD, pi), atol=1e-14)
    slopes = np.gradient(terms, t, axis=0)[150]
    assert abs(slopes.sum()) < 1e-4
    if which == "all three":
        assert np.abs(terms).max() < 1e-15
    else:
        assert np.abs(slopes).min() > 0.02
        assert np.diff(terms, 2, axis=0).min() > 0


def test_action_1_has_the_steepest_bowl():
    size = [lesson.kl_terms(d, np.array([0.01])).sum() for d in lesson.MOVES.values()]
    assert np.argmax(size) == 0


def test_the_broken_step_has_one_length_and_breaks_the_limit():
    A, lengths = np.array([-0.5, 0.5, 1.5]), []
    for p in ([0.6, 0.3, 0.1], [0.9, 0.08, 0.02], [0.98, 0.01, 0.01]):
        p = np.array(p)
        g, F = p * (A - p @ A), np.diag(p) - np.outer(p, p)
        for matrix in (F, 0 * F):
            x = np.linalg.solve(matrix + 0.01 * np.eye(3), g)
            step = np.sqrt(0.02 / (g @ x)) * x
            size = kl(p, lesson.softmax(np.log(p) + step))
            if matrix.any():
                assert size == pytest.approx(0.01, rel=0.05)
            else:
                assert size > 0.05
                lengths.append(np.linalg.norm(step))
    np.testing.assert_allclose(lengths, np.sqrt(2 * 0.01 / 0.01))


def test_closed_forms_of_kl_and_surrogate():
    rng = np.random.default_rng(0)
    for step in rng.normal(size=(20, 2)) * (0.2, 0.5):
        new = moved(step)
        assert lesson.kl_at(step) == pytest.approx(
            lqr.mean_kl(lesson.WORLD, OLD, new), rel=1e-12
        )
        assert lesson.surrogate_at(step) == pytest.approx(
            lqr.surrogate(lesson.WORLD, OLD, new), rel=1e-10
        )


@pytest.mark.parametrize("delta", lesson.regions.controls["delta"].values)
def test_contour_ellipse_and_the_best_points(delta):
    g, H, _ = lesson.here()
    real, guess = lesson.contour(delta), lesson.ellipse(delta, 4000)
    np.testing.assert_allclose(lesson.kl_at(real), delta, rtol=1e-6)
    bowl = np.einsum("ni,ij,nj->n", guess, H, guess) / 2
    np.testing.assert_allclose(bowl, delta, rtol=1e-12)
    best = natural_step_exact(g, H, delta).step
    assert (guess @ g).max() == pytest.approx(g @ best, rel=1e-5)
    # no point of a fine grid in the true region beats the drawn one by much
    x, y = (np.linspace(e.min(), e.max(), 201) for e in real.T)
    grid = np.stack(np.meshgrid(x, y), -1)
    inside = lesson.surrogate_at(grid)[lesson.kl_at(grid) <= delta]
    assert inside.max() <= lesson.surrogate_at(real).max() * (1 + 1e-3)


@pytest.mark.parametrize("delta", [*lesson.regions.controls["delta"].values, 3.0])
def test_the_ellipse_reaches_out_below_and_lies_inside_above(delta):
    rng = np.random.default_rng(0)
    edge = lesson.ellipse(delta, 4001)
    for s2, std in ((0.324, 0.3), *rng.uniform(0.05, 2, size=(5, 2))):
        # scaled so that it is the ellipse of these visits and this sigma
        x, y = edge[:, 0] * np.sqrt(lesson.here()[1][0, 0] * std**2 / s2), edge[:, 1]
        true = y + ((1 + s2 * x**2 / std**2) * np.exp(-2 * y) - 1) / 2
        assert (true[y < -1e-6] > delta).all() and (true[y > 1e-6] < delta).all()


def test_the_best_step_in_the_ellipse_breaks_the_limit():
    g, H, _ = lesson.here()

    def true_size(delta):
        return lesson.kl_at(natural_step_exact(g, H, delta).step) / delta

    assert true_size(0.1) == pytest.approx(1.37, abs=0.005)
    assert true_size(1.0) == pytest.approx(2.95, abs=0.005)
    deltas = lesson.regions.controls["delta"].values
    assert [d for d in deltas if true_size(d) > 2] == [1.0]
    for d in deltas:
        on_it = lesson.kl_at(lesson.ellipse(d, 4001)) / d
        assert (np.abs(on_it - 1).max() < 0.035) == (d <= 0.001)


def test_both_directions_differ_at_third_order():
    def size(y):
        return lqr.mean_kl(lesson.WORLD, OLD, (lesson.GAIN, lesson.STD * np.exp(y)))

    def reverse(y):
        return y * -1 + (np.exp(2 * y) - 1) / 2

    y = np.log(0.8)
    assert size(y) == pytest.approx(0.058, abs=5e-4)
    assert reverse(y) == pytest.approx(0.043, abs=5e-4)
    for a in (0.01, 0.02):
        assert size(-a) - reverse(-a) == pytest.approx(4 / 3 * a**3, rel=1e-2)


def test_at_a_half_both_directions_differ_later_still():
    def apart(t, p):
        q = 1 / (1 + (1 - p) / p * np.exp(-t))
        x, y = np.array([p, 1 - p]), np.array([q, 1 - q])
        return kl(x, y) - kl(y, x)

    for p, factor in ((0.1, 8), (0.5, 16)):
        assert apart(0.1, p) / apart(0.05, p) == pytest.approx(factor, rel=0.1)


def test_the_42_parameters_have_their_exact_gradient_and_hessian():
    world, policy, g, H = lesson.big_world()
    assert policy.size == 42
    rng = np.random.default_rng(1)
    v = rng.normal(size=42)
    old = (policy.weights.T, policy.std)
    h = 1e-5

    def at(t):
        new = policy.with_theta(policy.theta + t * v)
        return new.weights.T, new.std

    slope = lqr.surrogate(world, old, at(h)) - lqr.surrogate(world, old, at(-h))
    assert slope / (2 * h) == pytest.approx(g @ v, rel=1e-6)
    h = 1e-3
    bowl = lqr.mean_kl(world, old, at(h)) + lqr.mean_kl(world, old, at(-h))
    assert bowl / h**2 == pytest.approx(v @ H @ v, rel=1e-3)
    states, actions = lesson.visits(world, policy, 20_000, rng)
    moment = (1 - world.gamma) * lqr.evaluate(world, *old).state_moment
    error = states.T @ states / len(states) - moment
    assert np.abs(error).max() < 0.05 * np.diag(moment).max()
    z = (actions - policy.mode(states)) / policy.std
    np.testing.assert_allclose((z * z).mean(0), 1, atol=0.05)


def cheapest(N, seed, analytic):
    """Medians of 10: (cost believed, share of the step's true KL) of six directions."""
    world, policy, g, H = lesson.big_world()
    value, vector = np.linalg.eigh(H)
    to_unit = vector / np.sqrt(value) @ vector.T
    rng, found = np.random.default_rng(seed), []
    for _ in range(10):
        s, u = lesson.visits(world, policy, N, rng)
        if analytic:
            F = np.array([policy.at(s).fisher_product(v) for v in np.eye(42)])
        else:
            rows = range(N)
            scores = [policy.at(s[[n]]).score_sum(u[[n]], [1.0]) for n in rows]
            F = np.transpose(scores) @ scores / N
        cost, ways = np.linalg.eigh(to_unit @ F @ to_unit)
        x = np.linalg.solve(F, g)
        step = np.sqrt(2 / (g @ x)) * x
        part = (ways.T @ np.linalg.solve(to_unit, step)) ** 2 / 2
        assert part.sum() == pytest.approx(step @ H @ step / 2)
        found.append((cost[:6].mean(), part[:6].sum() / part.sum()))
    return np.median(found, axis=0)


def test_few_samples_put_the_step_where_they_underrate_the_cost():
    cost, share = cheapest(60, seed=10, analytic=False)
    assert cost < 0.06 and share > 0.75
    more, less = cheapest(60, seed=10, analytic=True)
    assert more > 0.28 and less < 0.45
    enough, rest = cheapest(1000, seed=10, analytic=False)
    assert enough > 0.4 and rest < 0.35


def scores_at(policy, s, u):
    """[N, 42] by their formula."""
    z = (u - s @ policy.weights) / policy.std
    pull = (s[:, :, None] * (z / policy.std)[:, None]).reshape(len(s), -1)
    return np.hstack([pull, z**2 - 1])


def test_the_step_of_60_samples_over_many_tries():
    """The page's 4000 tries have the median 24."""
    world, policy, g, H = lesson.big_world()
    rng, used = np.random.default_rng(7), []
    for _ in range(1000):
        s, u = lesson.visits(world, policy, 60, rng)
        scores = scores_at(policy, s, u)
        x = np.linalg.solve(scores.T @ scores / 60, g)
        used.append((x @ H @ x) / (g @ x))  # KL / delta of the scaled step
    assert np.median(used) == pytest.approx(24, abs=1.2)


def steps_with_each_g(N, batches, seed):
    """{g: (KL / delta, cosine) of the empirical Fisher's step, of the analytic one's}.

    The g are exact, of the same batch (with exact A or TD errors) or of another one.
    """
    world, policy, g, H = lesson.big_world()
    old, noise = (policy.weights.T, policy.std), np.linalg.cholesky(world.noise)
    rng, best = np.random.default_rng(seed), np.linalg.solve(H, g)
    found = {"exact": [], "same": [], "TD": [], "another": []}
    for _ in range(batches):
        s, u = lesson.visits(world, policy, N, rng)
        then = s @ world.dynamics.T + u @ world.control.T
        then += rng.normal(size=s.shape) @ noise.T
        v, next_v = (lqr.value(world, *old, x) for x in (s, then))
        TD = -(s * s).sum(1) - (u * u).sum(1) + world.gamma * next_v - v
        A, scores = lqr.advantage(world, *old, s, u), scores_at(policy, s, u)
        s_2, u_2 = lesson.visits(world, policy, N, rng)
        A_2 = lqr.advantage(world, *old, s_2, u_2)
        others = A_2 @ scores_at(policy, s_2, u_2)
        analytic = np.array([policy.at(s).fisher_product(e) for e in np.eye(42)])
        for kind, gradient in zip(
            found, (g, A @ scores / N, TD @ scores / N, others / N), strict=True
        ):
            for F in (scores.T @ scores / N, analytic):
                x = np.linalg.solve(F, gradient)
                cosine = x @ best / np.linalg.norm(x) / np.linalg.norm(best)
                found[kind].append((x @ H @ x / (gradient @ x), cosine))
    return {
        kind: np.median(np.reshape(x, (batches, 2, 2)), axis=0)
        for kind, x in found.items()
    }


def test_a_g_of_the_same_batch_hides_most_of_the_empirical_fishers_fault():
    few = steps_with_each_g(60, 200, seed=21)
    KL = {kind: x[:, 0] for kind, x in few.items()}
    assert 20 < KL["exact"][0] < 30 and 20 < KL["another"][0] < 35
    assert KL["same"] == pytest.approx([1.2, 1.2], abs=0.1)
    assert KL["TD"] == pytest.approx([3.3, 1.25], abs=0.5)
    assert KL["another"][1] == pytest.approx(1.7, abs=0.15)
    assert few["TD"][0, 1] < few["TD"][1, 1]  # cosines with the best direction
    assert few["same"][:, 1] == pytest.approx([0.9, 0.52], abs=0.04)
    for N in (200, 500):
        many = steps_with_each_g(N, 60, seed=21)
        for kind in ("same", "TD"):
            assert many[kind][0, 1] > many[kind][1, 1] + 0.04


def test_few_states_harm_as_few_actions_do():
    """Both Fishers by their formulas, with z of several actions in a state."""
    world, policy, g, H = lesson.big_world()
    rng = np.random.default_rng(7)

    def costs(n_states, n_actions):  # (empirical, analytic), medians of 60
        found = []
        for _ in range(60):
            s, _ = lesson.visits(world, policy, n_states, rng)
            rows, pair = np.repeat(s, n_actions, axis=0), []
            u = policy.mode(rows) + policy.std * rng.normal(size=(len(rows), 3))
            at = [policy.at(rows[[n]]) for n in range(len(rows))]
            scores = np.array([x.score_sum(u[[n]], [1.0]) for n, x in enumerate(at)])
            exact = [policy.at(s).fisher_product(v) for v in np.eye(42)]
            for F in (scores.T @ scores / len(rows), np.array(exact)):
                x = np.linalg.solve(F, g)
                pair.append(x @ H @ x / (g @ x))
            found.append(pair)
        return np.median(found, axis=0)

    many, _ = costs(240, 1)
    fewest, _ = costs(60, 1)
    assert 20 < fewest < 40
    few, formula = costs(20, 12)
    assert 1.6 < many < 2.4 and 8.5 < few < 12 and 4.5 < formula < 8


def test_half_the_spread_makes_k_dearer():
    world, k, std = lesson.WORLD, lesson.GAIN, lesson.STD
    cost = [lqr.mean_kl(world, (k, x), (k + 0.01, x)) for x in (std, std / 2)]
    assert cost[1] / cost[0] == pytest.approx(2.66, abs=0.01)  # with its own visits
    s2 = (1 - world.gamma) * lqr.evaluate(world, k, std).state_moment.item()
    same_visits = 0.01**2 * s2 / (2 * (std / 2) ** 2)
    assert same_visits / cost[0] == pytest.approx(4)


def test_full_rank_is_not_good_yet():
    world, policy, g, H = lesson.big_world()
    for N, low, high in ((13, 200, 1500), (30, 2, 3), (60, 1.2, 1.7)):
        rng, found = np.random.default_rng(5), []
        for _ in range(20):
            s, _ = lesson.visits(world, policy, N, rng)
            F = np.array([policy.at(s).fisher_product(v) for v in np.eye(42)])
            assert np.linalg.matrix_rank(F) == 42
            x = np.linalg.solve(F, g)
            found.append(x @ H @ x / (g @ x))  # true quadratic KL, in delta
        assert low < np.median(found) < high


def test_along_the_exercise_s_rays_kl_rises_and_the_bowl_errs_both_ways():
    longer = []
    for k in range(6):
        policy, rows, x, delta = lesson.two_lengths.case(k)
        bowl, true = lesson.two_lengths_reference(policy, rows, x, delta)
        old, size = policy.at(rows), (bowl @ x) / (x @ x)
        sizes = size * np.linspace(0, 4, 200)
        KL = [old.kl(old.with_theta(policy.theta + y * x)).mean() for y in sizes]
        assert (np.diff(KL) > 0).all()
        reached = old.kl(old.with_theta(policy.theta + true)).mean()
        assert reached == pytest.approx(delta, rel=1e-9)
        longer.append(float(np.linalg.norm(true) / np.linalg.norm(bowl)))
    assert longer[2] > 1.1 and longer[3] < 0.9
    assert longer[5] > 2.2  # one doubling of the bowl's is not enough


@pytest.mark.parametrize("widget", lesson.widgets)
def test_every_control_changes_the_picture(widget):
    def picture(settings):
        text = io.StringIO()
        widget.draw(**settings).savefig(text, format="svg", metadata={"Date": None})
        return text.getvalue()

    pictures = [picture(s) for s in widget.settings()]
    assert len(set(pictures)) >= len(pictures) - 1  # a default may stand at an end


def test_the_page_uses_the_same_worlds_as_page_05():
    assert (*OLD, lesson.WORLD.gamma) == (-0.3, 0.3, 0.9)
    np.testing.assert_allclose(lesson.P_OLD, [0.6, 0.3, 0.1])


def test_without_damping_the_step_of_a_sharp_policy_is_too_long():
    """The page's three policies and advantages; the damping hides it there."""
    merit, found = np.array([-0.5, 0.5, 1.5]), []
    for probs in ([0.6, 0.3, 0.1], [0.9, 0.08, 0.02], [0.98, 0.01, 0.01]):
        q = np.array(probs)
        g = q * (merit - q @ merit)
        x = np.linalg.pinv(np.diag(q) - np.outer(q, q)) @ g
        new = q * np.exp(np.sqrt(0.02 / (g @ x)) * x)
        found.append(kl(q, new / new.sum()))
    np.testing.assert_allclose(found, [0.0105, 0.0118, 0.0150], atol=6e-5)
