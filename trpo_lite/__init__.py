"""Trust regions step by step: each module holds the finished version of one idea.

Reading order, which is also the order of the notebooks:

    mdp, lqr                 worlds small enough to know everything about
    distributions, features, policies
                             pi(a|s) with its score, KL and Fisher products
    surrogate, bound         L, the lower bound M, KL and total variation
    exact                    exact trust-region steps on a finite MDP
    spaces, environments, simulator, rollout, advantage
                             samples, and what they say about A
    natural_gradient, conjugate_gradient, line_search
    trpo, ppo, diagnostics   whole updates: policy, batch, advantages -> policy, facts
    settings, train, history, files
                             whole runs, saved and loaded without pickle
    experiment, commands     grids of runs; the command line
    plots, style             figures (these import matplotlib; nothing above does)
    course                   exercises, quizzes, pictures and widgets of the notebooks
"""

__version__ = "1.0"
