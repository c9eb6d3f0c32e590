#include "comm/cores.h"

#include <cstdlib>
#include <fstream>

#include "test/check.h"

namespace stateline::test {
namespace {

namespace fs = std::filesystem;

// A file system of control groups, gone at the end.
class Groups {
 public:
  Groups() {
    std::string name = (fs::temp_directory_path() / "stateline-cgroup-XXXXXX").string();
    root_ = ::mkdtemp(name.data());
  }
  ~Groups() { fs::remove_all(root_); }

  void write(const char* file, const char* text) const {
    fs::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file) << text;
  }
  const fs::path& root() const { return root_; }

 private:
  fs::path root_;
};

}  // namespace

TEST("a container's share of time counts as cores, in control groups of both versions") {
  const Groups two;
  two.write("cpu.max", "150000 100000\n");
  CHECK_EQUAL(cgroup_cores("0::/\n", two.root()), 1.5);
  CHECK_EQUAL(cgroup_cores("0::/docker/of-the-host\n", two.root()), 1.5);

  const Groups one;
  one.write("cpu/cpu.cfs_quota_us", "300000\n");
  one.write("cpu/cpu.cfs_period_us", "100000\n");
  CHECK_EQUAL(cgroup_cores("3:cpuset:/\n2:cpu,cpuacct:/\n", one.root()), 3.0);
  CHECK_EQUAL(cgroup_cores("3:cpuset:/\n2:cpuacct:/\n", one.root()), 0.0);
}

TEST("the narrowest limit of a group and its parents holds") {
  const Groups groups;
  groups.write("cpu.max", "max 100000\n");
  groups.write("pods/cpu.max", "200000 100000\n");
  groups.write("pods/one/cpu.max", "max 100000\n");
  groups.write("pods/two/cpu.max", "50000 100000\n");
  CHECK_EQUAL(cgroup_cores("0::/pods/one\n", groups.root()), 2.0);
  CHECK_EQUAL(cgroup_cores("0::/pods/two\n", groups.root()), 0.5);
}

TEST("no limit, no control groups and text that is none limit nothing") {
  const Groups groups;
  for (const char* membership : {"0::/\n", "", "no colons\n", "1:cpu\n", ":::", "0::"}) {
    CHECK_EQUAL(cgroup_cores(membership, groups.root()), 0.0);
  }
  groups.write("cpu.max", "");
  CHECK_EQUAL(cgroup_cores("0::/\n", groups.root()), 0.0);
  groups.write("cpu/cpu.cfs_quota_us", "-1\n");
  groups.write("cpu/cpu.cfs_period_us", "100000\n");
  CHECK_EQUAL(cgroup_cores("1:cpu:/\n", groups.root()), 0.0);
  CHECK(usable_cores() >= 1);
}

}  // namespace stateline::test
