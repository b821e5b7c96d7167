"""`python -m gnnlab` is `python train.py`, from any folder."""

import sys

from gnnlab.cli import main

if __name__ == "__main__":
    sys.exit(main())
