"""`python -m bumper` is `bump`."""

import sys

from bumper.cli import main

sys.exit(main())
