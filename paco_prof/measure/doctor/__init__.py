"""`paco-prof doctor`: what is looked at, and the instrument on trial."""
