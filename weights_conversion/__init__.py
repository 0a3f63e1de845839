"""PyTorch checkpoints into Keras: read, recognised, mapped, proven equal or refused, written."""
