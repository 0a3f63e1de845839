"""Crops an image to its lungs: filters, thresholds, connected components, no learning."""
