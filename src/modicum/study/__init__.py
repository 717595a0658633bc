"""What is to be run: the declared plan, its trials, and what they may cost."""
