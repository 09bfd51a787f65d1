"""`python -m engine`: the command line without any screen."""

import sys

from engine.cli.main import main

sys.exit(main())
