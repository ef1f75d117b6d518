"""HeadScores -> tests and tables, with numpy, scipy and pandas, without torch."""
