"""What would make a study lie or fail, said before anything expensive; and what a model half knows."""
