"""HeadScores -> tests and tables, with numpy and scipy only."""
