"""Running a study: what is missing, who drives, what is marked again."""
