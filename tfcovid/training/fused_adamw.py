"""AdamW: Keras' numbers at the speed of one TensorFlow operation a variable."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="tfcovid")
class AdamW(keras.optimizers.AdamW):
    """`keras.optimizers.AdamW`, whose steps are `ResourceApplyAdam` where that is possible.

    Steps and moments are those of the Keras optimizer to rounding in float64, and to 2e-5 in
    float32: here 1 - beta_2 and 1 - beta_2 ** step are both of the beta_2 that float32 holds, in
    Keras only the second is. Keras composes a step of a dozen operations, each of which passes over
    all weights again, and asks the schedule and raises beta_1 and beta_2 to the power of the step
    once for every variable.

    Only the TensorFlow backend goes this way, with dense gradients and without AMSGrad. Everything
    else is computed by the Keras optimizer, and where replicas share a batch the decay is.
    """

    _scalars = None

    def _apply_weight_decay(self, variables):
        if self.weight_decay is None or not self._can_fuse() or _is_shared():
            super()._apply_weight_decay(variables)
            return
        import tensorflow as tf

        # Once for all variables: Keras asks the schedule anew for each, a `tf.cond` every time.
        rate = self.learning_rate
        for variable in variables:
            if self._use_weight_decay(variable):
                value = variable.value if isinstance(variable, keras.Variable) else variable
                share = tf.cast(self.weight_decay, value.dtype) * tf.cast(rate, value.dtype)
                value.assign_sub(value * share)

    def update_step(self, gradient, variable, learning_rate):
        """Updates a variable and its moments by its gradient."""
        if not self._can_fuse() or _is_sparse(gradient):
            super().update_step(gradient, variable, learning_rate)
            return
        import tensorflow as tf

        at = self._get_variable_index(variable)
        moments = (self._momentums[at], self._velocities[at])
        variable, m, v = (
            one.value if isinstance(one, keras.Variable) else one for one in (variable, *moments)
        )
        rate, beta_1_power, beta_2_power = self._scalars or self._scalars_of(learning_rate)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=m.handle,
            v=v.handle,
            beta1_power=tf.cast(beta_1_power, variable.dtype),
            beta2_power=tf.cast(beta_2_power, variable.dtype),
            lr=tf.cast(rate, variable.dtype),
            beta1=tf.constant(self.beta_1, variable.dtype),
            beta2=tf.constant(self.beta_2, variable.dtype),
            epsilon=tf.constant(self.epsilon, variable.dtype),
            grad=tf.cast(gradient, variable.dtype),
        )

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        # Once for all variables of the step: they are small operations, but hundreds of them.
        self._scalars = self._scalars_of(learning_rate) if self._can_fuse() else None
        try:
            super()._backend_update_step(grads, trainable_variables, learning_rate)
        finally:
            self._scalars = None

    def _scalars_of(self, learning_rate):
        """Returns the learning rate, and beta_1 and beta_2 to the power of the step in float64."""
        step = ops.cast(self.iterations + 1, "float64")
        # `ops.cast` rounds them to float32 on the way, as the Keras optimizer's powers are.
        powers = [ops.power(ops.cast(beta, "float64"), step) for beta in (self.beta_1, self.beta_2)]
        return (learning_rate, *powers)

    def _can_fuse(self):
        return keras.backend.backend() == "tensorflow" and not self.amsgrad


def _is_shared():
    import tensorflow as tf

    return tf.distribute.has_strategy()


def _is_sparse(gradient):
    import tensorflow as tf

    return isinstance(gradient, tf.IndexedSlices)
