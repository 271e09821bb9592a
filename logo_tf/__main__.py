"""``python -m logo_tf`` is the ``logo-tf`` command."""

import sys

from logo_tf.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
