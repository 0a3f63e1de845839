"""What is fitted to a training split: a network, boosted trees on a backbone, or an ensemble.

Whatever it is, it comes out as one float32 Keras model from the input to logits, so that
calibration, controls, scores, predictions and the SavedModel are the same for all.
"""
