// The places of the words of a sentence in its text.
#include "sentence.h"

namespace headscore {
namespace {

Slice form_of(const Sentence& sentence, int32_t row) { return sentence.rows[row].form; }

// Joins the tokens, one space between those that are not glued.
void join(Sentence* sentence) {
  std::string& joined = sentence->joined;
  joined.clear();
  for (Token& token : sentence->tokens) {
    const Slice form = form_of(*sentence, token.row);
    token.text_begin = joined.size();
    token.bytes = form.size();
    joined.append(form.begin, form.size());
    if (!token.glued && &token != &sentence->tokens.back()) joined.push_back(' ');
  }
}

// Finds the tokens in a text with any white space where one is due.
bool find_tokens(Slice text, Sentence* sentence) {
  Slice rest = text;
  bool space_due = false;
  for (Token& token : sentence->tokens) {
    const Slice form = form_of(*sentence, token.row);
    if (space_due) {
      int64_t bytes = leading_space(rest);
      if (bytes == 0) return false;
      // A form may begin with white space itself (a no-break space): stop before it.
      do {
        rest.begin += bytes;
        bytes = leading_space(rest);
      } while (bytes > 0 && !rest.starts_with(form));
    }
    if (!rest.starts_with(form)) return false;
    token.text_begin = rest.begin - text.begin;
    token.bytes = form.size();
    rest.begin += form.size();
    space_due = !token.glued;
  }
  return rest.size() == 0;
}

bool spell_their_token(const Sentence& sentence, const Token& token) {
  Slice surface = form_of(sentence, token.row);
  for (int32_t word = token.begin; word < token.end; ++word) {
    const Slice form = form_of(sentence, sentence.words[word].row);
    if (!surface.starts_with(form)) return false;
    surface.begin += form.size();
  }
  return surface.size() == 0;
}

// Words that spell their token share its characters out; otherwise each has the whole token.
void share_out(const Token& token, int32_t start, int32_t end, Sentence* sentence) {
  const bool whole = !spell_their_token(*sentence, token);
  for (int32_t n = token.begin; n < token.end; ++n) {
    Word& word = sentence->words[n];
    word.start = start;
    word.end = whole ? end : start + count_characters(form_of(*sentence, word.row));
    if (!whole) start = word.end;
  }
}

}  // namespace

bool place_words(Slice text, bool has_text, Sentence* sentence) {
  join(sentence);
  const Slice joined{sentence->joined.data(), sentence->joined.data() + sentence->joined.size()};
  sentence->text = has_text ? text : joined;
  if (has_text && !(text == joined)) {
    sentence->text.end -= trailing_space(text);  // it may end in one white space more
    if (!find_tokens(sentence->text, sentence)) return false;
  }
  int32_t bytes = 0, characters = 0;  // of the text so far
  for (const Token& token : sentence->tokens) {
    const char* const base = sentence->text.begin;
    const char* const begin = base + token.text_begin;
    characters += count_characters({base + bytes, begin});
    const int32_t end = characters + count_characters({begin, begin + token.bytes});
    share_out(token, characters, end, sentence);
    bytes = token.text_begin + token.bytes;
    characters = end;
  }
  return true;
}

}  // namespace headscore
