r"""Steps III and IV of the lecture: the natural step, the line search, TRPO whole."""

import numpy as np

from trpo_lite.course import n08, n09, n10, n11, n12, n15, n16
from trpo_lite.course.publish import pages
from trpo_lite.course.publish.slides import (
    Notes,
    Step,
    code,
    erratum,
    formula,
    picture,
    question,
    reading,
    widget,
)

APPROXIMATE = (
    r"$$\begin{aligned} \max_{\theta} \quad & g^\top (\theta - \theta_{old}) \\ "
    r"\text{s.t.} \quad & \frac{1}{2} (\theta - \theta_{old})^\top H (\theta - "
    r"\theta_{old}) \leq \delta \end{aligned}$$"
)
STEP = r"\sqrt{\frac{2\delta}{g^\top H^{-1} g}}"
HAT_STEP = r"\sqrt{\frac{2\delta}{\hat{g}_k^\top \hat{H}_k^{-1} \hat{g}_k}}"


def steps():
    """The steps 13 to 22."""
    return (
        _taylor(),
        _connection(),
        _natural(),
        _example(),
        _npg(),
        _issues(),
        _search(),
        _together(),
        _results(),
        _legs(),
    )


def _taylor():
    return Step(
        "Step III: Further approximation – Natural policy gradient",
        (
            formula(
                [
                    "So far we have",
                    r"+ $$\begin{aligned} \max_{\theta} \quad & L_{\theta_{old}}"
                    r"(\theta) \\ \text{s.t.} \quad & \overline{D}_{KL}(\theta_{old} "
                    r"\parallel \theta) \leq \delta \end{aligned}$$",
                ],
                Notes(
                    0.25,
                    "Use a solver.",
                    "With a million parameters, at every update?",
                    "What do you do with a function you only need near one point?",
                ),
            ),
            question(
                "Efficient solution?",
                Notes(
                    0.25,
                    "Taylor.",
                    "To which order, of L and of the KL?",
                    "What are the KL's value and slope at the old policy?",
                ),
            ),
            formula(
                [
                    "Approximation via Taylor expansion:",
                    r"+ $$L_{\theta_{old}}(\theta) \approx L_{\theta_{old}}"
                    r"(\theta_{old}) + \underbrace{\nabla_{\theta} L_{\theta_{old}}"
                    r"(\theta)|_{\theta=\theta_{old}}}_{=:g} \cdot (\theta - "
                    r"\theta_{old})$$",
                    r"$$\overline{D}_{KL}(\theta_{old} \parallel \theta) \approx "
                    r"\frac{1}{2} (\theta - \theta_{old})^\top \underbrace{"
                    r"\nabla_{\theta}^2 \overline{D}_{KL}(\theta_{old} \parallel "
                    r"\theta)|_{\theta=\theta_{old}}}_{=:H} (\theta - \theta_{old})$$",
                ],
                Notes(
                    1,
                    "The KL's linear term is missing.",
                    "Nothing is missing: it is zero. The picture shows it.",
                    "Why one order for L and two for the KL?",
                ),
            ),
            picture(
                lambda: (n08.taylor.draw(), n08.taylor.words()),
                "$L$ has a slope. The KL has value 0 and slope 0: a line for the goal, "
                "a bowl for the limit.",
                Notes(
                    0.5,
                    "They fit well.",
                    "Near zero. At t = 2 both are far off: keep that for Step IV.",
                    "How does the bowl's error fall if you halve a small step?",
                ),
            ),
            question(
                "KL is zero at the old policy, and so is its gradient. How can its "
                "Hessian be of use?",
                Notes(
                    0.25,
                    "It must be zero too; or: a minimum has one.",
                    "This is the question learners ask most, and a bug: freeze "
                    "neither side, and the Hessian really is zero.",
                    "Why do the slopes cancel, and the bends not?",
                ),
                mark="Predict.",
            ),
            widget(
                n08.terms,
                "One tilted curve for each action: their slopes cancel, as "
                "probabilities sum to 1. Their bends add up.",
                Notes(
                    1.5,
                    "So H is the Fisher matrix.",
                    "Yes, the mean of score times score. Choose “all three”: no "
                    "policy changes, and H is singular there.",
                    "Then why is g not zero?",
                ),
            ),
            formula(
                ["Approximate problem:", "+ " + APPROXIMATE],
                Notes(
                    0.5,
                    "The constant of L is gone.",
                    "It is 0 at the old policy. A line and an ellipse are left.",
                    "Where in an ellipse is a line largest?",
                ),
            ),
        ),
    )


def _connection():
    return Step(
        "Connection to policy gradient",
        (
            question(
                "Solution?",
                Notes(
                    0.5,
                    "Along g until the edge.",
                    "Draw an ellipse and a slanted arrow on the board.",
                    "Is the best point turned to the long side or the short one?",
                ),
            ),
            widget(
                n08.regions,
                "The ellipse and the true region, an egg, around one policy. A linear "
                "goal is largest on the edge.",
                Notes(
                    0.75,
                    "They are the same.",
                    "At the smallest δ, yes. Drag it up: below, where the noise "
                    "shrinks, the ellipse sticks out.",
                    "Can you write the best point down?",
                ),
            ),
            formula(
                [
                    r"$$\theta_{new} = \theta_{old} + " + STEP + r" H^{-1} g$$",
                ],
                Notes(
                    0.5,
                    "Where does the root come from?",
                    "It makes the bowl say exactly δ. Put the step in and see.",
                    "Without the 2, how much of the limit is used?",
                ),
            ),
            question(
                "Looks familiar?",
                Notes(
                    0.25,
                    "Gradient ascent; Newton.",
                    "Both are heard. What is the gradient of L at the old policy?",
                    "Which slide said that it equals the gradient of J?",
                ),
            ),
            formula(
                [
                    r"$$\theta_{new} = \theta_{old} + \underbrace{"
                    + STEP
                    + r"}_{=: \alpha \text{ (stepsize)}} H^{-1} \underbrace{"
                    r"\nabla_{\theta} L_{\theta_{old}}(\theta_{old})}_{=g \text{ "
                    r"(policy gradient)}}$$",
                    r"Estimate SG $\nabla_{\theta} J(\theta) \approx \nabla_{\theta} "
                    r"\log \pi_{\theta}(a|s) A^{\pi}(s, a)$: one term of a mean. "
                    + erratum("g"),
                    r"Update $\theta \leftarrow \theta + \alpha \nabla_{\theta} "
                    r"J(\theta)$",
                ],
                Notes(
                    1,
                    "So it is a step size and a matrix.",
                    "The step size grows as the slope falls: every step has the same "
                    "KL, so it never comes to rest by itself.",
                    "And the matrix?",
                ),
            ),
        ),
    )


def _natural():
    return Step(
        "Natural policy gradient",
        (
            formula(
                [
                    r"Natural policy gradient:",
                    r"+ $$H^{-1} \nabla_\theta L_\theta(\theta)$$",
                    "“More reasonable direction to move than PG”",
                ],
                Notes(
                    0.5,
                    "Natural means better.",
                    "Natural is a name. More reasonable in what sense? First the "
                    "intuition.",
                    "In which direction is a change cheap in KL?",
                ),
            ),
            picture(
                pages.picture("09", "step"),
                "The best step leans to the long side of the ellipse: where KL is "
                "cheap, more of the slope can be used.",
                Notes(
                    1,
                    "g is the steepest.",
                    "Per unit of θ. The natural step is the steepest per unit of KL. "
                    "It ends on a higher line of equal gain.",
                    "Count k in other units. Which of the two arrows moves?",
                ),
            ),
            question(
                r"Learn $\log \sigma$ in place of $\sigma$: the same policies. Which "
                "of the two directions changes?",
                Notes(
                    1,
                    "Both; or neither.",
                    "A step in new numbers is T times it in the old ones. Put that "
                    "into H inverse times g: T goes away.",
                    "And in plain g?",
                ),
                mark="Predict.",
            ),
        ),
    )


def _example():
    gap = {
        name: abs(n09.paths(0.9, natural, log)[1] - n09.best_gain(0.9))
        for name, natural, log in (
            ("vanilla", False, False),
            ("natural", True, False),
            ("log", False, True),
        )
    }
    return Step(
        "Example: Policy gradient vs Natural policy gradient",
        (
            widget(
                n09.fields,
                r"When $\sigma$ has fallen to .1, vanilla is "
                f"{gap['vanilla']:.2f} from the best gain, natural {gap['natural']:.2f}"
                ": vanilla gives up exploring first.",
                Notes(
                    1.5,
                    "Natural is better, that is the paper's picture.",
                    "All arrows have one length, colour says how long they are. The "
                    "paper's constants were not to be found: these are ours.",
                    "Is it natural's merit, or σ's fault?",
                ),
            ),
            widget(
                n09.fields,
                r"The same policies with $\log \sigma$: natural has not moved, "
                f"vanilla's gap is now {gap['log']:.4f}. Natural's virtue is "
                "*invariance*.",
                Notes(
                    1.5,
                    "So vanilla is better?",
                    "Here, with these names for the policies. Vanilla is as good as "
                    "the names are; natural doesn't notice them.",
                    "What ends invariance? (Long steps, and damping.)",
                ),
                parameter="log σ",
            ),
        ),
    )


def _npg():
    return Step(
        "Natural policy gradient (NPG) algorithm",
        (
            reading(
                [
                    r"For iteration $k = 0, 1, \dots$ until convergence, do",
                    r"① Collect set of trajectories using $\pi_{\theta_k}$;",
                    r"② Estimate $\hat{A}_t$;",
                    r"③ Estimate policy gradient $\hat{g}_k$ and KL-divergence Hessian "
                    r"$\hat{H}_k$;",
                    "④ Update:",
                    r"+ $$\theta_{k+1} := \theta_k + "
                    + HAT_STEP
                    + r" \hat{H}_k^{-1} \hat{g}_k \qquad$$",
                ],
                Notes(
                    1,
                    "Just hats.",
                    "The slide's root lacks one k (erratum q). And H from few samples "
                    "misleads: directions that no sample shows look free.",
                    "Which of the four items is expensive?",
                ),
            ),
            picture(
                pages.picture("09", "learning"),
                r"Of vanilla's step sizes each is good in one world only; one $\delta$ "
                "does for both.",
                Notes(
                    1,
                    "Because the direction is better.",
                    "Half of it: along g with the same δ is learnt too, later and "
                    "less surely on the chain. Much is the work of the size. And "
                    "natural's H is damped by .001; with .0001 four of its twelve "
                    "seeds on the chain end below half.",
                    "With δ = .1 it climbs faster and ends lower. Why?",
                ),
            ),
        ),
    )


def _issues():
    counted = "[(KL > delta).mean(), (L <= 0).mean(), (J < 0).mean()]"
    shares = pages.value("11", counted, "gallery")
    over, lost, fell = (f"{share:.0%}" for share in shares)
    return Step(
        "Issues in NPG algorithm",
        (
            reading(
                [
                    "Because of approximation:",
                    r"• At some iteration trust region size $\delta$ may be too large "
                    r"⟹ performance can degrade",
                    "• KL-divergence constraint may be violated",
                ],
                Notes(
                    0.5,
                    "Make δ smaller.",
                    "That helps the second. Let us count, in place of fearing.",
                    "Of a thousand steps, how many break the limit?",
                ),
            ),
            picture(
                pages.picture("11", "gallery"),
                f"Of 1000 steps {over} break the limit, {lost} lower their own $L$, "
                f"{fell} lower *J*.",
                Notes(
                    1,
                    "The limit is there to prevent that.",
                    "The limit was put on the bowl. Left: too long. Middle: line and "
                    "bowl asked too far out. Right: wrong from the first inch.",
                    "Which of the three can your sample show you?",
                ),
            ),
            question(
                "How to resolve these issues?",
                Notes(
                    0.5,
                    "Check, and try a smaller step.",
                    "Check what, on which data?",
                    "What do you do if no step passes?",
                ),
            ),
            reading(
                [
                    r"• Require improvement in surrogate: make sure "
                    r"$L_{\theta_k}(\theta_{k+1}) \geq 0$",
                    "• Enforce KL-constraint",
                    r"At $\theta_k$ itself $L = 0$: a step that changes nothing would "
                    "pass. We ask for $L > 0$. " + erratum("e"),
                ],
                Notes(
                    1,
                    "≥ or > makes no difference.",
                    "With g = 0, a solver that starts at random numbers and no "
                    "damping, the step is a lottery ticket, and ≥ lets it pass.",
                    "How do we find a step that fulfils both?",
                ),
            ),
        ),
    )


def _search():
    fell = pages.value("11", "(J < 0).mean()", "gallery")
    return Step(
        "Step IV: How? Line search!",
        (
            reading(
                [
                    r"Compute the **full stepsize**: $\Delta_k := "
                    + HAT_STEP
                    + r" \hat{H}_k^{-1} \hat{g}_k$;",
                    r"For $j = 0, 1, 2, \dots, L$, do",
                    r"① Compute the proposed update $\theta := \theta_k + "
                    r"\underbrace{\alpha^j \Delta_k}_{\text{shrink stepsize}}$;",
                    r"② if $L_{\theta_k}(\theta) \geq 0$ and $\overline{D}_{KL}(\theta "
                    r"\parallel \theta_k) \leq \delta$, then accept the update and set "
                    r"$\theta_{k+1} := \theta_k + \alpha^j \Delta_k$; break;",
                    "The limit has the old policy first, the test has it second. "
                    + erratum("c")
                    + " And if no *j* passes? "
                    + erratum("j"),
                ],
                Notes(
                    1,
                    "Then take the last one.",
                    "The last one failed. Keep the old policy: five published searches "
                    "got lines like these wrong.",
                    "Three things we write differently. Which?",
                ),
            ),
            widget(
                n11.along,
                "From right to left, until $L$ is above 0 and the KL below "
                r"$\delta$: crosses failed, the dot is accepted.",
                Notes(
                    1,
                    "It bisects.",
                    "It shrinks by a factor. Small α: few tries, budget thrown away. "
                    "Near 1: many tries. Drag both.",
                    "For which update does α not matter?",
                ),
            ),
            code(
                pages.function("11", "search"),
                r"$L > 0$, the old policy first in KL, and the last line.",
                Notes(
                    1,
                    "Is J safe now?",
                    f"No. On the sample both failures are gone; J fell in {fell:.0%} "
                    "of the full steps and falls about as often after the search: it "
                    "asks the sample that proposed the step.",
                    "What could test the sample itself?",
                ),
            ),
        ),
    )


def _together():
    return Step(
        "Putting everything together: Full TRPO algorithm",
        (
            reading(
                [
                    r"For $k = 0, 1, \dots$: ① Collect set of trajectories using "
                    r"$\pi_{\theta_k}$; ② Estimate $\hat{A}_t$; ③ Estimate $\hat{g}_k$ "
                    r"and $\hat{H}_k$;",
                    r"④ Use conjugate gradient algorithm to obtain $x_k \approx "
                    r"\underbrace{\hat{H}_k^{-1} \hat{g}_k}_{\text{natural PG}}$ "
                    r"without inverting $\hat{H}_k$;",
                    r"⑤ Estimate the proposed step $\Delta_k \approx "
                    + HAT_STEP
                    + " x_k$;",
                    r"⑥ Perform line search with exponential decay to obtain the final "
                    r"update $\theta_{k+1} := \theta_k + \alpha^j \Delta_k$.",
                    r"⑤ holds the inverse again: $\hat{g}_k^\top x_k$ does as well. "
                    + erratum("k"),
                ],
                Notes(
                    1,
                    "Inverse is meant symbolically.",
                    "Then it costs eight terabytes symbolically, for a million "
                    "parameters. All that is needed is the product H v.",
                    "Can you solve H x = g with products alone?",
                ),
            ),
            code(
                pages.function("12", "cg"),
                "Conjugate gradients: each direction is bent so that it spoils nothing "
                "that an earlier one has done.",
                Notes(
                    1,
                    "Ten iterations can't be enough.",
                    "As many as there are distinct eigenvalues, in exact arithmetic. "
                    "Stopped early, direction is lost, not the length.",
                    "What does the first iteration give?",
                ),
            ),
            picture(
                pages.picture("10", "valley"),
                "Steepest descent zigzags. Conjugate gradients are at the bottom after "
                "two steps, one for each dimension.",
                Notes(
                    0.5,
                    "They turn by less.",
                    "Stretch the plane and they turn by a right angle: there the "
                    "squared length is twice the KL.",
                    "A million parameters, ten iterations: near, or far?",
                ),
            ),
            widget(
                n10.convergence,
                "Thirty eigenvalues, evenly spaced on a log axis: after ten "
                "iterations, the usual number, the error has hardly begun to fall.",
                Notes(
                    1,
                    "Damping helps.",
                    "It makes the residual small, for another system: watch the red "
                    "error. Choose five values, or a smaller spread.",
                    "What is lost in a step that stops early: length or direction?",
                ),
            ),
            code(
                pages.function("12", "step"),
                "Items ④ to ⑥. With the rest, TRPO is forty lines.",
                Notes(
                    1,
                    "Where is the network?",
                    "In `fisher_product`, `L` and `KL`. This function knows no samples "
                    "and no policy.",
                    "How long until the pole stands?",
                ),
            ),
        ),
    )


def _results():
    R = pages.value("12", "after", "after_500")["return_mean"][0]
    first, low = n12.first_then_lowest(R)
    fallen = int(np.sum((first >= 0) & (low < 400)))
    leads = _leads(pages.value("15", "runs", "curves"))
    return Step(
        "TRPO results",
        (
            picture(
                pages.picture("12", "after_500"),
                f"CartPole, ten seeds: {np.sum(first >= 0)} reach 475, and {fallen} "
                r"fall below 400 if nobody stops them (left, $\delta = .1$).",
                Notes(
                    0.5,
                    "The trust region should prevent the fall.",
                    "δ says how far, never whether. When all episodes last 500 steps, "
                    "advantages are noise blown up to size 1, and the step is as long "
                    "as ever.",
                    "Which number would you watch?",
                ),
            ),
            picture(
                pages.picture("15", "curves"),
                f"Medians of {len(n15.COMMON)} seeds: TRPO ends first on "
                f"{leads['TRPO']} of seven robots, NPG on {leads['NPG']}, PPO-clip on "
                f"{leads['PPO-clip']}.",
                Notes(
                    1,
                    "TRPO wins everywhere.",
                    "So few seeds decide little between these three: their bands "
                    f"overlap. The plain gradient (PG) leads on {leads['PG']} (page 15 "
                    "has the intervals, and Ant).",
                    "What has NPG left out, and why does it not show here?",
                ),
            ),
        ),
    )


def _leads(runs):
    """{algorithm's name: robots on which its median is above those of all others}."""
    names, leads = n15.ALGORITHMS, dict.fromkeys(n15.ALGORITHMS.values(), 0)
    for env_id in n15.SEVEN:
        medians = [
            np.nanmedian(runs.of(env_id, name, seeds=n15.COMMON).scores)
            for name in names
        ]
        first, second = np.sort(medians)[:-3:-1]
        if first > second:
            leads[list(leads)[np.argmax(medians)]] += 1
    return leads


def _legs():
    gain, half = n16.of_five(n16.gained("motor", "nominal"))
    kept, width = n16.of_five(n16.gaps("both"))
    return Step(
        "Application of TRPO: Legged robots",
        (
            reading(
                [
                    "1. Identify the physical parameters of the robot, and how "
                    "uncertain they are.",
                    "2. Train an actuator net that models the motors.",
                    "3. Train a control policy using both models.",
                    "4. Deploy the trained policy directly on the robot.",
                ],
                Notes(
                    0.5,
                    "The fourth step is the hard one.",
                    "It is the reward of the first three. TRPO is step 3; the robot "
                    "never sees an exploring policy.",
                    "Which of the models would you rather do without?",
                ),
            ),
            picture(
                pages.picture("16", "deployed"),
                "Five robots that differ from Gymnasium's, and what policies earn on "
                "them: the model of the motors decides.",
                Notes(
                    0.5,
                    "Both models, and a margin to be safe.",
                    f"The actuator model earns {gain:.0f} ± {half:.0f}. The body earns "
                    f"no return that shows, but with both the promise is kept: "
                    f"{kept:.0f} ± {width:.0f} (page 16).",
                    "Would a smaller δ have helped the first row?",
                ),
            ),
        ),
    )
