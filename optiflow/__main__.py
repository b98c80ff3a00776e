"""``python -m optiflow``."""

import sys

from optiflow.cli import main

if __name__ == "__main__":
    sys.exit(main())
