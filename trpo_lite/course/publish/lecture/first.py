r"""Step I of the lecture: from the problem to the MM algorithm and its price."""

import numpy as np

from trpo_lite import bound
from trpo_lite.course import n01, n02, n03, n04
from trpo_lite.course.publish import pages
from trpo_lite.course.publish.slides import (
    Notes,
    Step,
    erratum,
    formula,
    picture,
    question,
    reading,
    said,
    title,
    widget,
)
from trpo_lite.mdp import evaluate, road_and_ice, shared_policy
from trpo_lite.surrogate import surrogate

SUM = r"\sum_{t=0}^{\infty} \gamma^t"
OLD = r"v^{\pi_{old}}"
E_NEW = r"\mathbb{E}_{\tau \sim p^\pi}"
RATIO = r"\frac{\pi(a_t | s_t)}{\pi_{old}(a_t | s_t)}"
ADVANTAGE = r"\gamma^t A^{\pi_{old}}(s_t, a_t)"
MAX_KL = r"\max_s D_{KL}(\pi_{old}(\cdot|s) \parallel \pi(\cdot|s))"


def steps():
    """The title and the steps 1 to 8."""
    return (
        _problem(),
        _minorize(),
        _update(),
        _importance(),
        _local(),
        _surrogate(),
        _algorithm(),
        _for_and_against(),
    )


def _problem():
    p, J = n04.truth(0.8)
    return Step(
        "The RL problem",
        (
            title(
                (
                    "Trust Region Policy Optimization",
                    "A lecture by Insoon Yang, Seoul National University",
                    "in 90 minutes, every picture drawn and every slider alive",
                ),
                Notes(
                    1,
                    "Nothing yet.",
                    "Every picture and number here is computed by NumPy code that you "
                    "can read. I ask before I answer: guess each time, in writing.",
                    "Who has trained a policy whose return rose, and then fell?",
                ),
            ),
            picture(
                lambda: (n01.world.draw(), n01.world.words()),
                "Fast pays on the road and costs on the ice. One number, *p*, the "
                "probability of fast, is the whole policy.",
                Notes(
                    1,
                    "Why not fast on the road and slow on the ice?",
                    "That is the best table. Ours has one number for both states, as a "
                    "network shares its weights among all states.",
                    "Every drive starts on the road. What is a good p?",
                ),
            ),
            formula(
                [
                    "Policy optimization:",
                    r"+ $$\max_{\pi} J(\pi) := \mathbb{E}^{\pi} \left[ "
                    + SUM
                    + r" r(s_t, a_t) \right]$$",
                ],
                Notes(
                    0.5,
                    "Is J the return?",
                    "J is the mean of the return over endless drives. A single return "
                    "is random.",
                    "What does γ do to a reward ten steps from now?",
                ),
            ),
            question(
                "The faster, the better? Draw *J* from *p* = 0 to *p* = 1 with your "
                "finger.",
                Notes(
                    0.5,
                    "A rising line, since fast earns the reward.",
                    "Let three people draw in the air before the next press.",
                    "What is the reward of a driver who is never on the road?",
                ),
                mark="Predict.",
            ),
            widget(
                n01.curve,
                rf"At $\gamma = 0.8$ the top is near *p* = {p[J.argmax()]:.2f}, and "
                f"*p* = 1 earns {said(J[-1], '.2f')}: speed also decides *where you "
                "are*.",
                Notes(
                    1,
                    "The top moves right with a larger γ.",
                    "It moves left: who looks further ahead drives slower. Drag γ.",
                    "For which γ is p = 1 the best?",
                ),
            ),
            formula(
                [
                    "It's the same as",
                    r"+ $$\max_{\pi} \left( J(\pi) - J(\pi_{old}) \right)$$",
                    "⇒ Maximizing the reward relative to an old policy",
                ],
                Notes(
                    1,
                    "What is gained by subtracting a constant?",
                    "Nothing for the maximiser. But the difference can be written in "
                    "terms of the old policy, which we know.",
                    "Can the gain be larger than the largest J?",
                ),
            ),
        ),
    )


def _minorize():
    return Step(
        "Step I: Application of Minorize-Maximization algorithm",
        (
            formula(
                [
                    r"Need a surrogate $M_i$ of",
                    r"+ $$\eta(\pi) := J(\pi) - J(\pi_{old})$$",
                ],
                Notes(
                    0.5,
                    "A surrogate is an approximation.",
                    "A good one must do more than approximate. The next slide shows "
                    "what.",
                    "You may evaluate η as often as you like. Why not maximise it?",
                ),
            ),
            picture(
                pages.picture("04", "minorizers"),
                "An easy curve lies below the hard one and touches it. Go to its top, "
                "and the hard one is at least as high there.",
                Notes(
                    1.5,
                    "The parabolas are Taylor expansions.",
                    "No: a Taylor parabola may cut through the curve. These bend so "
                    "sharply that they stay below.",
                    "Where do you use that they stay below?",
                ),
            ),
            formula(
                [
                    r"$$m_k(x) \le f(x) \quad \text{for all } x$$",
                    r"$$m_k(x_k) = f(x_k)$$",
                    r"$$x_{k+1} \in \arg\max_x m_k(x)$$",
                ],
                Notes(
                    0.5,
                    "That is gradient ascent.",
                    "With a parabola it is, and its bend chooses the step size.",
                    "So for η: what lies below it, and touches it at the old policy?",
                ),
            ),
        ),
    )


def _update():
    numbers = pages.value("02", "road_lines", "mixture")
    return Step(
        r"Effect of policy update: $\pi_{old} \rightarrow \pi?$",
        (
            question(
                r"$\pi_{old} \rightarrow \pi$? You know all about the old policy. What "
                "must you still know of the new one?",
                Notes(
                    0.5,
                    "Its value function.",
                    "Surprisingly not. Watch which parts of the new policy are left "
                    "at the end.",
                    "What can you do with the old values along a new drive?",
                ),
            ),
            formula(
                [
                    rf"$$J(\pi) - J(\pi_{{old}}) = J(\pi) - {E_NEW}[{OLD}(s_0)]$$",
                    rf"$$= J(\pi) - {E_NEW} \left[ {SUM} {OLD}(s_t) - "
                    rf"\sum_{{t=1}}^{{\infty}} \gamma^t {OLD}(s_t) \right]$$",
                    rf"$$= {E_NEW} \left[ {SUM} r(s_t, a_t) \right] + {E_NEW} \left[ "
                    rf"{SUM} (\gamma {OLD}(s_{{t+1}}) - {OLD}(s_t)) \right]$$",
                    rf"$$= {E_NEW} \left[ {SUM} \big( \underbrace{{r(s_t, a_t) + "
                    rf"\gamma {OLD}(s_{{t+1}})}}_{{Q}} - {OLD}(s_t) \big) \right]$$",
                    rf"$$= {E_NEW} \left[ {SUM} A^{{\pi_{{old}}}}(s_t, a_t) \right]"
                    r" \qquad (A = Q - v)$$",
                ],
                Notes(
                    2.5,
                    "How did the second line come about?",
                    "Both sums have the same terms but for t = 0: they telescope. "
                    "Shift the index of the second one, and line three is there.",
                    "Is the bracket of line four equal to A on every path?",
                ),
            ),
            reading(
                [
                    "On the icy road, from *p* = 0.1 to *p* = 0.4, the five lines are",
                    "+ **" + ", ".join(f"{x:.4f}" for x in numbers[1:]) + "**.",
                    "Under the brace, “Q” is a *sample* of $q$, for the next state is "
                    "random: lines 4 and 5 are equal in the mean, not on each path. "
                    + erratum("n"),
                ],
                Notes(
                    1,
                    "So the TD error is the advantage.",
                    "Its mean is, given state and action. A later slide calls the same "
                    "Δ = Q − V, and Δ is the step after that (erratum h).",
                    "Which one of the five would you estimate from real drives?",
                ),
            ),
            widget(
                n02.mixture,
                "Left, the four terms of the sum; right, both sides over the mixture. "
                "The dashed curve lies on the other, everywhere.",
                Notes(
                    1.5,
                    "Close together because the policies are close.",
                    "It holds for every pair of policies. Drag α to 1, change the "
                    "target.",
                    "Which factor of a bar belongs to the new policy?",
                ),
            ),
        ),
    )


def _importance():
    return Step(
        r"Effect of policy update: $\pi_{old} \rightarrow \pi$",
        (
            formula(
                [
                    "So far we have",
                    rf"+ $$J(\pi) - J(\pi_{{old}}) = {E_NEW} \left[ {SUM} "
                    r"A^{\pi_{old}}(s_t, a_t) \right]$$",
                    r"$$= \sum_t \mathbb{E}_{s_t \sim p^\pi} \left[ \mathbb{E}_{a_t "
                    rf"\sim \pi(\cdot | s_t)}} [{ADVANTAGE}] \right]$$",
                ],
                Notes(
                    0.5,
                    "That is solved, then.",
                    "States and actions are both the new policy's. To learn whether to "
                    "drive so, you must drive so.",
                    "Which of the two can the old drives give you?",
                ),
            ),
            question(
                "You hold the *old* policy's actions. How can they speak for the new "
                "policy?",
                Notes(
                    0.5,
                    "They can't; or: reweight them.",
                    "An action that the new policy takes three times as often counts "
                    "three times. That is all.",
                    "What if the old policy never takes it?",
                ),
                mark="Predict.",
            ),
            formula(
                [
                    "Let's use importance sampling!",
                    rf"+ $$J(\pi) - J(\pi_{{old}}) = \sum_t \mathbb{{E}}_{{s_t \sim "
                    rf"p^\pi}} \left[ \mathbb{{E}}_{{a_t \sim \pi_{{old}}(\cdot | s_t)"
                    rf"}} \left[ {RATIO} {ADVANTAGE} \right] \right]$$",
                    "old samples w/ calibration params",
                ],
                Notes(
                    1,
                    "Is this an approximation?",
                    "It is exact, as long as the old policy can take every action that "
                    "the new one takes.",
                    "What does the ratio cost?",
                ),
            ),
            picture(
                lambda: (n03.price.draw(), n03.price.words()),
                "Each dot has 200 old draws. They are right on average, and the "
                "further *p* goes from 0.1, the fewer of them count.",
                Notes(
                    1,
                    "More data helps.",
                    "At p = 1 only one draw in ten is a fast one. And the states are "
                    "still the new policy's: a product of all ratios would mend that, "
                    "and loses a factor at every step.",
                    "If states can't be reweighted, what would you dare?",
                ),
            ),
        ),
    )


def _local():
    world = road_and_ice()
    old = evaluate(world, shared_policy(0.1))
    L = surrogate(old, shared_policy(0.8))
    eta = evaluate(world, shared_policy(0.8)).performance - old.performance
    head = r"\sum_t \mathbb{E}_{s_t \sim "
    tail = (
        r"} \left[ \mathbb{E}_{a_t \sim \pi_{old}(\cdot | s_t)} "
        rf"\left[ {RATIO} {ADVANTAGE} \right] \right]"
    )
    return Step(
        "Local approximation: Ignoring distribution mismatch",
        (
            formula(
                [
                    "Importance sampling:",
                    rf"+ $$J(\pi) - J(\pi_{{old}}) = {head}p^\pi{tail}$$",
                    "Local approximation:",
                    rf"+ $$L_{{\pi_{{old}}}}(\pi) := {head}p^{{\pi_{{old}}}}{tail}$$",
                    r"⇒ Now all samples can be generated using $\pi_{old}$",
                ],
                Notes(
                    1,
                    "I see no difference.",
                    "One letter: the states are the old policy's now. Nothing "
                    "justifies it yet.",
                    "What does L ignore, in a word?",
                ),
            ),
            question(
                r"$\pi \to \pi_{old}$: $L$ becomes 0. Why?",
                Notes(
                    0.5,
                    "Because nothing changes.",
                    "Then J − J_old is 0. Why is L? Look at one state.",
                    "What is the mean of A under the policy it belongs to?",
                ),
                mark="",
            ),
            formula(
                [
                    r"$$\sum_a \pi_{old}(a|s)\, A^{\pi_{old}}(s,a) = 0 \quad "
                    r"\text{in every state}$$",
                    r"$$\nabla J = \sum_s \nabla d_{\pi_\theta} \underbrace{\sum_a "
                    r"\pi_{old} A^{\pi_{old}}}_{0} + \sum_s d_{\pi_{old}} \sum_a "
                    r"\nabla \pi_\theta A^{\pi_{old}} = \nabla L_{\pi_{old}}$$",
                ],
                Notes(
                    1,
                    "But L ignores how the visits change.",
                    "The unknown change of the visits is multiplied by zero. That is "
                    "the policy gradient theorem in one line.",
                    "Same height, same slope. How far does that carry?",
                ),
            ),
            question(
                "The promise $L$ rises all the way to *p* = 1. Where would you stop?",
                Notes(
                    0.5,
                    "At 1; or, warned by now, in the middle.",
                    "Have them write down a p and the gain they expect there.",
                    "What in L tells you where to stop?",
                ),
                mark="Predict.",
            ),
            widget(
                n03.road,
                f"At *p* = 0.8 the promise is {L:.2f} and the truth is "
                f"{said(eta, '.2f')}. $L$ climbs while $J$ falls.",
                Notes(
                    2,
                    "L doesn't know the ice.",
                    "It knows what ice costs. It counts it as often as the old driver "
                    "is there: see the bars. Drag p, then p_old.",
                    "How far may L be trusted? That region is today's subject.",
                ),
            ),
            picture(
                pages.picture("03", "gap"),
                "A step ten times smaller has a gap a hundred times smaller, and $L$ "
                "shrinks only tenfold: near enough, $L$ wins.",
                Notes(
                    1,
                    "The gap is of second order.",
                    "So a small step in the direction of L's slope is always good. "
                    "How small, nobody has said yet.",
                    "What would you measure the size of a step in?",
                ),
            ),
        ),
    )


def _surrogate():
    one, other = np.array([0.9, 0.1]), np.array([0.5, 0.5])
    there, back = bound.kl(one, other), bound.kl(other, one)
    return Step(
        "Use the local approximation to get surrogate",
        (
            formula(
                [
                    r"KL divergence for the two distributions $p$ and $q$:",
                    r"+ $$D_{KL}(p \parallel q) = \sum_{i=1}^N p_i \log "
                    r"\frac{p_i}{q_i}$$",
                ],
                Notes(
                    0.5,
                    "A distance between policies.",
                    "Not a distance: the order matters. The old policy comes first in "
                    "this lecture.",
                    "Draw i from p: of what is this the mean?",
                ),
            ),
            question(
                "The second of two actions has probability 0.1 under *p* and 0.5 under "
                r"*q*. Is $D_{KL}(p \parallel q) = D_{KL}(q \parallel p)$?",
                Notes(
                    0.5,
                    "Yes; or: no, but nearly.",
                    f"{there:.2f} and {back:.2f} nats.",
                    "What happens to each if q drops an action altogether?",
                ),
                mark="Predict.",
            ),
            widget(
                n04.divergences,
                "Both touch zero at *q* = *p* with slope 0. Only the old-first one "
                "goes to infinity at both ends.",
                Notes(
                    1.5,
                    "They are the same near p.",
                    "They are, to second order: remember that for Step III. The "
                    "penalty therefore starts flat.",
                    "So what is the slope of L minus a price times KL at the old "
                    "policy?",
                ),
            ),
            formula(
                [
                    "Surrogate:",
                    r"+ $$\underbrace{J(\pi) - J(\pi_{old})}_{=: \eta \text{ (objective"
                    r" to maximize)}} \geq \underbrace{L_{\pi_{old}}(\pi) \mathbf{-} C "
                    + MAX_KL
                    + r"}_{=: M(\pi) \text{ (surrogate)}}$$",
                    r"Also, $\;\eta(\pi_{old}) = M(\pi_{old})$",
                    "The slide prints + *C*: an upper bound. " + erratum("a"),
                    r"*C* is on no slide: $4\epsilon\gamma/(1-\gamma)^2$ with "
                    r"$\epsilon = \max |A^{\pi_{old}}|$. " + erratum("o"),
                ],
                Notes(
                    2,
                    "Where does C come from?",
                    "From the TRPO paper's theorem. Two policies that rarely differ in "
                    "a step visit nearly the same states.",
                    "It lies below, it touches. Which algorithm is ready now?",
                ),
            ),
        ),
    )


def _algorithm():
    count = pages.value("04", "len(points) - 1", "stairs")
    return Step(
        "MM algorithm",
        (
            formula(
                [
                    r"Original RL problem: $\;\max_{\pi} J(\pi) - J(\pi_{old})$",
                    r"**MM algorithm.** Initialize $\pi_0$; for $k = 0, 1, \dots$ "
                    "until convergence, do",
                    r"+ $$\pi_{k+1} \in \arg \max_{\pi} \Big\{ \underbrace{L_{\pi_k}"
                    r"(\pi) - C \max_s D_{KL}(\pi_k(\cdot|s) \parallel \pi(\cdot|s))"
                    r"}_{\text{surrogate}} \Big\}$$",
                ],
                Notes(
                    1,
                    "And how is the maximum found?",
                    "That is a fair worry, and comes under disadvantages. Here with "
                    "one p we look at all of them.",
                    "C belongs to which policy?",
                ),
            ),
            question(
                r"The best *p* is near 0.7, $\gamma = 0.5$, start at 0.1. How many MM "
                "steps come within 0.02 of it: 5, 20, 100?",
                Notes(
                    0.5,
                    "Five, at the very most.",
                    f"It takes {count}. And this is a kind world.",
                    "What makes the steps so short?",
                ),
                mark="Predict.",
            ),
            widget(
                n04.stairs,
                f"Each bound touches *J* and its top is the next dot. It takes {count} "
                "steps, and *J* rises in every one.",
                Notes(
                    1.5,
                    "It looks like a staircase that gets smaller.",
                    "Drag γ to 0.9: the caps become needles, and only the zoom shows "
                    "that they still climb.",
                    "Can it ever go down a stair?",
                ),
            ),
        ),
    )


def _for_and_against():
    limit = {g: (1 - g) / (4 * g) for g in (0.5, 0.99)}
    share = pages.value("04", "seen[1000].mean()", "sampled_max")
    return Step(
        "Advantages and Disadvantages",
        (
            question(
                "Advantage: Monotonic improvement. (Why?)",
                Notes(
                    0.5,
                    "Because each step maximises the bound.",
                    "That is half of it. Have somebody name the other property.",
                    "Prove that J cannot fall, from “below” and “touches” alone.",
                ),
            ),
            formula(
                [
                    r"$$J(\pi_{k+1}) - J(\pi_k) \geq \max_{\pi} \left\{ L_{\pi_k}(\pi) "
                    r"- C \max_s D_{KL}(\pi_k(\cdot|s) \parallel \pi(\cdot|s)) "
                    r"\right\}$$",
                    r"$$\geq L_{\pi_k}(\pi_k) - C \max_s D_{KL}(\pi_k(\cdot|s) "
                    r"\parallel \pi_k(\cdot|s))$$",
                    r"$$= 0$$",
                ],
                Notes(
                    1,
                    "Where is the maximiser used?",
                    "In the first ≥, together with “below”. The second only says that "
                    "a maximum is at least any one value.",
                    "Did anybody choose a step size?",
                ),
            ),
            question(
                "Disadvantages?",
                Notes(
                    0.5,
                    "Slow.",
                    "Yes. How slow, and what else?",
                    "At γ = 0.99, by how much may one MM step move a probability?",
                ),
                mark="",
            ),
            reading(
                [
                    "**Still small stepsizes.** No MM step moves a probability by "
                    r"$\frac{1-\gamma}{4\gamma}$ or more: "
                    rf"{limit[0.5]:.2f} at $\gamma = 0.5$, but {limit[0.99]:.4f} at "
                    r"$\gamma = 0.99$.",
                    "**Difficult to solve.** It needs the maximum of KL over *all* "
                    "states.",
                ],
                Notes(
                    1,
                    "Then take a smaller C.",
                    "With C / 30 the road still climbs, with C / 100 it falls. The "
                    "theorem is made for all worlds and doesn't know yours.",
                    "What does a learner see of a maximum over states?",
                ),
            ),
            picture(
                pages.picture("04", "sampled_max"),
                f"After 1000 steps on the 64 cells of a frozen lake a learner sees "
                f"{share:.0%} of the true maximum, on average.",
                Notes(
                    1,
                    "More samples will do.",
                    "The maximum over visited states is never too large, so its errors "
                    "don't cancel.",
                    "What would you take in place of the maximum, and of C?",
                ),
            ),
        ),
    )
