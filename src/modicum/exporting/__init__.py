"""From a finished rung to a folder that other tools load, checked there."""
