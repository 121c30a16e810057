"""``python -m tcserver``."""

import sys

from tcserver.cli import main

sys.exit(main())
