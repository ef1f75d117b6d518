"""Parse sequences: add words, heads and relations."""
