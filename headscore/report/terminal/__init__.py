"""Reports and comparisons as text for a terminal."""
