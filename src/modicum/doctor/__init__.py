"""Problems that would mislead or stop a run, found before anything is spent; tasks worth picking."""
