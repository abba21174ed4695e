"""The images that a model is trained on: where they come from, two views of each, batches of them."""
