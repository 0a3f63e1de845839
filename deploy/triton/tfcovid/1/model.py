"""Triton's Python backend around the SavedModel in this folder. Untested: see docs/deploy.md."""

import pathlib

import numpy as np
import tensorflow as tf
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    """What Triton asks a model of its Python backend to be.

    Source: https://github.com/triton-inference-server/python_backend, "Usage".
    """

    def initialize(self, args):
        """Loads the SavedModel."""
        folder = pathlib.Path(args["model_repository"]) / args["model_version"] / "saved_model"
        self._model = tf.saved_model.load(str(folder))
        self._classify = self._model.signatures["serving_default"]

    def execute(self, requests):
        """Returns a response to each request; all images are one call of the model."""
        batches = [
            pb_utils.get_input_tensor_by_name(request, "image_bytes").as_numpy().reshape(-1)
            for request in requests
        ]
        try:
            outputs = self._call(np.concatenate(batches))
        except tf.errors.OpError:
            # One of the images does not decode: each request fails or succeeds by itself.
            return [self._alone(batch) for batch in batches]
        ends = np.cumsum([len(batch) for batch in batches])[:-1]
        parts = zip(*(np.split(output, ends) for output in outputs), strict=True)
        return [self._response(*part) for part in parts]

    def _call(self, images):
        outputs = self._classify(image_bytes=tf.constant(images.tolist(), tf.string))
        return outputs["probabilities"].numpy(), outputs["decision"].numpy()

    def _alone(self, images):
        try:
            return self._response(*self._call(images))
        except tf.errors.OpError:
            error = pb_utils.TritonError("damaged: an image does not decode")
            return pb_utils.InferenceResponse(error=error)

    def _response(self, probabilities, decision):
        return pb_utils.InferenceResponse(
            [
                pb_utils.Tensor("probabilities", probabilities),
                pb_utils.Tensor("decision", decision.astype(object)[:, None]),
            ]
        )
