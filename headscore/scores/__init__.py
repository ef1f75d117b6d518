"""A model and a corpus -> HeadScores, and their files."""
