"""A comparison of systems: linear probes and fine-tuned networks on one split."""
