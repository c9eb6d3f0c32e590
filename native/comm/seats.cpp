#include "comm/seats.h"

#include <algorithm>
#include <cstring>

#include "runtime/error.h"
#include "trace/names.h"

namespace stateline {

void Seats::check_labels(int64_t seq) const {
  for (int r = 1; r < static_cast<int>(seats_.size()); ++r) {
    if (seats_[r].label[seq & 1] == seats_[0].label[seq & 1]) continue;
    throw Error("E_COLLECTIVE_MISMATCH", "ranks 0 and " + std::to_string(r) + " met in different collectives or shapes",
                details(seq, r));
  }
}

void Seats::check_hashes(int64_t seq) const {
  for (int r = 1; r < static_cast<int>(seats_.size()); ++r) {
    if (seats_[r].hash[seq & 1] == seats_[0].hash[seq & 1]) continue;
    throw Error("E_RANKS_DIVERGED",
                "ranks 0 and " + std::to_string(r) + " hold different bits after " +
                    std::string(name_of(seats_[0].label[seq & 1].name)) + " number " + std::to_string(seq),
                details(seq, r));
  }
}

void Seats::reset() {
  int64_t seq = 0;
  for (const Seat& seat : seats_) seq = std::max(seq, seat.seq);
  for (Seat& seat : seats_) seat.seq = seq;
}

std::map<std::string, std::string> Seats::details(int64_t seq, int other) const {
  return {{"collective", std::string(name_of(seats_[0].label[seq & 1].name))},
          {"seq", std::to_string(seq)},
          {"rank", std::to_string(other)}};
}

void check_root(int root, int ranks) {
  if (root >= 0 && root < ranks) return;
  throw Error("E_COLLECTIVE_ROOT",
              "root must be a rank from 0 to " + std::to_string(ranks - 1) + ", got " + std::to_string(root),
              {{"root", std::to_string(root)}});
}

uint64_t hash_bits(View<const float> values) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (int64_t row = 0; row < values.rows; ++row) {
    for (int64_t column = 0; column < values.columns; ++column) {
      uint32_t bits;
      std::memcpy(&bits, values.row(row) + column, sizeof bits);
      hash = (hash ^ bits) * 0x100000001b3u;
    }
  }
  return hash;
}

}  // namespace stateline
