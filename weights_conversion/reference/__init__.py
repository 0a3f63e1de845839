"""The source networks as PyTorch computes them, each in the names of its own checkpoints.

They read no name table: a tensor that a table puts in the wrong place is in the right one here, and
the two networks differ. A network is written once and runs on PyTorch (`torch_ops`) or, in
float64 and inference mode only, on NumPy (`numpy_ops`).
"""
