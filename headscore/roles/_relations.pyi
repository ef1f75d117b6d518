from headscore.arrays import Array
from headscore.encoding.encoded import WordPairs

def word_pair_entries(pairs: WordPairs, wanted: Array, forward: bool, backward: bool) -> Array: ...
