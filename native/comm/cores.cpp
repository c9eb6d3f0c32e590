#include "comm/cores.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>

namespace stateline {
namespace {

namespace fs = std::filesystem;

constexpr double kUnlimited = 0;

double narrower(double a, double b) { return a == kUnlimited || (b != kUnlimited && b < a) ? b : a; }

// "max 100000", or a quota and its period.
double unified_limit(const fs::path& group) {
  double quota = 0, period = 0;
  return std::ifstream(group / "cpu.max") >> quota >> period && period > 0 ? quota / period : kUnlimited;
}

// A quota of -1 is none.
double legacy_limit(const fs::path& group) {
  double quota = 0, period = 0;
  std::ifstream(group / "cpu.cfs_quota_us") >> quota;
  std::ifstream(group / "cpu.cfs_period_us") >> period;
  return quota > 0 && period > 0 ? quota / period : kUnlimited;
}

// Inside a container the mount shows its own group as root while the name may be the host's: what is not there limits
// nothing.
template <class Limit>
double narrowest(const fs::path& mount, fs::path group, Limit limit) {
  double cores = limit(mount);
  for (; group.has_relative_path(); group = group.parent_path()) {
    cores = narrower(cores, limit(mount / group.relative_path()));
  }
  return cores;
}

bool names_cpu(std::string_view controllers) {
  while (!controllers.empty()) {
    const size_t comma = std::min(controllers.find(','), controllers.size());
    if (controllers.substr(0, comma) == "cpu") return true;
    controllers.remove_prefix(std::min(comma + 1, controllers.size()));
  }
  return false;
}

}  // namespace

double cgroup_cores(std::string_view membership, const fs::path& mounts) {
  double cores = kUnlimited;
  while (!membership.empty()) {
    const size_t end = std::min(membership.find('\n'), membership.size());
    const std::string_view line = membership.substr(0, end);  // hierarchy:controllers:group
    membership.remove_prefix(std::min(end + 1, membership.size()));
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == line.npos || second == line.npos) continue;
    const std::string_view controllers = line.substr(first + 1, second - first - 1);
    const fs::path group = line.substr(second + 1);
    if (controllers.empty()) cores = narrower(cores, narrowest(mounts, group, unified_limit));
    if (names_cpu(controllers)) cores = narrower(cores, narrowest(mounts / "cpu", group, legacy_limit));
  }
  return cores;
}

int usable_cores() {
  static const int cores = [] {
    const int scheduled = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
    std::ifstream file("/proc/self/cgroup");
    const std::string membership((std::istreambuf_iterator<char>(file)), {});
    const double allowed = cgroup_cores(membership);
    return allowed == kUnlimited ? scheduled : std::clamp(static_cast<int>(allowed), 1, scheduled);
  }();
  return cores;
}

}  // namespace stateline
