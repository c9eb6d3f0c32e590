// What ranks of one process tell each other about their collectives, so that a mismatch is an error instead of a wrong
// sum: each writes its own seat, and reads the others' behind a meeting.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "device/tensor.h"
#include "trace/span.h"

namespace stateline {

enum class Collective : uint8_t { all_reduce, reduce, broadcast, gather };

struct Label {
  Collective collective = Collective::all_reduce;
  int root = 0;
  int64_t rows = 0;
  int64_t columns = 0;
  Op name = Op::step;
  WireType wire = WireType::none;
  bool operator==(const Label&) const = default;
};

// Indexed by the parity of seq.
struct alignas(64) Seat {
  std::array<Label, 2> label;
  std::array<uint64_t, 2> hash{};
  int64_t seq = 0;
  int64_t sent = 0;
};

class Seats {
 public:
  explicit Seats(int ranks) : seats_(ranks) {}

  Seat& operator[](int rank) { return seats_[rank]; }

  // All ranks compare with rank 0, so that all throw the same.
  void check_labels(int64_t seq) const;
  void check_hashes(int64_t seq) const;
  // After an abort ranks may have come to different collectives: the next has one seq on all.
  void reset();

 private:
  std::map<std::string, std::string> details(int64_t seq, int other) const;

  std::vector<Seat> seats_;
};

// Throws E_COLLECTIVE_ROOT.
void check_root(int root, int ranks);

// FNV-1a over the bits of the values, to compare what ranks hold.
uint64_t hash_bits(View<const float> values);

}  // namespace stateline
