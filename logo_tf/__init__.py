"""LOGO: a local-to-global world model for offline multi-agent reinforcement learning."""

import os

# TF-Agents needs tf_keras behind tf.keras, and TensorFlow reads this once, when
# tf.keras is first touched. Our own models are written in `keras` (Keras 3).
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

__version__ = "0.1.0"
