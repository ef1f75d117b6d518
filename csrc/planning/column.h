// A column that grows, and whose memory its owner may keep.
#ifndef HEADSCORE_PLANNING_COLUMN_H_
#define HEADSCORE_PLANNING_COLUMN_H_

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace headscore {

// Unlike a vector it does not fill new elements, and grows without a copy where `realloc` moves
// pages: the pair entries are most of a plan.
template <class T>
class Column {
 public:
  Column() = default;
  Column(const Column&) = delete;
  Column& operator=(const Column&) = delete;
  ~Column() { std::free(data_); }

  // Returns the elements, which are `size` from now on and `expected` in the end.
  T* resize(size_t size, size_t expected) {
    if (size > capacity_) {
      size_t wanted = std::max(size + size / 4, expected);
      void* grown = std::realloc(data_, wanted * sizeof(T));
      if (grown == nullptr) throw std::bad_alloc();
      data_ = static_cast<T*>(grown);
      capacity_ = wanted;
    }
    size_ = size;
    return data_;
  }

  size_t size() const { return size_; }

  // Gives the memory, of `size` elements, to the caller, who frees it; null: no elements.
  T* release() {
    void* fitting = size_ == 0 ? nullptr : std::realloc(data_, size_ * sizeof(T));
    if (size_ == 0) std::free(data_);
    data_ = nullptr;
    size_ = capacity_ = 0;
    return static_cast<T*>(fitting);
  }

 private:
  T* data_ = nullptr;
  size_t size_ = 0, capacity_ = 0;
};

}  // namespace headscore

#endif  // HEADSCORE_PLANNING_COLUMN_H_
