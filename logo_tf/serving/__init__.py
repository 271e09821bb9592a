"""Exported models answer: an embedded server for one machine, over REST and gRPC."""
