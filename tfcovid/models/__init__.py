"""One file an architecture; the classifier puts the head on."""
