"""Several processes that train one model: their group, what they reduce, and how they end together."""
