"""A study that was recorded once: what it holds, says and exports stays as it is."""
