"""``python -m tcclient``."""

import sys

from tcclient.cli import main

sys.exit(main())
