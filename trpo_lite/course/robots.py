"""What the pages on robots share."""

from importlib.util import find_spec


def missing():
    """What stands in the way of simulating robots here; '' if nothing does."""
    if find_spec("mujoco") and find_spec("gymnasium"):
        return ""
    return (
        "MuJoCo, which simulates the robots, is not installed here. Get it by\n"
        '    python -m pip install "gymnasium[mujoco]"\n'
        "and restart the kernel. All stored runs and films are shown without it."
    )
