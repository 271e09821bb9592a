"""Offline episodes: read, checked, stored, described, and streamed to training."""
