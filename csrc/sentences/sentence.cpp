#include "sentence.h"

#include <limits>

namespace headscore {
namespace {

const char* find(char wanted, const char* begin, const char* end) {
  return static_cast<const char*>(std::memchr(begin, wanted, end - begin));
}

// Bytes of the empty line at `at`, 0 where there is another.
int64_t empty_line(const char* at, const char* end) {
  if (at < end && *at == '\n') return 1;
  return end - at > 1 && at[0] == '\r' && at[1] == '\n' ? 2 : 0;
}

// The line at `at` without its ending, LF or CRLF; `at` moves to the next line.
Slice take_line(const char*& at, const char* end) {
  const char* newline = find('\n', at, end);
  Slice line{at, newline};
  at = newline + 1;
  if (line.size() > 0 && line.end[-1] == '\r') --line.end;
  return line;
}

// Exactly ten columns: id form lemma upos xpos feats head relation deps misc.
bool split_row(Slice line, Row* row) {
  Slice columns[10];
  const char* at = line.begin;
  for (int n = 0; n < 9; ++n) {
    const char* tab = at;
    while (tab < line.end && *tab != '\t') ++tab;
    if (tab == line.end) return false;
    columns[n] = {at, tab};
    at = tab + 1;
  }
  columns[9] = {at, line.end};
  if (find('\t', at, line.end) != nullptr) return false;
  *row = {columns[0], columns[1], columns[3], columns[6], columns[7], columns[9]};
  return columns[1].size() > 0;
}

struct Comments {
  Slice text;
  bool has_text = false;
  bool has_id = false;
  bool has_columns = false;
};

// One line "# name = value"; a later one of the same name replaces an earlier one.
void read_comment(Slice line, int32_t row, Comments* comments, Sentence* sentence) {
  const char* equals = find('=', line.begin, line.end);
  const Slice name = stripped({line.begin + 1, equals ? equals : line.end});
  const Slice value{equals ? equals + 1 : line.end, line.end};
  if (name.is("text")) {
    comments->text = value;
    comments->has_text = true;
  } else if (name.is("sent_id")) {
    sentence->id = stripped(value);
    sentence->id_row = row;
    comments->has_id = true;
  } else if (name.is("newdoc id")) {
    sentence->document = stripped(value);
    sentence->new_document = true;
  } else if (name.is("newdoc")) {
    sentence->new_document = true;
  } else if (name.is("global.columns")) {
    comments->has_columns = true;
  }
}

}  // namespace

const char* skip_empty_lines(const char* begin, const char* end, int64_t* n_lines) {
  while (const int64_t bytes = empty_line(begin, end)) {
    begin += bytes;
    ++*n_lines;
  }
  return begin;
}

const char* block_end(const char* begin, const char* end) {
  while (begin < end && !empty_line(begin, end)) {
    const char* newline = find('\n', begin, end);
    if (newline == nullptr) return nullptr;
    begin = newline + 1;
  }
  return begin;
}

bool read_sentence(Slice block, Sentence* sentence) {
  if (block.size() > std::numeric_limits<int32_t>::max()) return false;
  Comments comments;
  sentence->id = sentence->document = {};
  sentence->new_document = false;
  sentence->rows.clear();
  const char* at = block.begin;
  int32_t& row = sentence->n_comments;
  for (row = 0; at < block.end && *at == '#'; ++row) {
    read_comment(take_line(at, block.end), row, &comments, sentence);
  }
  if (comments.has_columns) return false;  // which are compared with those of the file
  if (!comments.has_id) sentence->id_row = row;
  while (at < block.end) {
    sentence->rows.emplace_back();
    if (!split_row(take_line(at, block.end), &sentence->rows.back())) return false;
  }
  // "# text = A b": the one space after "=" is syntax.
  Slice text = comments.text;
  if (text.size() > 0 && *text.begin == ' ') ++text.begin;
  return read_words(sentence) && read_heads(sentence) &&
         place_words(text, comments.has_text, sentence);
}

}  // namespace headscore
