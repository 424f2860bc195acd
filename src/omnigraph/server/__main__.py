"""``python -m omnigraph.server`` is ``omnigraph-server``."""

from omnigraph.server.main import main

if __name__ == "__main__":
    raise SystemExit(main())
