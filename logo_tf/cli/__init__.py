"""The ``logo-tf`` command: one thin file per verb."""
