"""The name tables: which Keras variable each PyTorch tensor becomes, one module an architecture."""
