"""paco-prof: where every millisecond of a PaCo-2 training step goes."""

__version__ = "0.1.0"
