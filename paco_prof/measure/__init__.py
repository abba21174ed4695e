"""The measuring wing: runs a workload and fills in a record. It knows torch."""
