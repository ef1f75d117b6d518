// Runs the sources of the host without Python, for sanitizers: plans of random batches, and
// CoNLL-U files, as they are and with bytes changed at random.
//
//   host_driver FILE.conllu ...
#include <cstdio>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "planning/control.h"
#include "planning/entries.h"
#include "planning/plan.h"
#include "sentences/names.h"
#include "sentences/sentence.h"

namespace {

using namespace headscore;

std::mt19937 random_source(1);

int32_t draw(int32_t least, int32_t most) {
  return std::uniform_int_distribution<int32_t>(least, most)(random_source);
}

template <class T>
void fill(std::vector<T>* values, size_t size, int32_t least, int32_t most) {
  values->resize(size);
  for (T& each : *values) each = static_cast<T>(draw(least, most));
}

// Two label roles, the second with large labels, and two pair roles, the first of word pairs.
struct Batch {
  int32_t batch, tokens;
  std::vector<int32_t> lengths, label_role{0, 2}, query_label, key_label, band;
  std::vector<uint8_t> times_entropy{0, 0, 1, 1}, listed{0, 1, 0, 0};
  SortedEntries entries;
  std::vector<int32_t> text, arc_key;
  std::vector<int64_t> arc_offsets;

  Batch() : batch(draw(0, 4)), tokens(draw(1, 200)) {
    fill(&lengths, batch, 0, tokens);
    fill(&band, 4, -tokens, tokens);
    size_t labels = 2 * static_cast<size_t>(batch) * tokens;
    fill(&query_label, labels, -1, 3);
    fill(&key_label, labels, -1, 3);
    for (size_t n = labels / 2; n < labels; ++n) {
      query_label[n] = query_label[n] < 0 ? -1 : INT32_MAX - query_label[n];
      key_label[n] = key_label[n] < 0 ? -1 : INT32_MAX - key_label[n];
    }
    for (int32_t role : {1, 3}) add_pairs(role);
    add_texts();
  }

  void add_pairs(int32_t role) {
    std::vector<int64_t> columns[4];  // sequence, group, query, key
    for (int64_t b = 0; b < batch; ++b) {
      for (int n = lengths[b] > 0 ? draw(0, 40) : 0; n > 0; --n) {
        const int32_t last = lengths[b] - 1;
        const int64_t entry[4] = {b, draw(0, 5), draw(0, last), draw(0, last)};
        for (int c = 0; c < 4; ++c) columns[c].push_back(entry[c]);
      }
    }
    const GivenEntries given = {static_cast<int64_t>(columns[0].size()), columns[0].data(),
                                columns[1].data(), columns[2].data(), columns[3].data()};
    append_entries(given, role, batch, lengths.data(), lengths.data(), &entries);
  }

  // Each token is a word, with an arc to another word of its sequence.
  void add_texts() {
    std::vector<int64_t> offsets{0}, pieces{0};
    std::vector<int32_t> dependents, heads;
    for (int32_t n : lengths) {
      for (int32_t i = 0; i < n; ++i) {
        dependents.push_back(i);
        heads.push_back(draw(0, n - 1));
        pieces.push_back(static_cast<int64_t>(pieces.size()));
      }
      offsets.push_back(offsets.back() + n);
    }
    fill(&text, dependents.size(), -1, 1);
    list_arcs(
        {batch, offsets.data(), pieces.data(), dependents.data(), pieces.data(), heads.data()},
        offsets.data(), &arc_offsets, &arc_key);
  }

  Sieves sieves() const {
    return {batch,
            tokens,
            tokens,
            4,
            2,
            static_cast<int64_t>(entries.key.size()),
            lengths.data(),
            lengths.data(),
            times_entropy.data(),
            label_role.data(),
            query_label.data(),
            key_label.data(),
            band.data(),
            listed.data(),
            entries.role.data(),
            entries.sequence.data(),
            entries.group.data(),
            entries.query.data(),
            entries.key.data()};
  }
};

// Returns the number of word pairs that are compared with position.
int64_t plan(const Batch& batch, const Visibility& visibility) {
  const Sieves sieves = batch.sieves();
  const size_t rows = static_cast<size_t>(batch.batch) * batch.tokens;
  std::vector<float> row_weight(2 * rows), attainable(4 * batch.batch);
  std::vector<int64_t> pair_offsets(rows + 1), overlap(16 * batch.batch);
  std::vector<uint8_t> part(4 * batch.batch), token_part(4 * rows), invisible(4 * batch.batch);
  const RoleArrays arrays = {row_weight.data(), pair_offsets.data(), part.data(),
                             token_part.data(), attainable.data(),   overlap.data(),
                             invisible.data()};
  GrownArrays grown;
  plan_batch(sieves, {batch.text.data(), batch.arc_offsets.data(), batch.arc_key.data()},
             visibility, true, arrays, &grown);
  constexpr int64_t kHeads = 9;  // 8 together and one alone
  std::vector<float> scores(batch.batch * (4 + grown.further) * kHeads, 0.1f);
  std::vector<uint8_t> counted(batch.batch, 1);
  std::vector<float> excess(4 * batch.batch * kHeads);
  std::vector<int64_t> sums(kPositionRows * 4 * kHeads);
  const Comparison comparison = {static_cast<int64_t>(grown.unit_role.size()),
                                 grown.pair_offsets.data(),
                                 grown.member_column.data(),
                                 grown.member_mean.data(),
                                 grown.member_weight.data(),
                                 grown.mean_offsets.data(),
                                 grown.mean_column.data(),
                                 grown.mean_share.data(),
                                 grown.unit_offsets.data(),
                                 grown.unit_sequence.data(),
                                 grown.unit_role.data()};
  control_position(comparison, scores.data(), counted.data(), 4, kHeads, excess.data(),
                   sums.data());
  return static_cast<int64_t>(grown.pair_offsets.size()) - 1;
}

// Returns the number of sentences that keep all rules.
int64_t read_file(const std::string& text) {
  // A copy of its own size, so that a read behind its end is found.
  const std::vector<char> bytes(text.begin(), text.end());
  const char *at = bytes.data(), *end = at + bytes.size();
  int64_t line = 1, sentences = 0;
  Sentence sentence;
  Names names;
  for (at = skip_empty_lines(at, end, &line); at < end; at = skip_empty_lines(at, end, &line)) {
    const char* stop = block_end(at, end);
    if (stop == nullptr) break;
    if (read_sentence({at, stop}, &sentence)) {
      ++sentences;
      for (const Word& word : sentence.words) names.number_of(sentence.rows[word.row].relation);
    }
    at = stop;
  }
  return sentences;
}

// Changes some bytes to others that the format knows; the text stays valid UTF-8.
std::string damaged(std::string text) {
  const std::string letters = "\t\n\r #=_.-|0129a ";
  for (int32_t n = draw(1, 200); n > 0 && !text.empty(); --n) {
    char& byte = text[draw(0, static_cast<int32_t>(text.size()) - 1)];
    if (static_cast<unsigned char>(byte) < 0x80) {
      byte = letters[draw(0, static_cast<int32_t>(letters.size()) - 1)];
    }
  }
  return text;
}

}  // namespace

int main(int count, char** paths) {
  int64_t compared = 0;
  for (int n = 0; n < 300; ++n) {
    const Batch batch;
    for (int64_t window : {-1, 0, 5}) {
      compared += plan(batch, {false, window});
      if (window != 0) compared += plan(batch, {true, window});  // its own key is always visible
    }
  }
  std::printf("%lld word pairs are compared\n", static_cast<long long>(compared));
  for (int file = 1; file < count; ++file) {
    std::ifstream stream(paths[file], std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(stream), {}};
    const int64_t sentences = read_file(text);
    if (sentences == 0) {
      std::printf("%s: no sentence is valid\n", paths[file]);
      return 1;
    }
    for (int n = 0; n < 100; ++n) read_file(damaged(text));
    std::printf("%s: %lld sentences\n", paths[file], static_cast<long long>(sentences));
  }
  return compared == 0;
}
