#!/bin/sh
# The check of a machine with a GPU: the engine's CUDA tests under compute-sanitizer and alone, then speed.
# Needs nvcc, CMake and a C++20 compiler; no Node, no network. Results: bench/results/<date>-<gpu>.json.
#   bench/gpu/run.sh             builds and runs
#   bench/gpu/run.sh --dry-run   no GPU: kernels run on the CPU (native/test/simt), a tiny shape, nothing kept
set -eu
cd "$(dirname "$0")/../.."
out=build/gpu
if [ "${1:-}" = --dry-run ]; then
  cmake -S . -B build/release -DSTATELINE_TESTS=ON -DSTATELINE_ADDON=OFF > /dev/null
  cmake --build build/release --parallel --target simt_speed > /dev/null
  exec build/release/native/test/simt_engine/simt_speed --dry-run
fi

cmake -S . -B "$out" -DSTATELINE_TESTS=ON -DSTATELINE_ADDON=OFF -DSTATELINE_CUDA=ON
cmake --build "$out" --parallel --target gpu_engine_tests gpu_speed
bin="$out/native/test/simt_engine"

"$bin/gpu_engine_tests"
if command -v compute-sanitizer > /dev/null; then
  compute-sanitizer --error-exitcode 1 "$bin/gpu_engine_tests" "logits on CUDA"
else
  echo "compute-sanitizer is not here: memory accesses were not checked"
fi

card=$(nvidia-smi --query-gpu=name --format=csv,noheader -i 0 | tr 'A-Z ' 'a-z-')
file="bench/results/$(date +%Y-%m-%d)-$card.json"
nvidia-smi --query-gpu=name,driver_version,clocks.sm,clocks.mem,power.limit --format=csv -i 0
"$bin/gpu_speed" > "$file"
cat "$file"
