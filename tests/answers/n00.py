"""Right answers of other makes to the exercise of notebook 00."""


def discounted_return__loop(rewards, gamma):
    total, weight = 0.0, 1.0
    for reward in rewards:
        total += weight * reward
        weight *= gamma
    return total


def discounted_return__backwards(rewards, gamma):
    total = 0.0
    for reward in reversed(list(rewards)):
        total = reward + gamma * total
    return total
