"""Depthwise convolution: Keras' numbers, without the one gradient that oneDNN has no kernel for."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="tfcovid")
class DepthwiseConv2D(keras.layers.DepthwiseConv2D):
    """`keras.layers.DepthwiseConv2D`, whose strided steps in bfloat16 are fast on a CPU too.

    oneDNN, as TensorFlow 2.21 has it, computes the gradient of the input of a strided depthwise
    convolution in bfloat16 by a reference loop, some ten times slower than in float32: a third of
    a training step of MobileNetV2. So that one gradient is computed in float32 and rounded to
    bfloat16. Outputs and the kernel's gradient are those of the Keras layer, bit for bit.

    Only the TensorFlow backend without a GPU goes this way, in bfloat16, with strides, channels
    last, no dilation, bias or activation. Everything else is computed by the Keras layer.
    """

    def call(self, inputs):
        """Returns the convolved inputs."""
        if not self._lacks_a_kernel():
            return super().call(inputs)
        kernel = ops.cast(self.kernel, self.compute_dtype)
        strides = [1, *self.strides, 1]
        return _with_float32_gradient(inputs, kernel, strides, self.padding.upper())

    def _lacks_a_kernel(self):
        if keras.backend.backend() != "tensorflow" or self.compute_dtype != "bfloat16":
            return False
        import tensorflow as tf

        return (
            max(self.strides) > 1
            and self.data_format == "channels_last"
            and max(self.dilation_rate) == 1
            and not self.use_bias
            and self.activation is keras.activations.linear
            and not tf.config.list_physical_devices("GPU")
        )


def _with_float32_gradient(inputs, kernel, strides, padding):
    import tensorflow as tf

    how = {"strides": strides, "padding": padding}

    @tf.custom_gradient
    def convolve(x, kernel):
        def gradients(upstream):
            of_inputs = tf.raw_ops.DepthwiseConv2dNativeBackpropInput(
                input_sizes=tf.shape(x),
                filter=tf.cast(kernel, tf.float32),
                out_backprop=tf.cast(upstream, tf.float32),
                **how,
            )
            of_kernel = tf.raw_ops.DepthwiseConv2dNativeBackpropFilter(
                input=x, filter_sizes=tf.shape(kernel), out_backprop=upstream, **how
            )
            return tf.cast(of_inputs, x.dtype), of_kernel

        return tf.raw_ops.DepthwiseConv2dNative(input=x, filter=kernel, **how), gradients

    return convolve(inputs, kernel)
