// A sentence of a CoNLL-U file that keeps all rules, read without Python.
#ifndef HEADSCORE_SENTENCES_SENTENCE_H_
#define HEADSCORE_SENTENCES_SENTENCE_H_

#include <string>
#include <vector>

#include "utf8.h"

namespace headscore {

// The columns of a row that are read.
struct Row {
  Slice id, form, upos, head, relation, misc;
};

// Words begin .. end - 1 of the sentence, spelled by one row: a word's own, or that of a range.
struct Token {
  int32_t row, begin, end;
  bool glued;                 // SpaceAfter=No
  int32_t text_begin, bytes;  // its place in the text, in bytes
};

struct Word {
  int32_t row;
  int32_t head;        // index of the head word, -1 for the root or none
  int32_t start, end;  // in characters of the text
};

struct Sentence {
  Slice text;  // what the model reads
  Slice id;    // the value of sent_id, empty where there is none
  Slice document;
  bool new_document;
  int32_t n_comments;  // rows above those of the words
  int32_t id_row;      // the row of sent_id, or the first row below the comments
  bool parsed;         // some word has a head
  bool tagged;         // some word has a part of speech
  std::vector<Word> words;
  std::vector<Row> rows;

  // Scratch, kept for the next sentence.
  std::vector<Token> tokens;
  std::vector<int32_t> states;
  std::string joined;
};

// Behind the empty lines at `begin`, which are added to `n_lines`.
const char* skip_empty_lines(const char* begin, const char* end, int64_t* n_lines);

// End of the run of non-empty lines from `begin` on, behind the last line's ending; nullptr where
// the last line has none.
const char* block_end(const char* begin, const char* end);

// Reads a block of lines, valid UTF-8 without NUL, each with its ending. False where the block
// breaks a rule, or has 2 GiB, so that int32 counts all it holds; the sentence then holds anything.
bool read_sentence(Slice block, Sentence* sentence);

// The steps of `read_sentence`; each returns false where the sentence breaks a rule.
bool read_words(Sentence* sentence);
bool read_heads(Sentence* sentence);
bool place_words(Slice text, bool has_text, Sentence* sentence);

}  // namespace headscore

#endif  // HEADSCORE_SENTENCES_SENTENCE_H_
