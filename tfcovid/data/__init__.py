"""From a data set's folder to deterministic batches: sources, manifest, split, pixels."""
