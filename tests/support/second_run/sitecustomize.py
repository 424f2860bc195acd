"""Python reads this at its start when its folder is on PYTHONPATH."""

import os
import sys
from pathlib import Path

if os.environ.get("SECOND_RUN_PREFIX"):
    sys.path.append(str(Path(__file__).resolve().parents[2]))
    from support.s3_roots import divert

    divert()
