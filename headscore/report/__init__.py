"""Reports and comparisons: tables, sentences, pages, terminal output."""
