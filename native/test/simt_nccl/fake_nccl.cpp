// The functions of NCCL that the engine calls, for ranks that are threads of this process and streams that finish every
// operation before a call returns. FAKE_NCCL_FAIL names a function that fails.
#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "test/reference/number_formats.h"

#define EXPORT extern "C" __attribute__((visibility("default")))

struct World;
struct ncclComm {
  std::shared_ptr<World> world;
  int rank;
};

// What the ranks of one communicator share.
struct World {
  std::mutex mutex;
  std::condition_variable changed;
  int ranks = 0;
  int arrived = 0;
  int64_t round = 0;
  std::vector<std::vector<char>> messages;                            // by rank
  std::map<std::pair<int, int>, std::deque<std::vector<char>>> mail;  // from, to

  void meet() {
    std::unique_lock lock(mutex);
    const int64_t own = round;
    if (++arrived == ranks) {
      arrived = 0;
      ++round;
      changed.notify_all();
    }
    changed.wait(lock, [&] { return round != own; });
  }
};

namespace {

using namespace stateline::reference;

constexpr int kSuccess = 0, kInternalError = 3, kInvalidArgument = 4;
constexpr int kBytes = 0, kF16 = 6, kF32 = 7;

struct Id {
  char bytes[128];
};

std::mutex worlds_mutex;
std::map<std::string, std::weak_ptr<World>> worlds;
int64_t ids = 0;

struct Piece {
  ncclComm* comm;
  bool sends;
  void* data;
  size_t bytes;
  int other;
};
thread_local std::vector<Piece> pieces;

bool fails(const char* name) {
  const char* failing = std::getenv("FAKE_NCCL_FAIL");
  return failing && std::string(failing) == name;
}

size_t bytes_of(int type) { return type == kBytes ? 1 : type == kF32 ? 4 : 2; }

float value_at(const char* data, size_t index, int type) {
  if (type == kF32) {
    float value;
    std::memcpy(&value, data + 4 * index, 4);
    return value;
  }
  uint16_t bits;
  std::memcpy(&bits, data + 2 * index, 2);
  return static_cast<float>(type == kF16 ? decode_f16(bits) : decode_bf16(bits));
}

void store(char* data, size_t index, int type, float value) {
  if (type == kF32) return static_cast<void>(std::memcpy(data + 4 * index, &value, 4));
  const uint16_t bits = type == kF16 ? encode_f16(value) : encode_bf16(value);
  std::memcpy(data + 2 * index, &bits, 2);
}

}  // namespace

EXPORT int ncclGetVersion(int* version) {
#if defined(FAKE_NCCL_OLD)
  *version = 21203;
#else
  *version = 22703;
#endif
  return kSuccess;
}
EXPORT const char* ncclGetErrorString(int result) { return result == kSuccess ? "no error" : "internal error"; }

#if !defined(FAKE_NCCL_PARTIAL)
EXPORT const char* ncclGetLastError(ncclComm*) { return "as the test asked"; }
#endif

EXPORT int ncclGetUniqueId(Id* id) {
  const std::lock_guard lock(worlds_mutex);
  *id = {};
  std::strcpy(id->bytes, std::to_string(++ids).c_str());
  return kSuccess;
}

EXPORT int ncclCommInitRank(ncclComm** comm, int ranks, Id id, int rank) {
  if (fails("ncclCommInitRank")) return kInternalError;
  std::shared_ptr<World> world;
  {
    const std::lock_guard lock(worlds_mutex);
    world = worlds[id.bytes].lock();
    if (!world) worlds[id.bytes] = world = std::make_shared<World>();
    world->ranks = ranks;
    world->messages.resize(ranks);
  }
  world->meet();
  *comm = new ncclComm{world, rank};
  return kSuccess;
}
EXPORT int ncclCommDestroy(ncclComm* comm) {
  delete comm;
  return kSuccess;
}
EXPORT int ncclCommAbort(ncclComm* comm) { return ncclCommDestroy(comm); }
EXPORT int ncclCommGetAsyncError(ncclComm*, int* error) {
  *error = fails("ncclCommGetAsyncError") ? kInternalError : kSuccess;
  return kSuccess;
}

EXPORT int ncclAllReduce(const void* from, void* to, size_t count, int type, int, ncclComm* comm, void*) {
  if (fails("ncclAllReduce")) return kInternalError;
  World& world = *comm->world;
  const char* data = static_cast<const char*>(from);
  world.messages[comm->rank].assign(data, data + count * bytes_of(type));
  world.meet();
  std::vector<char> total(world.messages[0]);
  for (int rank = 1; rank < world.ranks; ++rank) {
    for (size_t i = 0; i < count; ++i) {
      store(total.data(), i, type, value_at(total.data(), i, type) + value_at(world.messages[rank].data(), i, type));
    }
  }
  world.meet();
  std::copy(total.begin(), total.end(), static_cast<char*>(to));
  return kSuccess;
}

EXPORT int ncclBroadcast(const void* from, void* to, size_t count, int type, int root, ncclComm* comm, void*) {
  World& world = *comm->world;
  const char* data = static_cast<const char*>(from);
  if (comm->rank == root) world.messages[root].assign(data, data + count * bytes_of(type));
  world.meet();
  std::copy_n(world.messages[root].begin(), count * bytes_of(type), static_cast<char*>(to));
  world.meet();
  return kSuccess;
}

EXPORT int ncclSend(const void* from, size_t count, int type, int to, ncclComm* comm, void*) {
  pieces.push_back({comm, true, const_cast<void*>(from), count * bytes_of(type), to});
  return kSuccess;
}
EXPORT int ncclRecv(void* to, size_t count, int type, int from, ncclComm* comm, void*) {
  pieces.push_back({comm, false, to, count * bytes_of(type), from});
  return kSuccess;
}
EXPORT int ncclGroupStart() {
  pieces.clear();
  return kSuccess;
}
// All sends first, as NCCL lets a group's pieces go side by side.
EXPORT int ncclGroupEnd() {
  if (fails("ncclGroupEnd")) return kInternalError;
  for (const Piece& piece : pieces) {
    if (!piece.sends) continue;
    World& world = *piece.comm->world;
    const char* data = static_cast<const char*>(piece.data);
    const std::lock_guard lock(world.mutex);
    world.mail[{piece.comm->rank, piece.other}].emplace_back(data, data + piece.bytes);
    world.changed.notify_all();
  }
  for (const Piece& piece : pieces) {
    if (piece.sends) continue;
    World& world = *piece.comm->world;
    std::unique_lock lock(world.mutex);
    auto& box = world.mail[{piece.other, piece.comm->rank}];
    world.changed.wait(lock, [&] { return !box.empty(); });
    if (box.front().size() != piece.bytes) return kInvalidArgument;
    std::copy(box.front().begin(), box.front().end(), static_cast<char*>(piece.data));
    box.pop_front();
  }
  return kSuccess;
}
