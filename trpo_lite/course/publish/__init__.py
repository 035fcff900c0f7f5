"""Editions of the course that need no kernel and no network, built from its pages."""
