// Words, surface tokens and heads of the rows of a sentence.
#include "sentence.h"

namespace headscore {
namespace {

// The value of one to nine ASCII digits, -1 for anything else.
int32_t number_of(Slice digits) {
  if (digits.size() < 1 || digits.size() > 9) return -1;
  int32_t value = 0;
  for (const char* at = digits.begin; at < digits.end; ++at) {
    if (*at < '0' || *at > '9') return -1;
    value = 10 * value + (*at - '0');
  }
  return value;
}

// Whether the text is a number as it is usually written, without leading zeros.
bool spells(Slice text, int32_t number) {
  return number_of(text) == number && (*text.begin != '0' || text.size() == 1);
}

// The parts before and behind the first separator; false where there is none.
bool split_at(Slice text, char separator, Slice* before, Slice* behind) {
  const char* at = static_cast<const char*>(std::memchr(text.begin, separator, text.size()));
  if (at == nullptr) return false;
  *before = {text.begin, at};
  *behind = {at + 1, text.end};
  return true;
}

// MISC is a list of Name=Value with | between them, or "_".
bool is_glued(Slice misc) {
  if (misc.is("_")) return false;
  while (true) {
    Slice feature, rest;
    const bool more = split_at(misc, '|', &feature, &rest);
    if ((more ? feature : misc).is("SpaceAfter=No")) return true;
    if (!more) return false;
    misc = rest;
  }
}

bool has_tag(const Row& row) { return row.upos.size() > 0 && !row.upos.is("_"); }

// Whether following heads from every word reaches the root, or a word without a head.
bool is_acyclic(Sentence* sentence) {
  // State of a word: 0 not visited, w + 1 visited on the way from word w. A way that meets itself
  // is a cycle; one that meets an earlier way ends as that did.
  const std::vector<Word>& words = sentence->words;
  const int32_t n = words.size();
  std::vector<int32_t>& states = sentence->states;
  states.assign(n, 0);
  for (int32_t word = 0; word < n; ++word) {
    int32_t at = word;
    while (at >= 0 && states[at] == 0) {
      states[at] = word + 1;
      at = words[at].head;
    }
    if (at >= 0 && states[at] == word + 1) return false;
  }
  return true;
}

}  // namespace

// Words "2", ranges "2-3" before their words, empty nodes "2.1"; `stop` is the first word behind
// the last range.
bool read_words(Sentence* sentence) {
  sentence->words.clear();
  sentence->tokens.clear();
  sentence->tagged = false;
  int32_t n = 0, n_empty = 0, stop = 0;
  const int32_t n_rows = sentence->rows.size();
  for (int32_t row = 0; row < n_rows; ++row) {
    const Row& fields = sentence->rows[row];
    Slice first, last;
    if (spells(fields.id, n + 1)) {
      if (n >= stop) sentence->tokens.push_back({row, n, n + 1, is_glued(fields.misc), 0, 0});
      sentence->words.push_back({row, -1, 0, 0});
      sentence->tagged |= has_tag(fields);
      ++n;
      n_empty = 0;
    } else if (split_at(fields.id, '.', &first, &last)) {
      if (!spells(first, n) || !spells(last, n_empty + 1)) return false;
      ++n_empty;
    } else {
      if (n < stop || !split_at(fields.id, '-', &first, &last) || !spells(first, n + 1)) {
        return false;
      }
      stop = number_of(last);
      if (stop <= n) return false;
      sentence->tokens.push_back({row, n, stop, is_glued(fields.misc), 0, 0});
    }
  }
  return n > 0 && stop <= n;
}

bool read_heads(Sentence* sentence) {
  const int32_t n = sentence->words.size();
  int32_t n_roots = 0, n_none = 0;
  for (int32_t word = 0; word < n; ++word) {
    const Slice head = sentence->rows[sentence->words[word].row].head;
    if (head.is("_")) {
      ++n_none;
      continue;
    }
    const int32_t number = number_of(head);
    if (number < 0 || number > n || number == word + 1) return false;
    n_roots += head.is("0");
    sentence->words[word].head = number - 1;  // heads count from 1, words from 0
  }
  sentence->parsed = n_none < n;
  return !sentence->parsed || (n_roots == 1 && is_acyclic(sentence));
}

}  // namespace headscore
