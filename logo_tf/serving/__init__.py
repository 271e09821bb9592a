"""Exported models answer: an embedded server for one machine, over REST and gRPC, and clients."""

from logo_tf.serving.client import Client, ClientConfig
from logo_tf.serving.policy_client import PolicyClient
from logo_tf.serving.remote_world_model import RemoteWorldModel
from logo_tf.serving.status import Code, ServingError
from logo_tf.serving.world_model_client import ImaginedRollout, Steps, WorldModelClient

__all__ = [
    "Client",
    "ClientConfig",
    "Code",
    "ImaginedRollout",
    "PolicyClient",
    "RemoteWorldModel",
    "ServingError",
    "Steps",
    "WorldModelClient",
]
