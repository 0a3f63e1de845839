"""The exported module: image bytes in, calibrated probabilities out."""
