"""Losses, gradients, an epoch and speed on a GPU, of what runs on every Keras backend.

`images` writes the X-rays that travel, `losses`, `training` and `speed` measure. With
KERAS_BACKEND=jax they need Keras, JAX and (for the peer in `speed`) PyTorch, and no TensorFlow.
"""
