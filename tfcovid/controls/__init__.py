"""What a model that never sees anatomy scores on the same split."""
