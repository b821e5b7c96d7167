"""Train one configuration, or a sweep of them.

    python train.py model=gps dataset=zinc
    python train.py -m seed=0,1,2 model=gps,gin dataset=zinc

`python train.py --help` lists every choice.
"""

import sys

from gnnlab.cli import main

if __name__ == "__main__":
    sys.exit(main())
