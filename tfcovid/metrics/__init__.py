"""Scores, their intervals, calibration."""
