"""``python -m tcclient``."""

import sys

from tcclient.cli.main import main

sys.exit(main())
