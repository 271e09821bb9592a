"""LOGO: a local-to-global world model for offline multi-agent reinforcement learning."""

import os

# TF-Agents needs tf_keras behind tf.keras, and TensorFlow reads this once, when
# tf.keras is first touched. Our own models are written in `keras` (Keras 3).
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

# One thread to an operation, and as many operations at a time as there are cores: layers of a
# few hundred units train 1.6 times as fast so on two cores as with operations that are split,
# and sums come in one order however many cores there are. Larger models may want more.
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")

__version__ = "0.1.0"
