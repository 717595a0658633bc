"""Tests of the code's shape: they read sources and import little."""
