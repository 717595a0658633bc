"""Tests of probes, a file each."""
