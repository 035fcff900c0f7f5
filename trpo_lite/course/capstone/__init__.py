"""Page 18's file: check it, or write one to begin with.

    from trpo_lite.course import capstone
    capstone.start("my_trpo.py")
    capstone.check("my_trpo.py")

The same from a terminal: `python -m trpo_lite.course capstone my_trpo.py`.
"""

from trpo_lite.course.capstone.run import check, main, start

__all__ = ["check", "main", "start"]
