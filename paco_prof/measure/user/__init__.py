"""Code that was not written for this tool: found, wrapped, given drop-ins, tried, and held against itself."""
