"""`python -m flows`: the `tritune` command of the clone one stands in."""

import sys

from flows.cli import main

sys.exit(main())
