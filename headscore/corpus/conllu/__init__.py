"""CoNLL-U files: reader, ids, spelling, trees."""
