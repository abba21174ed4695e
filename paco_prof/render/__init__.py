"""Views to text and pictures: pure functions; nothing here prints."""
