"""The lecture in 90 minutes: its 28 steps in its own order, as slides."""

from trpo_lite.course.publish.lecture import first, fourth, second, third


def steps():
    """All steps, in order; every number on them is computed here and now."""
    return (*first.steps(), *second.steps(), *third.steps(), *fourth.steps())
