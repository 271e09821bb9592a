"""Adam in one fused operation per weight, with each gradient clipped by its own norm."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf


class Adam(tf.Module):
    """Adam (Kingma and Ba, 2015, arXiv 1412.6980) on TensorFlow's fused kernel.

    The parts of a world model are small, so that launching operations costs more than
    computing: one fused kernel per weight instead of the dozen operations of
    ``keras.optimizers.Adam``, and norms clipped all at once.
    """

    def __init__(
        self,
        variables: Sequence[tf.Variable],
        clip_norm: float,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
    ) -> None:
        """Create the slots.

        Args:
          variables: the weights to train, in a fixed order.
          clip_norm: largest norm of one weight's gradient. Adam's step does not
            depend on the gradient's scale, so weights can be clipped one by one.
          beta_1: decay of the first moment.
          beta_2: decay of the second moment.
          epsilon: keeps the division finite.
        """
        super().__init__(name="adam")
        self._variables = list(variables)
        self._clip_norm = clip_norm
        self._constants = (beta_1, beta_2, epsilon)
        self.first = [tf.Variable(tf.zeros_like(v), trainable=False) for v in variables]
        self.second = [tf.Variable(tf.zeros_like(v), trainable=False) for v in variables]

    def apply(
        self, gradients: Sequence[tf.Tensor | None], step: tf.Tensor, learning_rate: tf.Tensor
    ) -> None:
        """Move the weights by one step.

        Args:
          gradients: one per weight; None where the loss does not depend on it.
          step: () how many steps were taken before.
          learning_rate: ().
        """
        beta_1, beta_2, epsilon = self._constants
        count = tf.cast(step, tf.float32) + 1.0
        power_1, power_2 = tf.pow(beta_1, count), tf.pow(beta_2, count)
        moved = [
            (gradient, slots)
            for gradient, *slots in zip(
                gradients, self._variables, self.first, self.second, strict=True
            )
            if gradient is not None
        ]
        for (gradient, (variable, first, second)), factor in zip(
            moved, self._clipping([gradient for gradient, _ in moved]), strict=True
        ):
            tf.raw_ops.ResourceApplyAdam(
                var=variable.handle,
                m=first.handle,
                v=second.handle,
                beta1_power=power_1,
                beta2_power=power_2,
                lr=learning_rate,
                beta1=beta_1,
                beta2=beta_2,
                epsilon=epsilon,
                grad=gradient * factor,
            )

    def _clipping(self, gradients: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """What to multiply each gradient with, (): 1, or less where its norm is too large.

        Of all gradients at once: ``tf.clip_by_norm`` takes a dozen operations for each.
        """
        squares = 2.0 * tf.stack([tf.nn.l2_loss(gradient) for gradient in gradients])
        return tf.unstack(tf.minimum(1.0, self._clip_norm * tf.math.rsqrt(squares)))


def learning_rate(
    step: tf.Tensor, steps: int, highest: float, warmup_steps: int, final_share: float
) -> tf.Tensor:
    """Linear rise over the warm-up, then a cosine down to a share of the highest rate.

    Args:
      step: () int, steps taken before.
      steps: of the whole training.
      highest: the rate at the end of the warm-up.
      warmup_steps: over which it rises.
      final_share: of the highest, at the last step.
    """
    position = tf.cast(step, tf.float32)
    rising = (position + 1.0) / max(warmup_steps, 1)
    along = tf.clip_by_value((position - warmup_steps) / max(steps - warmup_steps, 1), 0.0, 1.0)
    falling = final_share + (1.0 - final_share) * 0.5 * (1.0 + tf.cos(3.14159265 * along))
    return highest * tf.minimum(rising, falling)
