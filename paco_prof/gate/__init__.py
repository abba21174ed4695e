"""The gate of `paco-prof check`: what a user asks of a step, and how it is measured."""
