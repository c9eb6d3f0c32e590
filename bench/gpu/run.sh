#!/bin/sh
# The check of a machine with a GPU: tests of every kernel, golden cases, then timed kernels, models and sums.
#   bench/gpu/run.sh             builds what is missing where it can, and runs; results: bench/results/<date>-<gpu>.json
#   bench/gpu/run.sh --prepare   builds only, where there is nvcc, CMake and Node: build/gpu/bin and build/gpu/plans can be
#                                carried to a GPU, beside this repository's files
#   bench/gpu/run.sh --dry-run   no GPU: the same parts on the CPU (native/test/simt), tiny shapes, kept in build/gpu-dry
#   ... --only PART,PART         those parts alone: ops, sanitizer, golden, kernels, peer, engine, sums, mamba-ssm, speed
#                                (all models) or one model as model-mamba-2.8b
#
# It is made of parts, the most telling first. Each has its time, and all together STATELINE_GPU_SECONDS (840, what a short
# loan of a GPU gives). One that fails or runs out of time is named in the result, the table and the exit status, and the
# others run; the result is written after each. STATELINE_GPU_RESULTS names another folder for it, STATELINE_GPU_PROGRAMS
# one for build/gpu or build/gpu-dry, where nothing is built. Running what was built needs neither Node nor CMake.
set -u
cd "$(dirname "$0")/../.." || exit 1
usage() {
  sed -n '2,8p' "$0"
  exit 2
}
mode='' only=''
while [ $# -gt 0 ]; do
  case $1 in
    --dry-run | --prepare) mode=$1 ;;
    --only) only=${2:-} && [ -n "$only" ] && shift || usage ;;
    *) usage ;;
  esac
  shift
done
seconds=${STATELINE_GPU_SECONDS:-840}
results=${STATELINE_GPU_RESULTS:-bench/results}
out=${STATELINE_GPU_PROGRAMS:-build/gpu} # with bin and plans
[ "$mode" != --dry-run ] || out=${STATELINE_GPU_PROGRAMS:-build/gpu-dry} seconds=36000
[ "$mode" != --dry-run ] || results=${STATELINE_GPU_RESULTS:-$out/results}
bin=$out/bin
plans=$out/plans
log=${STATELINE_GPU_RESULTS:-$out}/log
predictions=bench/results/gpu-predictions.json

programs="kernel_tests peer_tests engine_tests golden kernels sums speed"

build() {
  cmake -S . -B build/gpu -DSTATELINE_TESTS=ON -DSTATELINE_ADDON=OFF -DSTATELINE_CUDA=ON &&
    cmake --build build/gpu --parallel --target gpu_bench || exit 1
  mkdir -p "$bin"
  for program in $programs; do
    strip -o "$bin/$program" "$(find build/gpu/native -type f -name "gpu_$program")" || exit 1
  done
  node bench/gpu/plans.mjs "$plans" || exit 1
}

# The same names for the programs of the CPU, of whose tests `npm test` has run all.
build_dry() {
  cmake --preset release > /dev/null &&
    cmake --build build/cmake --parallel --target cuda_rows_tests cuda_peer_tests simt_engine_tests simt_bench \
      fake_nccl_WORKING > /dev/null || exit 1
  STATELINE_NCCL=$PWD/build/cmake/native/test/simt_nccl/libfake_nccl_WORKING.so
  export STATELINE_NCCL
  rm -rf "$out"
  mkdir -p "$bin"
  tests=$PWD/build/cmake/native/test
  ln -s "$tests/cuda/cuda_rows_tests" "$bin/kernel_tests"
  ln -s "$tests/cuda/cuda_peer_tests" "$bin/peer_tests"
  for program in engine_tests golden kernels sums speed; do
    ln -s "$tests/simt_engine/simt_$program" "$bin/$program"
  done
  # test/api/cuda.test.ts has more.
  node bench/gpu/plans.mjs "$plans" mamba-odd falcon-odd > /dev/null || exit 1
  find "$plans" -type f ! -name mamba-odd-2.plan ! -name falcon-odd-1.plan -delete
}

small=mamba-130m larger="mamba-2.8b falcon-mamba-7b zamba-7b"
[ "$mode" != --dry-run ] || small=tiny-mamba larger=tiny-zamba
names="ops sanitizer golden kernels model-$small peer engine sums $(printf 'model-%s ' $larger)mamba-ssm"
for part in $(printf %s "$only" | tr , ' '); do
  case " $names speed " in
    *" $part "*) ;;
    *) echo "there is no part $part; there are $(echo "$names" | sed 's/ /, /g') and, for all models, speed" >&2 && exit 2 ;;
  esac
done
chosen() {
  case ",$only," in
    ,, | *",$1,"*) return 0 ;;
    *,speed,*) [ "${1#model-}" != "$1" ] ;;
    *) return 1 ;;
  esac
}

case $mode in
  --dry-run) [ -n "${STATELINE_GPU_PROGRAMS:-}" ] || build_dry ;;
  --prepare) build && exit 0 ;;
  "") [ -x "$bin/speed" ] || build ;;
esac

# Text as JSON: of a word or of what programs print.
quoted() { printf '"%s"' "$(printf %s "$1" | tr -d '\000-\037' | sed 's/\\/\\\\/g; s/"/\\"/g')"; }
# The whole rows of what a program has printed so far, one a line.
rows() { cat "$@" 2> /dev/null | grep -o '^  {.*}' | paste -sd, -; }

result() {
  cat > "$log/result.json" << END
{"date": "$date", "machine": $(quoted "$machine"),
"parts": [$(paste -sd, "$log/parts")],
"kernels": [$(rows "$log/kernels.out")],
"sums": [$(rows "$log/sums.out")],
"models": [$(rows "$log"/model-*.out)],
"mambaSsm": [$(rows "$log/mamba-ssm.out")],
"predicted": $(cat "$predictions")}
END
  mv "$log/result.json" "$name.json"
}

# part NAME SECONDS COMMAND…
part() {
  part=$1 limit=$2
  chosen "$part" || return 0
  shift 2
  begin=$(date +%s)
  left=$((end - begin))
  [ "$limit" -le "$left" ] || limit=$left
  code=0 note=
  if [ "$limit" -le 0 ]; then
    status="no time left"
  elif [ "${1#*/}" = "$1" ] && ! command -v "$1" > /dev/null; then
    status="not here" note="there is no $1 on PATH"
  else
    echo "--- $part, at most $limit s"
    timeout -k 5 "$limit" "$@" > "$log/$part.out" 2> "$log/$part.err" || code=$?
    case $code in
      0) status=ok ;;
      77) status="not here" ;;
      124 | 137) status="out of time" ;;
      *) status=failed ;;
    esac
  fi
  # What it said last beside rows: of errors first.
  [ -n "$note" ] || note=$(cat "$log/$part.out" "$log/$part.err" 2> /dev/null | grep -v '^[][]*$\|^  {' | tail -n 1)
  case $status in ok | "not here") ;; *) failed="$failed $part" ;; esac
  printf '%s: %s\n' "$status" "$note"
  printf '{"part": "%s", "status": "%s", "seconds": %s, "note": %s}\n' "$part" "$status" $(($(date +%s) - begin)) \
    "$(quoted "$note")" >> "$log/parts"
  result
}

date=$(date +%Y-%m-%d)
end=$(($(date +%s) + seconds))
failed=
rm -rf "$log"
mkdir -p "$log" "$results"
: > "$log/parts"
if [ "$mode" = --dry-run ]; then
  slower=40 dry=--dry-run card=dry
  machine="SIMT runner, no GPU"
  predictions=$log/predictions.json
  node bench/gpu/predict.mjs --tiny > "$predictions"
  of_engine="refused on CUDA" # two of its tests
else
  slower=1 dry='' of_engine=''
  card=$(nvidia-smi --query-gpu=name --format=csv,noheader -i 0 2> /dev/null | tr 'A-Z ' 'a-z-')
  machine=$(nvidia-smi --query-gpu=name,driver_version,clocks.sm,clocks.mem,clocks.max.sm,clocks.max.mem,power.limit \
    --format=csv,noheader -i 0 2> /dev/null)
  [ -n "$card" ] || card=no-gpu machine="nvidia-smi names no GPU"
fi
name=$results/$date-$card

# $dry is one word or none.
# shellcheck disable=SC2086
{
  part ops $((60 * slower)) "$bin/kernel_tests"
  part sanitizer $((150 * slower)) compute-sanitizer --error-exitcode 1 "$bin/kernel_tests"
  part golden $((120 * slower)) "$bin/golden" "$plans"/*.plan
  part kernels $((60 * slower)) "$bin/kernels" $dry
  part "model-$small" $((60 * slower)) "$bin/speed" $dry --trace "$name.trace.json" "$small"
  part peer $((30 * slower)) "$bin/peer_tests"
  part engine $((90 * slower)) "$bin/engine_tests" "$of_engine"
  part sums $((60 * slower)) "$bin/sums" $dry
  for model in $larger; do
    part "model-$model" $((90 * slower)) "$bin/speed" $dry "$model"
  done
  part mamba-ssm $((60 * slower)) python3 bench/gpu/mamba_ssm.py $dry
}

strict=
if [ -n "$dry" ]; then
  [ -n "$only" ] || strict=--strict
  node bench/gpu/predict.mjs --check || failed="$failed predictions"
  rm -rf "$out/runs"
  ! chosen "model-$small" || node dist/kernel/cli/main.js import "$name.trace.json" --runs "$out/runs" > /dev/null ||
    failed="$failed import"
fi
if command -v node > /dev/null; then
  node bench/gpu/table.mjs $strict "$name.json" > "$name.md" || failed="$failed table"
  [ -n "$dry" ] || cat "$name.md"
else
  echo "$name.json has the result; where there is Node, \`node bench/gpu/table.mjs $name.json\` makes its tables"
fi
if [ -n "$failed" ]; then
  echo "these parts did not end well:$failed"
  exit 1
fi
