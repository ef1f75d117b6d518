// Slices of valid UTF-8, and white space in them as Python's str.isspace has it.
#ifndef HEADSCORE_SENTENCES_UTF8_H_
#define HEADSCORE_SENTENCES_UTF8_H_

#include <cstdint>
#include <cstring>

namespace headscore {

struct Slice {
  const char* begin = nullptr;
  const char* end = nullptr;

  int64_t size() const { return end - begin; }
  bool operator==(const Slice& other) const {
    return size() == other.size() && std::memcmp(begin, other.begin, size()) == 0;
  }
  template <int64_t kSize>
  bool is(const char (&literal)[kSize]) const {
    return size() == kSize - 1 && std::memcmp(begin, literal, kSize - 1) == 0;
  }
  bool starts_with(const Slice& other) const {
    return size() >= other.size() && std::memcmp(begin, other.begin, other.size()) == 0;
  }
};

inline bool is_continuation(char byte) { return (byte & 0xC0) == 0x80; }

inline bool is_ascii(const Slice& bytes) {
  unsigned char all = 0;
  for (const char* at = bytes.begin; at < bytes.end; ++at) all |= static_cast<unsigned char>(*at);
  return all < 0x80;
}

inline int64_t count_characters(const Slice& text) {
  int64_t characters = 0;
  for (const char* at = text.begin; at < text.end; ++at) characters += !is_continuation(*at);
  return characters;
}

// Bytes of the white space character that the text begins with, 0 where it begins with another.
inline int64_t leading_space(const Slice& text) {
  if (text.size() == 0) return 0;
  const unsigned char* u = reinterpret_cast<const unsigned char*>(text.begin);
  if (u[0] < 0x80) return (u[0] >= 9 && u[0] <= 13) || (u[0] >= 28 && u[0] <= 32);
  if (u[0] == 0xC2) return u[1] == 0x85 || u[1] == 0xA0 ? 2 : 0;
  if (u[0] < 0xE1 || u[0] > 0xE3) return 0;
  const int32_t point = (u[0] & 0x0F) << 12 | (u[1] & 0x3F) << 6 | (u[2] & 0x3F);
  const bool space = point == 0x1680 || (point >= 0x2000 && point <= 0x200A) || point == 0x2028 ||
                     point == 0x2029 || point == 0x202F || point == 0x205F || point == 0x3000;
  return space ? 3 : 0;
}

// Bytes of the white space character that the text ends with, 0 where it ends with another.
inline int64_t trailing_space(const Slice& text) {
  if (text.size() == 0) return 0;
  const char* at = text.end - 1;
  while (at > text.begin && is_continuation(*at)) --at;
  return leading_space({at, text.end});
}

inline Slice stripped(Slice text) {
  while (const int64_t bytes = leading_space(text)) text.begin += bytes;
  while (const int64_t bytes = trailing_space(text)) text.end -= bytes;
  return text;
}

}  // namespace headscore

#endif  // HEADSCORE_SENTENCES_UTF8_H_
