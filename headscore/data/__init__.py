"""The demo corpus: English sentences with dependency trees, written for this project."""
