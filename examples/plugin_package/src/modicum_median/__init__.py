"""A foreign plug-in package for modicum."""
