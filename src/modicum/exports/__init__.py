"""Forms of export, one file each."""
