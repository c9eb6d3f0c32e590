// The functions of NCCL that the engine calls, for ranks that are threads of this process and streams of test/simt,
// whose host functions stand for NCCL's kernels: they wait for each other there, and may be captured.
//
// Communicators are non-blocking: a call returns at once, and a thread puts what it asks for on the stream a while
// later; until then ncclCommGetAsyncError says so, and all other calls are refused. FAKE_NCCL_FAIL names a function
// that fails, on one rank where it ends in ":1"; FAKE_NCCL_HANG one that goes on for ever, as with a network that
// hangs.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <climits>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "cuda_runtime_api.h"
#include "test/reference/number_formats.h"

// Weak: `stateline doctor` opens this library where there is no shim.
cudaError_t cudaLaunchHostFunc(cudaStream_t, cudaHostFn_t, void*) __attribute__((weak));

#define EXPORT extern "C" __attribute__((visibility("default")))

struct World;
// Of one rank. Lives as long as an operation may: graphs keep theirs.
struct Member {
  std::shared_ptr<World> world;
  int rank;
  bool aborted = false;
  int error = 0;
  std::atomic<int> state{0};  // of the newest call
};
struct ncclComm {
  std::shared_ptr<Member> member;
  std::thread call;  // that goes on
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

  // False: the rank has been aborted.
  bool meet(const Member& own) {
    std::unique_lock lock(mutex);
    const int64_t before = round;
    if (++arrived == ranks) {
      arrived = 0;
      ++round;
      changed.notify_all();
    }
    changed.wait(lock, [&] { return round != before || own.aborted; });
    return !own.aborted;
  }
  void wait_for_abort(const Member& own) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return own.aborted; });
  }
};

namespace {

using namespace stateline::reference;

constexpr int kSuccess = 0, kInternalError = 3, kInvalidArgument = 4, kInProgress = 7;
constexpr int kBytes = 0, kF16 = 6, kF32 = 7;

struct Id {
  char bytes[128];
};
// As of 2.18.
struct Config {
  size_t size;
  unsigned magic, version;
  int blocking, cga, least_blocks, most_blocks;
  const char* network;
  int share;
};

std::mutex worlds_mutex;
std::map<std::string, std::weak_ptr<World>> worlds;
int64_t ids = 0;

struct Piece {
  bool sends;
  void* data;
  size_t bytes;
  int other;
};
struct Pieces {
  bool open = false;
  ncclComm* comm = nullptr;
  cudaStream_t stream = nullptr;
  std::vector<Piece> all;
};
thread_local Pieces pieces;

// "name" or "name:rank".
bool names(const char* variable, const char* name, int rank) {
  const char* value = std::getenv(variable);
  return value && (std::string(value) == name || std::string(value) == std::string(name) + ":" + std::to_string(rank));
}
bool fails(const char* name, const ncclComm* comm) { return names("FAKE_NCCL_FAIL", name, comm->member->rank); }

// Goes on with `call`, whose result is the communicator's state.
int go_on(ncclComm* comm, const char* name, std::function<int()> call) {
  if (comm->member->state == kInProgress) return kInvalidArgument;
  if (comm->call.joinable()) comm->call.join();
  comm->member->state = kInProgress;
  comm->call = std::thread([own = comm->member, hangs = names("FAKE_NCCL_HANG", name, comm->member->rank), call] {
    if (hangs) return own->world->wait_for_abort(*own);
    own->state = call();
  });
  return kInProgress;
}

// The operation is kept for ever: a graph may run it again.
int put(ncclComm* comm, const char* name, cudaStream_t stream, std::function<void()> operation) {
  return go_on(comm, name, [stream, operation = std::move(operation)] {
    std::this_thread::sleep_for(std::chrono::microseconds(200));
    auto* kept = new std::function<void()>(operation);
    const auto run = [](void* data) { (*static_cast<std::function<void()>*>(data))(); };
    return cudaLaunchHostFunc(stream, run, kept) == cudaSuccess ? kSuccess : 1;
  });
}

// NCCL puts what is called inside a group off until the group's end.
void outside_group(const char* name) {
  if (!pieces.open) return;
  std::fprintf(stderr, "%s inside a group\n", name);
  std::abort();
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

EXPORT int ncclCommInitRankConfig(ncclComm** comm, int ranks, Id id, int rank, const Config* config) {
  outside_group("ncclCommInitRankConfig");
  if (config->size != sizeof(Config) || config->magic != 0xcafebeef || config->version < 21803 ||
      config->blocking != 0 || config->cga != INT_MIN || config->least_blocks != INT_MIN ||
      config->most_blocks != INT_MIN || config->network || config->share != INT_MIN) {
    return kInvalidArgument;
  }
  std::shared_ptr<World> world;
  {
    const std::lock_guard lock(worlds_mutex);
    world = worlds[id.bytes].lock();
    if (!world) worlds[id.bytes] = world = std::make_shared<World>();
    world->ranks = ranks;
    world->messages.resize(ranks);
  }
  const auto own = std::make_shared<Member>();
  own->world = world;
  own->rank = rank;
  *comm = new ncclComm{own, {}};
  return go_on(*comm, "ncclCommInitRankConfig", [own, failed = fails("ncclCommInitRankConfig", *comm)] {
    if (failed) return kInternalError;
    return own->world->meet(*own) ? kSuccess : kInternalError;
  });
}
EXPORT int ncclCommDestroy(ncclComm* comm) {
  outside_group("ncclCommDestroy");
  if (comm->call.joinable()) comm->call.join();
  delete comm;
  return kSuccess;
}
// Its own operations end; those of other ranks wait on.
EXPORT int ncclCommAbort(ncclComm* comm) {
  World& world = *comm->member->world;
  {
    const std::lock_guard lock(world.mutex);
    comm->member->aborted = true;
    world.changed.notify_all();
  }
  return ncclCommDestroy(comm);
}
EXPORT int ncclCommGetAsyncError(ncclComm* comm, int* error) {
  *error = comm->member->state;
  if (*error != kSuccess) return kSuccess;
  const std::lock_guard lock(comm->member->world->mutex);
  *error = fails("ncclCommGetAsyncError", comm) ? kInternalError : comm->member->error;
  return kSuccess;
}

EXPORT int ncclAllReduce(const void* from, void* to, size_t count, int type, int, ncclComm* comm, cudaStream_t stream) {
  outside_group("ncclAllReduce");
  if (fails("ncclAllReduce", comm)) return kInternalError;
  return put(comm, "ncclAllReduce", stream, [=, own = comm->member] {
    World& world = *own->world;
    const char* data = static_cast<const char*>(from);
    world.messages[own->rank].assign(data, data + count * bytes_of(type));
    if (!world.meet(*own)) return;
    std::vector<char> total(world.messages[0]);
    for (int rank = 1; rank < world.ranks; ++rank) {
      for (size_t i = 0; i < count; ++i) {
        store(total.data(), i, type, value_at(total.data(), i, type) + value_at(world.messages[rank].data(), i, type));
      }
    }
    if (world.meet(*own)) std::copy(total.begin(), total.end(), static_cast<char*>(to));
  });
}

EXPORT int ncclBroadcast(const void* from, void* to, size_t count, int type, int root, ncclComm* comm,
                         cudaStream_t stream) {
  return put(comm, "ncclBroadcast", stream, [=, own = comm->member] {
    World& world = *own->world;
    const char* data = static_cast<const char*>(from);
    if (own->rank == root) world.messages[root].assign(data, data + count * bytes_of(type));
    if (!world.meet(*own)) return;
    std::copy_n(world.messages[root].begin(), count * bytes_of(type), static_cast<char*>(to));
    world.meet(*own);
  });
}

EXPORT int ncclSend(const void* from, size_t count, int type, int to, ncclComm* comm, cudaStream_t stream) {
  if (fails("ncclSend", comm)) return kInternalError;
  pieces.comm = comm;
  pieces.stream = stream;
  pieces.all.push_back({true, const_cast<void*>(from), count * bytes_of(type), to});
  return kSuccess;
}
EXPORT int ncclRecv(void* to, size_t count, int type, int from, ncclComm* comm, cudaStream_t stream) {
  pieces.comm = comm;
  pieces.stream = stream;
  pieces.all.push_back({false, to, count * bytes_of(type), from});
  return kSuccess;
}
EXPORT int ncclGroupStart() {
  pieces = {};
  pieces.open = true;
  return kSuccess;
}
// All sends first, as NCCL lets a group's pieces go side by side.
EXPORT int ncclGroupEnd() {
  pieces.open = false;
  if (pieces.all.empty()) return kSuccess;
  if (fails("ncclGroupEnd", pieces.comm)) return kInternalError;
  return put(pieces.comm, "ncclGroupEnd", pieces.stream, [own = pieces.comm->member, all = pieces.all] {
    World& world = *own->world;
    for (const Piece& piece : all) {
      if (!piece.sends) continue;
      const char* data = static_cast<const char*>(piece.data);
      const std::lock_guard lock(world.mutex);
      world.mail[{own->rank, piece.other}].emplace_back(data, data + piece.bytes);
      world.changed.notify_all();
    }
    for (const Piece& piece : all) {
      if (piece.sends) continue;
      std::unique_lock lock(world.mutex);
      auto& box = world.mail[{piece.other, own->rank}];
      world.changed.wait(lock, [&] { return !box.empty() || own->aborted; });
      if (own->aborted) return;
      if (box.front().size() != piece.bytes)
        own->error = kInvalidArgument;
      else
        std::copy(box.front().begin(), box.front().end(), static_cast<char*>(piece.data));
      box.pop_front();
    }
  });
}
