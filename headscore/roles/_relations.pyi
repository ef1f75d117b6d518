from headscore.arrays import Array
from headscore.encoding.word_pairs import WordPairs

def word_pair_entries(
    pairs: WordPairs, wanted: Array, forward: bool, backward: bool, one_text: bool
) -> Array: ...
