"""Problems from a user's table: from the bytes of a file to questions, golds and three roles."""
