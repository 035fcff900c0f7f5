"""The pages in the new form. When all of them are, this file goes with its uses."""

CONVERTED = {"03"}
