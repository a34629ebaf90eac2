"""`python -m pvtt` is the command `pvtt`."""

import sys

from pvtt.cli import main

if __name__ == "__main__":
    sys.exit(main())
