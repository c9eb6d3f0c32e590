// States of earlier requests, from which later ones with the same beginning go on. A recurrence has a state only where
// one was kept: at regular distances of a prompt, where two prompts part, at a prompt's end and at a generation's.
//
// A tree of those points; an edge has the tokens, and in hybrid models the keys and values, between two of them. What
// stays longest is what saves most work a byte and was used last (Marconi, arXiv 2411.19379). A point whose state is
// dropped stays as long as others come behind it, since they need its keys and values (SGLang's MambaRadixCache).
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <unordered_set>
#include <vector>

#include "runtime/sequence_state.h"

namespace stateline {

// Why a lookup gave nothing. no_state: all that could serve is known, but no state was kept in it.
enum class CacheMiss : uint8_t { bypassed, too_short, empty, diverged, evicted, no_state };
inline constexpr size_t kCacheMisses = 6;

struct CacheStatistics {
  int64_t budget = 0;  // bytes
  int64_t bytes = 0;
  int64_t states = 0;
  int64_t interval = 0;       // tokens
  int64_t lookups = 0;        // hits, partial hits and misses
  int64_t hits = 0;           // all that was known was reused
  int64_t partial_hits = 0;   // more was known than a state was kept of
  int64_t tokens_reused = 0;  // of prompts
  int64_t tokens_computed = 0;
  int64_t kept = 0;
  int64_t evictions = 0;
  int64_t too_large = 0;  // states that found no room
  int64_t misses[kCacheMisses] = {};
  int last_miss = -1;           // CacheMiss
  int64_t last_miss_token = 0;  // the first that was not known
};

class PrefixCache {
 public:
  class Node;

  PrefixCache(const ModelShape& shape, int64_t budget, int64_t interval);
  ~PrefixCache();

  bool on() const { return budget_ > 0; }

  // Where a sequence stands in the tree. A node that somebody stands on or behind is not removed.
  class Place {
   public:
    Place() = default;
    explicit Place(Node* node);
    Place(Place&& other) noexcept;
    Place& operator=(Place&& other) noexcept;
    ~Place();
    Node* node() const { return node_; }
    explicit operator bool() const { return node_ != nullptr; }

   private:
    Node* node_ = nullptr;
  };

  struct Found {
    Place place;
    std::shared_ptr<const SequenceState> state;  // null: nothing is known
    int64_t branch = 0;                          // where another sequence goes another way; 0: nowhere
  };
  // The longest beginning of `tokens`, without the last of them, of which there is a state.
  Found find(std::span<const int32_t> tokens);
  // A lookup that was not wanted.
  void bypass(int64_t tokens);

  struct Kept {
    std::shared_ptr<SequenceState> state;  // null: there is no room
    bool fresh = false;                    // its values are still to be written
    bool fresh_kv = false;                 // so are the last of its keys and values
  };
  // Makes room for the state after tokens [0, place's + edge's), and moves `place` there.
  Kept keep(Place& place, std::span<const int32_t> edge);
  static int64_t tokens(const Place& place);
  // The sequence is through.
  void leave(Place place);

  // Nobody may stand anywhere.
  void clear();

  int64_t interval() const { return statistics_.interval; }
  const CacheStatistics& statistics() const { return statistics_; }

 private:
  void miss(CacheMiss reason, int64_t token);
  // The node with a state after the same tokens, by whatever points they are parted there; null: there is none.
  Node* kept_after(const Node& before, std::span<const int32_t> edge) const;
  bool make_room(int64_t bytes);
  // That no eviction frees: of nodes which somebody stands on or behind, without their states.
  int64_t bytes_in_use() const;
  void evict(Node& node);
  void prune(Node* node);
  int64_t bytes_of(const Node& node) const;
  bool was_evicted(std::span<const int32_t> tokens) const;

  const ModelShape& shape_;
  const int64_t budget_;
  std::unique_ptr<Node> root_;
  std::vector<Node*> kept_;  // nodes with a state
  int64_t clock_ = 0;        // of lookups and keeps
  // Hashes of the last beginnings that were evicted, to tell "never seen" from "seen and dropped".
  std::unordered_set<uint64_t> evicted_;
  std::deque<uint64_t> evicted_order_;
  CacheStatistics statistics_;
};

}  // namespace stateline
