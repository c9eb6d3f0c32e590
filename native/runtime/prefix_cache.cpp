#include "runtime/prefix_cache.h"

#include <algorithm>
#include <utility>

namespace stateline {
namespace {

constexpr int64_t kNodeBytes = 256;    // of a node beside its tokens, state, keys and values
constexpr size_t kEvictedKept = 4096;  // hashes
constexpr uint64_t kHashSeed = 0xcbf29ce484222325;

// FNV-1a, a token at once.
uint64_t extend(uint64_t hash, int32_t token) {
  return (hash ^ static_cast<uint32_t>(token)) * 0x100000001b3 ^ (hash >> 32);
}

uint64_t extend(uint64_t hash, std::span<const int32_t> tokens) {
  for (const int32_t token : tokens) hash = extend(hash, token);
  return hash;
}

size_t common(std::span<const int32_t> a, std::span<const int32_t> b) {
  const size_t most = std::min(a.size(), b.size());
  return std::mismatch(a.begin(), a.begin() + most, b.begin()).first - a.begin();
}

}  // namespace

class PrefixCache::Node {
 public:
  Node* parent = nullptr;
  std::vector<std::unique_ptr<Node>> children;  // their edges may begin alike, but no two are the same
  std::vector<int32_t> edge;                    // tokens since the parent
  std::shared_ptr<SequenceState> state;
  std::shared_ptr<KeysValues> kv;  // of the edge
  int64_t tokens = 0;              // since the root
  uint64_t hash = kHashSeed;       // of them
  int64_t used = 0;
  int standing = 0;  // places here and behind

  void stand(int places) {
    for (Node* node = this; node; node = node->parent) node->standing += places;
  }

  // All tokens since the root.
  std::vector<int32_t> path() const {
    std::vector<int32_t> all(tokens);
    auto end = all.end();
    for (const Node* node = this; node; node = node->parent) {
      end = std::copy_backward(node->edge.begin(), node->edge.end(), end);
    }
    return all;
  }

  // Tokens to compute anew if this state were gone.
  int64_t saves() const {
    const Node* before = parent;
    while (before->parent && !before->state) before = before->parent;
    return tokens - before->tokens;
  }
};

PrefixCache::Place::Place(Node* node) : node_(node) { node_->stand(1); }
PrefixCache::Place::Place(Place&& other) noexcept : node_(std::exchange(other.node_, nullptr)) {}
PrefixCache::Place& PrefixCache::Place::operator=(Place&& other) noexcept {
  if (node_) node_->stand(-1);
  node_ = std::exchange(other.node_, nullptr);
  return *this;
}
PrefixCache::Place::~Place() {
  if (node_) node_->stand(-1);
}

PrefixCache::PrefixCache(const ModelShape& shape, int64_t budget, int64_t interval)
    : shape_(shape), budget_(budget), root_(std::make_unique<Node>()) {
  statistics_.budget = budget;
  statistics_.interval = interval;
}

PrefixCache::~PrefixCache() = default;

void PrefixCache::leave(Place place) {
  Node* node = place.node();
  place = Place();
  if (node) prune(node);
}

int64_t PrefixCache::tokens(const Place& place) { return place.node()->tokens; }

void PrefixCache::miss(CacheMiss reason, int64_t token) {
  ++statistics_.misses[static_cast<size_t>(reason)];
  statistics_.last_miss = static_cast<int>(reason);
  statistics_.last_miss_token = token;
}

void PrefixCache::bypass(int64_t tokens) {
  ++statistics_.lookups;
  statistics_.tokens_computed += tokens;
  miss(CacheMiss::bypassed, 0);
}

PrefixCache::Found PrefixCache::find(std::span<const int32_t> tokens) {
  ++statistics_.lookups;
  ++clock_;
  const int64_t most = static_cast<int64_t>(tokens.size()) - 1;  // the last token gives the first logits
  Node* best = root_.get();
  int64_t known = 0;
  bool dropped = false;
  std::vector<Node*> open{best};
  while (!open.empty()) {
    Node* node = open.back();
    open.pop_back();
    for (const auto& child : node->children) {
      const auto rest = tokens.subspan(node->tokens);
      const auto same = static_cast<int64_t>(common(rest, child->edge));
      known = std::max(known, node->tokens + same);
      if (same < static_cast<int64_t>(child->edge.size()) || child->tokens > most) continue;
      open.push_back(child.get());
      dropped |= !child->state;
      if (child->state && child->tokens > best->tokens) best = child.get();
    }
  }
  statistics_.tokens_reused += best->tokens;
  statistics_.tokens_computed += static_cast<int64_t>(tokens.size()) - best->tokens;
  best->used = clock_;
  if (best->tokens > 0) {
    ++(best->tokens == std::min(known, most) ? statistics_.hits : statistics_.partial_hits);
  } else if (most == 0) {
    miss(CacheMiss::too_short, 0);
  } else if (dropped || was_evicted(tokens.first(most))) {
    miss(CacheMiss::evicted, known);
  } else if (kept_.empty()) {
    miss(CacheMiss::empty, known);
  } else {
    miss(known < most ? CacheMiss::diverged : CacheMiss::no_state, known);
  }
  return {Place(best), best->state, known > best->tokens && known < most ? known : 0};
}

bool PrefixCache::was_evicted(std::span<const int32_t> tokens) const {
  if (evicted_.empty()) return false;
  uint64_t hash = kHashSeed;
  return std::ranges::any_of(tokens, [&](int32_t token) { return evicted_.contains(hash = extend(hash, token)); });
}

int64_t PrefixCache::bytes_of(const Node& node) const {
  const auto edge = static_cast<int64_t>(node.edge.size());
  return kNodeBytes + edge * (static_cast<int64_t>(sizeof(int32_t)) + key_value_bytes(shape_));
}

PrefixCache::Node* PrefixCache::kept_after(const Node& before, std::span<const int32_t> edge) const {
  const uint64_t hash = extend(before.hash, edge);
  const int64_t tokens = before.tokens + static_cast<int64_t>(edge.size());
  std::vector<int32_t> wanted;
  for (Node* node : kept_) {
    if (node->hash != hash || node->tokens != tokens) continue;
    if (wanted.empty()) {
      wanted = before.path();
      wanted.insert(wanted.end(), edge.begin(), edge.end());
    }
    if (node->path() == wanted) return node;
  }
  return nullptr;
}

PrefixCache::Kept PrefixCache::keep(Place& place, std::span<const int32_t> edge) {
  Node* parent = place.node();
  if (edge.empty()) return {parent->state};
  const auto found =
      std::ranges::find_if(parent->children, [&](const auto& child) { return std::ranges::equal(child->edge, edge); });
  Node* node = found == parent->children.end() ? nullptr : found->get();
  ++clock_;
  if (Node* same = kept_after(*parent, edge)) {
    same->used = clock_;
    leave(std::exchange(place, Place(same)));
    return {same->state};
  }
  std::unique_ptr<Node> made;
  if (!node) {
    made = std::make_unique<Node>();
    node = made.get();
    node->parent = parent;
    node->edge.assign(edge.begin(), edge.end());
    node->tokens = parent->tokens + static_cast<int64_t>(edge.size());
    node->hash = extend(parent->hash, edge);
  }
  Place there(node);  // not to be pruned while room is made
  const int64_t bytes = state_bytes(shape_) + (made ? bytes_of(*node) : 0);
  if (!make_room(bytes)) {
    ++statistics_.too_large;
    if (!made) leave(std::move(there));
    return {};
  }
  if (made) node->kv = make_keys_values(shape_, node->tokens, parent->kv);
  const bool fresh_kv = made && node->kv;
  auto state = std::make_shared<SequenceState>(make_sequence_state(shape_, node->tokens, node->kv));
  kept_.push_back(node);
  if (made) parent->children.push_back(std::move(made));
  node->state = std::move(state);
  node->used = clock_;
  statistics_.bytes += bytes;
  statistics_.states = static_cast<int64_t>(kept_.size());
  ++statistics_.kept;
  place = std::move(there);
  return {node->state, true, fresh_kv};
}

bool PrefixCache::make_room(int64_t bytes) {
  if (statistics_.bytes + bytes <= budget_) return true;
  if (bytes_in_use() + bytes > budget_) return false;  // nobody's state is dropped for nothing
  while (statistics_.bytes + bytes > budget_) {
    if (kept_.empty()) return false;
    // All states of a model are of one size.
    const auto worth = [&](const Node* node) {
      return static_cast<double>(node->saves()) / static_cast<double>(clock_ - node->used + 1);
    };
    evict(**std::ranges::min_element(kept_, {}, worth));
  }
  return true;
}

int64_t PrefixCache::bytes_in_use() const {
  int64_t bytes = 0;
  std::vector<const Node*> open{root_.get()};
  while (!open.empty()) {
    const Node* node = open.back();
    open.pop_back();
    for (const auto& child : node->children) {
      if (child->standing == 0) continue;
      bytes += bytes_of(*child);
      open.push_back(child.get());
    }
  }
  return bytes;
}

void PrefixCache::evict(Node& node) {
  ++statistics_.evictions;
  std::erase(kept_, &node);
  statistics_.states = static_cast<int64_t>(kept_.size());
  statistics_.bytes -= state_bytes(shape_);
  node.state = nullptr;
  if (evicted_.insert(node.hash).second) evicted_order_.push_back(node.hash);
  if (evicted_order_.size() > kEvictedKept) {
    evicted_.erase(evicted_order_.front());
    evicted_order_.pop_front();
  }
  prune(&node);
}

void PrefixCache::prune(Node* node) {
  while (node->parent && !node->state && node->children.empty() && node->standing == 0) {
    Node* parent = node->parent;
    statistics_.bytes -= bytes_of(*node);
    std::erase_if(parent->children, [&](const auto& child) { return child.get() == node; });
    node = parent;
  }
}

void PrefixCache::clear() {
  kept_.clear();
  root_ = std::make_unique<Node>();
  statistics_.bytes = statistics_.states = 0;
}

}  // namespace stateline
