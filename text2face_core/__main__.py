"""`python -m text2face_core` is `t2f`."""

import sys

from .cli import main

sys.exit(main())
