"""Models and policies leave: SavedModels and TFLite files, verified and whole or not there."""
