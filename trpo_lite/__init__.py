"""Trust regions step by step: each module holds the finished version of one idea.

Reading order, which is also the order of the notebooks:

    mdp, lqr            worlds small enough to know everything about
    policies            pi(a|s) with its score, KL and Fisher products
    surrogate, bound    L, the lower bound M, KL and total variation
    exact               exact trust-region steps on a finite MDP
    rollout, advantage  samples, and what they say about A
    natural_gradient, conjugate_gradient, line_search
    trpo, ppo           whole updates: policy, batch, advantages -> policy, diagnostics
    train               whole runs, saved and loaded without pickle
    plots, style        figures (these import matplotlib; nothing above does)
    course              exercises, quizzes and widgets of the notebooks
"""

__version__ = "1.0"
