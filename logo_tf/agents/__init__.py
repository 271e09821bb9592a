"""Policies and how they learn: all that touches TF-Agents and tf_keras."""
