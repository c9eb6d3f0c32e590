#!/bin/sh
# The check of a machine with a GPU: every kernel's tests on the device, alone and under compute-sanitizer, the engine's
# tests, the golden cases of all families on 1, 2 and 4 ranks, then kernels, AllReduce and models timed, and a recorded
# run kept.
#   bench/gpu/run.sh             builds what is missing and runs; results: bench/results/<date>-<gpu>.json and a trace
#   bench/gpu/run.sh --prepare   builds only, where there is nvcc, CMake and Node: build/gpu can be carried to a GPU
#   bench/gpu/run.sh --dry-run   no GPU: kernels run on the CPU (native/test/simt), tiny shapes, nothing kept
set -eu
cd "$(dirname "$0")/../.."
out=build/gpu
plans=$out/plans
mkdir -p "$out"

if [ "${1:-}" = --dry-run ]; then
  cmake -S . -B build/release -DSTATELINE_TESTS=ON -DSTATELINE_ADDON=OFF > /dev/null
  cmake --build build/release --parallel --target simt_bench fake_nccl_WORKING > /dev/null
  STATELINE_NCCL=$PWD/build/release/native/test/simt_nccl/libfake_nccl_WORKING.so
  export STATELINE_NCCL
  bin=build/release/native/test/simt_engine/simt
  rm -rf "$plans"
  node bench/gpu/plans.mjs "$plans"
  "${bin}_golden" "$plans/mamba-odd-2.plan" "$plans/falcon-odd-1.plan"  # test/api/cuda.test.ts has more
  dry=--dry-run
  machine='"SIMT runner, no GPU"'
else
  bin=$out/native/test/simt_engine/gpu
  tests=$out/native/test/cuda
  if [ ! -x "${bin}_speed" ] || [ "${1:-}" = --prepare ]; then
    cmake -S . -B "$out" -DSTATELINE_TESTS=ON -DSTATELINE_ADDON=OFF -DSTATELINE_CUDA=ON
    cmake --build "$out" --parallel --target gpu_bench
  fi
  if command -v node > /dev/null; then node bench/gpu/plans.mjs "$plans"; fi
  [ "${1:-}" != --prepare ] || exit 0

  "$tests/gpu_kernel_tests"
  timeout 300 "$tests/gpu_peer_tests"
  if command -v compute-sanitizer > /dev/null; then
    compute-sanitizer --error-exitcode 1 "$tests/gpu_kernel_tests"
  else
    echo "compute-sanitizer is not here: memory accesses were not checked"
  fi
  "${bin}_engine_tests"
  "${bin}_golden" "$plans"/*.plan
  dry=
  card=$(nvidia-smi --query-gpu=name --format=csv,noheader -i 0 | tr 'A-Z ' 'a-z-')
  machine="\"$(nvidia-smi --query-gpu=name,driver_version,clocks.sm,clocks.mem,clocks.max.sm,clocks.max.mem,power.limit \
    --format=csv,noheader -i 0)\""
fi

# $dry is one word or none.
# shellcheck disable=SC2086
"${bin}_kernels" $dry > "$out/kernels.json"
# shellcheck disable=SC2086
"${bin}_sums" $dry > "$out/sums.json"
# shellcheck disable=SC2086
"${bin}_speed" $dry --trace "$out/trace.json" > "$out/speed.json"
peers=null
if python3 bench/gpu/mamba_ssm.py $dry > "$out/mamba-ssm.json" 2> "$out/mamba-ssm.txt"; then
  peers=$(cat "$out/mamba-ssm.json")
else
  echo "mamba-ssm and causal-conv1d were not compared: $(tail -n 1 "$out/mamba-ssm.txt")"
fi
{
  echo "{\"date\": \"$(date +%Y-%m-%d)\", \"machine\": $machine,"
  echo "\"kernels\": $(cat "$out/kernels.json"),"
  echo "\"sums\": $(cat "$out/sums.json"),"
  echo "\"models\": $(cat "$out/speed.json"),"
  echo "\"mambaSsm\": $peers}"
} > "$out/result.json"
if [ -n "$dry" ]; then
  node -e 'for (const file of process.argv.slice(1)) JSON.parse(require("fs").readFileSync(file, "utf8"))' \
    "$out/result.json"
  node bench/gpu/table.mjs "$out/result.json" > "$out/result.md"
  rm -rf "$out/runs"
  node dist/kernel/cli/main.js import "$out/trace.json" --runs "$out/runs" > /dev/null
  echo "the GPU check runs; its figures here mean nothing"
  exit 0
fi
name="bench/results/$(date +%Y-%m-%d)-$card"
cp "$out/result.json" "$name.json"
cp "$out/trace.json" "$name.trace.json"
if command -v node > /dev/null; then
  node bench/gpu/table.mjs "$name.json" | tee "$name.md"
else
  cat "$name.json"
fi
