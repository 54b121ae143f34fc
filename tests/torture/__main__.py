"""`python -m tests.torture`. What it does is in `runner.py`: the processes it starts have to import it by its name."""

import sys

from tests.torture.runner import main

sys.exit(main())
