r"""The lecture's end: first-order steps, PPO with a penalty and with a clip."""

from trpo_lite.bound import kl
from trpo_lite.course import n00, n03, n13, n14
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
from trpo_lite.mdp import evaluate, road_and_ice, shared_policy
from trpo_lite.surrogate import surrogate
from trpo_lite.train import train

CLIPPED = (
    r"L^{CLIP}(\theta) = \hat{\mathbb{E}}_t[\min(r_t(\theta)\hat{A}_t, \text{clip}("
    r"r_t(\theta), 1 - \epsilon, 1 + \epsilon)\hat{A}_t)]"
)


def steps():
    """The steps 23 to 28."""
    return (
        _issue(),
        _penalty(),
        _adaptive(),
        _ratio(),
        _clip(),
        _ppo(),
    )


def _issue():
    cost = pages.value("13", "stored", "cost")
    n = cost["n"][-1]
    times = cost["dense"][-1] / cost["gradient"][list(cost["n_free"]).index(n)]
    return Step(
        "Computational issue: Inverse of KL divergence Hessian",
        (
            formula(
                [
                    r"$$\begin{aligned} \max_{\theta} \quad & g^{\top} (\theta - "
                    r"\theta_{old}) \\ \text{s.t.} \quad & \frac{1}{2} (\theta - "
                    r"\theta_{old})^{\top} H (\theta - \theta_{old}) \leq \delta "
                    r"\end{aligned}$$",
                    "Hessian (second order information) demands a significant "
                    "computational effort. " + erratum("r"),
                ],
                Notes(
                    0.5,
                    "We just avoided the Hessian.",
                    "Well remembered: conjugate gradients never form it.",
                    "So what does an update cost, counted in gradients?",
                ),
            ),
            picture(
                pages.picture("13", "cost"),
                f"With {n:,} parameters, forming and inverting *H* costs {times:.0f} "
                "gradients. TRPO's products cost a few, PPO's ten passes more.",
                Notes(
                    0.5,
                    "Then PPO is slower?",
                    "On these policies an update is. But it needs nothing but "
                    "gradients, of parts of the batch, with any optimiser.",
                    "What must be given up for that?",
                ),
            ),
            question(
                "Can we only use first order information modifying TRPO?",
                Notes(
                    0.5,
                    "Take the gradient and a small step size.",
                    "That is vanilla again. What held the policy back in TRPO, and "
                    "what could replace it?",
                    "Price or limit: which one does a gradient like?",
                ),
            ),
            reading(
                [
                    "⇒ **Proximal policy optimization (PPO)**",
                    "“have some of the benefits of trust region policy optimization "
                    "(TRPO), but they are much simpler to implement, more general, and "
                    "have better sample complexity (empirically).”",
                    "Schulman, Wolski, Dhariwal, Radford, Klimov, OpenAI",
                ],
                Notes(
                    0.5,
                    "So PPO beats TRPO.",
                    "In that paper's experiments. Two ideas follow, and both keep the "
                    "surrogate L.",
                    "Which promise of TRPO will not be made any more?",
                ),
            ),
        ),
    )


def _penalty():
    p, step_kl, change = _priced_step()
    return Step(
        "Idea I: KL penalty",
        (
            formula(
                [
                    "Instead of using KL constraint, add KL penalty to the objective "
                    "function:",
                    r"+ $$\max_{\theta} L_{\theta_{old}}(\theta) - \underbrace{\beta "
                    r"\overline{D}_{KL}(\theta_{old} \parallel \theta)}_{\text{KL "
                    r"penalty}}$$",
                ],
                Notes(
                    0.5,
                    "That is Step I again.",
                    "With β of our own in place of C, and the average. No guarantee "
                    "comes back.",
                    "The penalty's gradient is 0 at the start. What holds back?",
                ),
            ),
            widget(
                n13.penalty,
                rf"At $\beta = {n13.penalty.defaults['beta']:g}$ the top is at "
                f"*p* = {p:.2f}, a KL of {step_kl:.2f}, and *J* changes by "
                f"{said(change, '+.2f')} only.",
                Notes(
                    1,
                    "β is too small.",
                    "Drag it until the square is near the top of the arch. The right "
                    "β is another one in every world.",
                    "How would you find β while learning?",
                ),
            ),
        ),
    )


def _priced_step():
    """(p, KL, change of J) of the widget's step, at its own price, from p = .1."""
    p = n13.priced_p(0.1, n13.penalty.defaults["beta"])
    new = shared_policy(p)
    change = n13.road_value(p) - n13.road_value(0.1)
    return p, kl(shared_policy(0.1)[0], new[0]), change


def _adaptive():
    return Step(
        "Proximal policy optimization (PPO) with adaptive KL penalty",
        (
            question(
                r"The KL came out higher than its target. Shrink $\beta$ or double it?",
                Notes(
                    0.5,
                    "Shrink, says the slide.",
                    "β is the price. What do you do with a price if too much is "
                    "bought?",
                    "What is it that shrinks?",
                ),
                mark="Predict.",
            ),
            reading(
                [
                    r"For $k = 0, 1, \dots$: ① Collect set of trajectories using "
                    r"$\pi_{\theta_k}$; ② Estimate $\hat{A}_t$;",
                    r"③ $\theta_{k+1} \in \arg \max_{\theta} L_{\theta_k}(\theta) - "
                    r"\beta_k \overline{D}_{KL}(\theta_k \parallel \theta)$",
                    r"④ If $\overline{D}_{KL}(\theta_k \parallel \theta_{k+1}) \geq "
                    r"1.5\delta$, then $\beta_{k+1} \leftarrow 2\beta_k$; (shrink "
                    "trust region)",
                    r"else if $\overline{D}_{KL}(\theta_k \parallel \theta_{k+1}) \leq "
                    r"\delta/1.5$, then $\beta_{k+1} \leftarrow \beta_k/2$. (expand "
                    "trust region)",
                    r"The sentence “we shrink β” has it the wrong way round. "
                    + erratum("b")
                    + " "
                    + erratum("l"),
                ],
                Notes(
                    0.75,
                    "Is the step undone when the KL is too large?",
                    "No, only the next one is corrected. And the argmax is a number of "
                    "gradient steps in truth (erratum t).",
                    "What happens if you believe the sentence?",
                ),
            ),
            widget(
                n13.rules,
                "Solid, the algorithm's rule; dashed, the sentence's: it adds to an "
                "error, where the rule takes from it.",
                Notes(
                    1,
                    "It only takes longer.",
                    "Drag the first price: it swings, or it freezes. The right rule "
                    "goes on halving β near the top, and tips over later.",
                    "Does a rule on β keep every KL below the target?",
                ),
            ),
        ),
    )


def _ratio():
    world = road_and_ice()
    old = evaluate(world, shared_policy(0.1))
    L = surrogate(old, shared_policy(1.0))
    eta = evaluate(world, shared_policy(1.0)).performance - old.performance
    return Step(
        "Idea II: Clipped objective",
        (
            formula(
                [
                    "Recall the surrogate objective function:",
                    r"+ $$L_{\theta_{old}}(\theta) = \hat{\mathbb{E}}_t \left[ "
                    r"\underbrace{\frac{\pi_\theta(a_t|s_t)}{\pi_{\theta_{old}}"
                    r"(a_t|s_t)}}_{:=r_t(\theta) \text{ prob. ratio}} \hat{A}_t "
                    r"\right] = \hat{\mathbb{E}}_t[r_t(\theta)\hat{A}_t]$$",
                ],
                Notes(
                    0.5,
                    "The importance ratio again.",
                    "Yes, and now it is looked at for itself: it tells how far each "
                    "single sample has moved.",
                    "What is it at the old policy?",
                ),
            ),
            widget(
                n03.road,
                rf"Without a limit, *p* = 1: $L$ = {L:+.2f}, *J* changes by "
                f"{said(eta, '+.2f')}. “An excessively large policy” *update*. "
                + erratum("d"),
                Notes(
                    0.5,
                    "The KL of that step is infinite.",
                    "Yes: slow has died. The ratio of fast is ten.",
                    "Can you stop that without a KL?",
                ),
                p=1.0,
            ),
            question(
                r"Idea: Penalize changes to the policy that move $r_t(\theta)$ away "
                "from 1. **How?**",
                Notes(
                    0.5,
                    "Add (r − 1)².",
                    "That would be a penalty. The slide does something else.",
                    "Which changes of r are harmless?",
                ),
            ),
            reading(
                [
                    r"Clip $r_t(\theta)$ if $r_t(\theta)$ falls outside the interval "
                    r"$[1 - \epsilon, 1 + \epsilon]$.",
                    "A clipped sample is *ignored*, not pulled back. " + erratum("u"),
                ],
                Notes(
                    0.5,
                    "Same thing.",
                    "A penalty has a slope towards 1. A clipped term has none; only "
                    "other samples can pull it back.",
                    "Is clipping alone enough?",
                ),
            ),
        ),
    )


def _clip():
    best = pages.value("14", "best", "pessimistic_road")
    return Step(
        "Clipped surrogate objective function",
        (
            formula(
                [
                    "$$" + CLIPPED + "$$",
                ],
                Notes(
                    1,
                    "Why the minimum?",
                    "Without it a sample that went the wrong way would be ignored too. "
                    "Work it out on four samples.",
                    "Is this above or below L?",
                ),
            ),
            question(
                r"$\hat{A} = 1$ or $-1$, $r = 0.5$ or $1.5$: four samples. Which terms "
                r"still change when $r$ does?",
                Notes(
                    0.5,
                    "None; or: those with positive A.",
                    "Two of the four: the ones that got worse.",
                    "In which direction do these two pull?",
                ),
                mark="Predict.",
            ),
            widget(
                n14.clipped,
                r"$A > 0$ left, $A < 0$ right, red circle $r = 1$. No incentive to "
                "move outside, but a sample that got worse still pulls.",
                Notes(
                    1.5,
                    "It is flat on both sides.",
                    "On one side each. Drag r to 0.5: now the left panel has the "
                    "arrow. Ignore the change when it would improve, include it when "
                    "it makes worse.",
                    "What do ε and the size of A change about the arrow?",
                ),
            ),
            picture(
                pages.picture("14", "pessimistic_road"),
                r"$L^{CLIP}$ is a bound on $L$, not on *J*: at its top, *p* = "
                f"{best:.2f}, the ratio of fast is {best / 0.1:.1f}.",
                Notes(
                    1,
                    "How can a ratio be 2.8 with ε = .2?",
                    "Slow was the likely action, and its ratio reaches .8 only here. "
                    "What it gives up goes to the rare one.",
                    "So what does the clip limit?",
                ),
            ),
        ),
    )


def _ppo():
    return Step(
        "PPO with clipped objective",
        (
            reading(
                [
                    r"For $k = 0, 1, \dots$ until convergence, do",
                    r"① Collect set of trajectories using $\pi_{\theta_k}$;",
                    r"② Estimate $\hat{A}_t$;",
                    r"③ Compute policy parameter update",
                    r"+ $$\theta_{k+1} \in \arg \max_{\theta} " + CLIPPED + "$$",
                    "No need to compute Hessian unlike TRPO! What runs is some steps "
                    "uphill, not the argmax. " + erratum("t"),
                ],
                Notes(
                    0.5,
                    "How many steps?",
                    "Ten passes over the batch, with Adam. How long they are matters "
                    "as much as the clip.",
                    "After ten passes, which share of the samples has no slope left?",
                ),
            ),
            widget(
                n14.samples,
                "Real samples: in the shaded corners a sample has no slope left; dots "
                "outside the middle went the wrong way and still pull.",
                Notes(
                    1,
                    "They stay in the band.",
                    "Most. Step through the epochs, then choose “no min”: the cloud "
                    "spreads, and nobody calls it back.",
                    "What would you log to notice that?",
                ),
            ),
            picture(
                _ppo_curve,
                "PPO results: the pole of CartPole, by ten passes of gradients over "
                "each batch.",
                Notes(
                    0.5,
                    "The same as TRPO's.",
                    "On this pole, yes. How the two compare on robots, and which "
                    "TRPO is meant, has a page of its own.",
                    "Which would you try first tomorrow, and what would you watch?",
                ),
            ),
            reading(
                [
                    r"$L$: exact near $\pi_{old}$. Price $C$: *J* never falls, steps "
                    "are tiny.",
                    r"Limit $\delta$: larger steps, no promise. Average, samples, "
                    "Taylor: each gives up a little more.",
                    r"The line search restores $L > 0$ and KL $\leq \delta$, on the "
                    "sample.",
                ],
                Notes(
                    1,
                    "So nothing is guaranteed.",
                    "Nothing about J. But at each step you know what was given up and "
                    "what shows it: that is what today was for.",
                    "One question each, to take home: which line would you break?",
                ),
            ),
        ),
    )


def _ppo_curve():
    history = train(
        "CartPole-v1", algorithm="ppo-clip", seed=0, until=475, progress=False
    )
    shown = history["steps"], history["return_mean"]
    return n00.learning_curve.draw(*shown), n00.learning_curve.words(*shown)
