"""A team on a device: NumPy and a TFLite runtime, nothing else of TensorFlow or of this package."""

from logo_tf.edge.team import Agent, BundleError, Team

__all__ = ["Agent", "BundleError", "Team"]
