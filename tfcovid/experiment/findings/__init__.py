"""Runs of tasks whose images have several findings: rule, figures, controls, page."""
