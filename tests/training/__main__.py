"""`python -m tests.training --controls`: the table of controls that is too long for every test run."""

import sys

from tests.training.controls import main

if __name__ == "__main__":
    if "--controls" not in sys.argv:
        sys.exit("use: python -m tests.training --controls [--quick]")
    sys.exit(main())
