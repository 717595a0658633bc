"""Simulated truths that the statistics are tested on."""
