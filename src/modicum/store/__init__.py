"""The folder of a study: its database, what it holds, how it is opened."""
