"""From records to views: pure data, no text, no torch."""
