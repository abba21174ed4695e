"""The Python API: what three of the commands do, for notebooks and scripts.

Each returns a record that shows itself (`paco_prof.results`), prints nothing, and leaves the caller's model and process
as they were. Importing it is free of torch; so is an estimate from saved records.
"""

from __future__ import annotations

from paco_prof.api.comparing import compare
from paco_prof.api.estimating import estimate
from paco_prof.api.measuring import breakdown

__all__ = ["breakdown", "compare", "estimate"]
