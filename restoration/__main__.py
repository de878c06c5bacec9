"""``python -m restoration``: the command line."""

import sys

from restoration.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
