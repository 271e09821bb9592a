"""Imagination: roll a world model out with a policy, keep and draw what was imagined."""
