"""What the pages on robots share."""

from importlib import import_module
from importlib.util import find_spec


def missing():
    """What stands in the way of simulating robots here; '' if nothing does."""
    if not (find_spec("mujoco") and find_spec("gymnasium")):
        return (
            "MuJoCo, which simulates the robots, is not installed here. Get it by\n"
            '    python -m pip install "gymnasium[mujoco]"\n'
            "and restart the kernel. All stored runs and films are shown without it."
        )
    try:
        import_module("gymnasium")
        import_module("mujoco")
    except Exception as problem:  # such as a library of graphics that isn't there
        return (
            "MuJoCo, which simulates the robots, is installed but can't be imported:\n"
            f"    {type(problem).__name__}: {problem}\n"
            "All stored runs and films are shown without it."
        )
    return ""
