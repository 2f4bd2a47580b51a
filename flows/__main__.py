"""`python -m flows`: the `tritune` command of the clone one stands in."""

import sys

from flows.cli import main

if __name__ == "__main__":  # `tritune estimate` starts processes that import this
    sys.exit(main())
