"""Exercises and widgets of the notebooks; `nNN.py` belongs to notebook NN.

A page imports its own module, `from trpo_lite.course import n03 as lesson`, and uses
`lesson.NAME.check(answer)`, `.hint()`, `.solution()`, `lesson.progress()`, and for a
widget `lesson.NAME.show()` and `lesson.NAME.explore()`.
"""
