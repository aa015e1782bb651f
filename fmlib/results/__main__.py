"""``python -m fmlib.results contrastive``: compute a comparison into the ledger, see `fmlib.results.compare`."""

import sys

from fmlib.results.compare import main

if __name__ == "__main__":
    sys.exit(main())
