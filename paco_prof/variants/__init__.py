"""The catalogue: named changes of the reference, each with a reason, a kind, and what the analysis expects of it."""
