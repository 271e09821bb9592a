"""Whole experiments: a config in, a folder of artefacts and a report out."""
