#include "comm/communicator.h"

namespace stateline {
namespace {

std::string list(const std::vector<int>& ranks) {
  std::string text;
  for (const int rank : ranks) text += (text.empty() ? "" : ", ") + std::to_string(rank);
  return text;
}

}  // namespace

CollectiveTimeout::CollectiveTimeout(int rank, int64_t timeout_ms, const std::vector<int>& missing)
    : Error("E_COLLECTIVE_TIMEOUT",
            "rank " + std::to_string(rank) + " waited " + std::to_string(timeout_ms) +
                " ms in a collective for ranks that did not come: " + list(missing) +
                "; load the model again, with a longer collectiveTimeoutMs if they were only slow",
            {{"rank", std::to_string(rank)}, {"missing", list(missing)}, {"timeoutMs", std::to_string(timeout_ms)}}) {}

}  // namespace stateline
