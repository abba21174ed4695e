"""Summaries of repeated measurements; numpy and scipy only."""
