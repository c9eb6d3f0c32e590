#include "test/comm/ranks.h"

#include <algorithm>
#include <thread>

namespace stateline::test {

Ranks::Ranks(InProcessOptions options) : group_(options) {
  for (int rank = 0; rank < options.ranks; ++rank) {
    recorders_.push_back(std::make_unique<Recorder>());
    communicators_.push_back(group_.join(rank, *recorders_.back()));
  }
}

std::vector<std::string> Ranks::run(const std::function<void(Communicator&)>& body) {
  std::vector<std::string> codes(communicators_.size());
  std::vector<std::thread> threads;
  for (size_t rank = 0; rank < communicators_.size(); ++rank) {
    threads.emplace_back([&, rank] {
      try {
        body(*communicators_[rank]);
      } catch (const Error& error) {
        codes[rank] = error.code;
        communicators_[rank]->abort(std::current_exception());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return codes;
}

bool all_done(const std::vector<std::string>& codes) {
  return std::ranges::all_of(codes, [](const std::string& code) { return code.empty(); });
}

}  // namespace stateline::test
