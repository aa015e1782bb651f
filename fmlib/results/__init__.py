"""Numbers that runs produced: the ledger, and the comparisons that fill it.

In reading order:

    ledger   every headline number
    compare  comparisons that take many runs
"""

from fmlib.results.compare import Comparison, table
from fmlib.results.ledger import record, results, summarize

__all__ = [
    "Comparison",
    "record",
    "results",
    "summarize",
    "table",
]
