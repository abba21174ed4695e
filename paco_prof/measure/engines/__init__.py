"""What does the launches of a record: this machine, or a cluster. Free of torch."""
