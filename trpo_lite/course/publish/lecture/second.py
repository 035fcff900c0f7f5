r"""Step II of the lecture: a limit in place of the price, and samples."""

from trpo_lite import lqr
from trpo_lite.course import n05, n06
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
    widget,
)

PENALISED = (
    r"$$\max_{\theta} L_{\theta_{old}}(\theta) - C \max_s "
    r"D_{KL}(\theta_{old} \parallel \theta)$$"
)
RATIO = r"\frac{\pi_{\theta}(a_t|s_t)}{\pi_{\theta_{old}}(a_t|s_t)}"
KL_AT = r"D_{KL}(\pi_{\theta_{old}}(\cdot|s_t) \parallel \pi_{\theta}(\cdot|s_t))"


def steps():
    """The steps 9 to 12."""
    return _constraint(), _average(), _samples(), _pseudocode()


def _constraint():
    L, eta = n05.road_at(n05.road_ends(1.0)[1])
    return Step(
        "Step II: Trust region method",
        (
            formula(
                [
                    "Optimization of the surrogate objective (parameterized version):",
                    "+ " + PENALISED,
                ],
                Notes(
                    0.5,
                    "What is new?",
                    "Only the letter: θ are the policy's numbers.",
                    "The steps are safe and tiny. Which part of this makes them so?",
                ),
            ),
            question(
                "How can we take a larger step?",
                Notes(
                    0.5,
                    "A smaller C.",
                    "Good: which one? A price is in units of reward. Count in cents, "
                    "and the same C is another price.",
                    "Which unit does KL have?",
                ),
            ),
            formula(
                [
                    "Trust region constraint:",
                    r"+ $$\begin{aligned} \max_{\theta} \quad & L_{\theta_{old}}"
                    r"(\theta) \\ \text{s.t.} \quad & \underbrace{\max_s "
                    r"D_{KL}(\theta_{old} \parallel \theta) \leq \delta}_{\text{trust "
                    r"region}} \end{aligned}$$",
                ],
                Notes(
                    0.5,
                    "That is the same by duality.",
                    "On a table each price has its limit, and the steps are the same. "
                    "But δ stays when the world changes, the price does not.",
                    "Which point of the region is the best one?",
                ),
            ),
            widget(
                n05.balls,
                r"All policies for three actions, and those within $\delta$: the best "
                "step is where the ball touches the highest line of equal $L$.",
                Notes(
                    1.5,
                    "It goes along the gradient.",
                    "The ball is no circle, and its shape bends the step. Drag δ: "
                    "small balls are ellipses, large ones differ.",
                    "Which of the two balls lets an action die?",
                ),
            ),
            question(
                r"One *p* for both states, $\delta = 1$. $L$ is largest at the "
                "region's end. Is *J* better there?",
                Notes(
                    0.5,
                    "Yes, it is a trust region.",
                    "Who said that it can be trusted? We chose δ.",
                    "What does L − Cδ say here?",
                ),
                mark="Predict.",
            ),
            widget(
                n05.road,
                rf"$L$ promises {L:+.2f} and *J* changes by {said(eta, '+.2f')}: with "
                r"a $\delta$ of our own the guarantee is gone. " + erratum("m"),
                Notes(
                    1.5,
                    "Because of the average KL?",
                    "Not yet: with one p the largest KL is the average one. It was "
                    "lost with the price. On a table with exact advantages J could "
                    "not fall: states would be free.",
                    "Which δ on the slider gains most in truth?",
                ),
            ),
        ),
    )


def _average():
    world, k, sigma = lqr.scalar_lqr(), -0.3, 0.3
    mean = lqr.mean_kl(world, (k, sigma), (-0.31, sigma))
    at_100 = 0.01**2 * 100**2 / (2 * sigma**2)
    road_kl, ice_kl = pages.value(
        "05", "kl(policy(0), policy(stops['average KL']))", "two_limits"
    )
    return Step(
        "Approximation of trust region constraint",
        (
            question(
                "Why should we give up the maximum over states?",
                Notes(
                    0.5,
                    "It can't be computed.",
                    "True, and worse: take a robot that pushes with u = k s plus noise "
                    "and change k a little.",
                    "How far apart are the two policies in a very large state s?",
                ),
                mark="Predict.",
            ),
            formula(
                [
                    r"$$D_{KL}(\pi_{old}(\cdot|s) \parallel \pi(\cdot|s)) = "
                    r"\frac{(k' - k)^2 s^2}{2\sigma^2}$$",
                    rf"From $k = -0.3$ to $-0.31$, with $\sigma = 0.3$: {at_100:.1f} "
                    rf"at $s = 100$, without end in $s$, and {mean:.4f} on average.",
                ],
                Notes(
                    0.5,
                    "Such states never occur.",
                    "Exactly. The maximum counts them, the average doesn't.",
                    "Whose states does the average run over?",
                ),
            ),
            formula(
                [
                    "Max KL divergence → Average KL divergence",
                    r"+ $$\begin{aligned} \max_{\theta} \quad & L_{\theta_{old}}"
                    r"(\theta) \\ \text{s.t.} \quad & \underbrace{\mathbb{E}^{"
                    r"\pi_{\theta_{old}}}[D_{KL}(\pi_{\theta_{old}} \parallel "
                    r"\pi_{\theta})]}_{\text{approximate trust region}} \leq \delta "
                    r"\end{aligned}$$",
                    "Which states, and with which weight, no slide says. "
                    + erratum("p"),
                ],
                Notes(
                    0.5,
                    "The plain average over the data.",
                    "That is what runs. The theory's average has γ to the power t.",
                    "What does an average overlook?",
                ),
            ),
            picture(
                pages.picture("05", "two_limits"),
                f"The average allows a KL of {ice_kl:.1f} on the ice, where the old "
                f"policy hardly goes ({road_kl:.2f} on the road), and *J* falls.",
                Notes(
                    1,
                    "So the average is wrong.",
                    "It is affordable. What it overlooks is what L overlooks too: "
                    "rarely visited states.",
                    "How would you compute this average from a log?",
                ),
            ),
        ),
    )


def _samples():
    stale, fresh = pages.value("06", "gains", "reuse")
    return Step(
        "Using samples...",
        (
            formula(
                [
                    r"Using samples generated by using $\pi_{\theta_{old}}$ "
                    "(importance sampling),",
                    r"+ $$\begin{aligned} \max_{\theta} \quad & \underbrace{"
                    r"\hat{\mathbb{E}}_t \left[ "
                    + RATIO
                    + r" \hat{A}_t \right]}_{\approx L_{\theta_{old}}(\theta)} \\ "
                    r"\text{s.t.} \quad & \hat{\mathbb{E}}_t ["
                    + KL_AT
                    + r"] \leq \delta \end{aligned}$$",
                    r"The sums had $\gamma^t$. This average has none. " + erratum("f"),
                ],
                Notes(
                    1.5,
                    "The factor 1 − γ doesn't matter.",
                    "Right, a factor moves no maximiser. The lost γ to the power t "
                    "does: it changes what the states count.",
                    "Can it change the sign of the slope?",
                ),
            ),
            widget(
                n06.dropped,
                "In the shaded strip the true slope says *faster* and the plain "
                "average *slower*. No number of samples mends that.",
                Notes(
                    1,
                    "That is noise.",
                    "Both curves are exact. Drag γ up: the strip closes. In most "
                    "worlds the two directions are close.",
                    "So why does everybody drop it?",
                ),
            ),
            question(
                "“Sample efficiency (off-policy)”, says the slide. How often can one "
                "batch be used?",
                Notes(
                    0.5,
                    "For ever, the ratio corrects it.",
                    "The ratio corrects the actions.",
                    "What does it not correct?",
                ),
                mark="",
            ),
            picture(
                pages.picture("06", "reuse"),
                "Twelve updates by one old batch change *J* by "
                f"{said(stale[-1], '+.2f')}, by fresh ones {fresh[-1]:+.2f}: TRPO is "
                "on-policy. " + erratum("i"),
                Notes(
                    1.5,
                    "The weights have degenerated.",
                    "They have, but an endless old batch takes the same steps: what "
                    "is missing are the new policy's states. Within one update TRPO "
                    "does use each sample many times.",
                    "When is the batch thrown away?",
                ),
            ),
        ),
    )


def _pseudocode():
    return Step(
        "TRPO pseudocode",
        (
            reading(
                [
                    "For iteration = 1, 2, ... until convergence, do",
                    r"① Run **old policy** for $T$ timesteps (can also use multiple "
                    "trajectories)",
                    r"② Estimate advantage function $\hat{A}_t \approx A(s_t, a_t)$ at "
                    "all timesteps",
                    "③ Solve the (approximate) surrogate problem:",
                    r"+ $$\max_{\theta} \; \sum_{t=1}^T " + RATIO + r" \hat{A}_t \quad "
                    r"\text{s.t.} \quad \frac{1}{T} \sum_{t=1}^T "
                    + KL_AT
                    + r" \leq \delta$$",
                ],
                Notes(
                    1,
                    "A sum here and a mean there?",
                    "Under a limit a factor doesn't matter; under a price it does "
                    "(erratum s). Item 2 has its own page: how good was this action?",
                    "Item 3 in two parameters: how would you solve it tonight?",
                ),
            ),
            widget(
                n06.brute,
                "By trying every point: filled, the region that 100 samples see; "
                "dashed, the true one. The best point lies on the edge.",
                Notes(
                    1,
                    "More samples make it exact.",
                    "They make the excess smaller, hardly rarer. Drag N. And a grid "
                    "ends at two or three parameters.",
                    "A robot has thousands of them. What now?",
                ),
            ),
        ),
    )
