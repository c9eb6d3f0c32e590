// The cores this process may keep busy.
#pragma once

#include <filesystem>
#include <string_view>

namespace stateline {

// Those the scheduler lets it run on, or fewer where a control group limits its share of time, as container engines do
// (`docker run --cpus`, Kubernetes' limits): threads beyond that are all stopped at once for most of each period.
int usable_cores();

// Cores' worth of time allowed by the control groups named in the text of /proc/self/cgroup, versions 1 and 2, each
// with its parents; 0: no limit. Source: Linux, Documentation/admin-guide/cgroup-v2.rst (cpu.max) and
// scheduler/sched-bwc.rst (cpu.cfs_quota_us).
double cgroup_cores(std::string_view membership, const std::filesystem::path& mounts = "/sys/fs/cgroup");

}  // namespace stateline
