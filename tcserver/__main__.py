"""``python -m tcserver``."""

import sys

from tcserver.cli.main import main

sys.exit(main())
