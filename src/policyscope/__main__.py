"""``python -m policyscope`` is the command line."""

import sys

from policyscope.cli.main import main

sys.exit(main())
