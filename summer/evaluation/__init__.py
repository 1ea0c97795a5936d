"""Predictions of a run, their scores, what chance could do, tables and figures. Loads no torch."""
