"""Exported models answer: an embedded server for one machine, over REST and gRPC, and a client."""

from logo_tf.serving.client import Client, ClientConfig
from logo_tf.serving.status import Code, ServingError

__all__ = ["Client", "ClientConfig", "Code", "ServingError"]
