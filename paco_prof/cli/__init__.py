"""The command line: parse, call, render, exit code; the only place that prints."""
