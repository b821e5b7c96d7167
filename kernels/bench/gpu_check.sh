#!/usr/bin/env bash
# Everything that a machine with a GPU can tell, in under ten minutes, from a bare copy of the tree:
#   kernels/bench/gpu_check.sh               build, tests, compute-sanitizer, bench, ZINC epochs with a resume
#   kernels/bench/gpu_check.sh --rehearse    the same on the CPU, short, up to what only a GPU can do
# It needs python3 with torch for CUDA, nvcc of torch's CUDA, and no network. What may be missing is brought along:
#   wheels    pip wheel --no-deps -w .whl hydra-core==1.3.8 omegaconf==2.3.1 antlr4-python3-runtime==4.9.3
#   ZINC      .mirror/ZINC/raw/*, or GNNLAB_MIRROR; random molecules take its place
# In $OUT (gpu_check): summary.txt, which is also what it prints, log.txt, tables.md, bench.tar.gz (figures, JSON),
# metrics.csv, timing.csv, checkpoint.pt.
set -uo pipefail
cd "$(dirname "$0")/../.."

OUT="${OUT:-gpu_check}"
PYTHON="${PYTHON:-python3}"
DEVICE=cuda BENCH=(--device cuda --seconds 0.3)
[ "${1:-}" = --rehearse ] && DEVICE=cpu BENCH=(--quick --seconds 0.3)
TOTAL="${TOTAL:-570}" TRAINING="${TRAINING:-150}"  # seconds: in all, and kept for training
WORK="$(mktemp -d)"
LOG="$OUT/log.txt" SUMMARY="$OUT/summary.txt"
mkdir -p "$OUT"
: > "$LOG"
: > "$SUMMARY"

note() { tee -a "$SUMMARY"; }
say() { echo "$*" | note; }
left() { echo $((TOTAL - TRAINING - SECONDS)); }

# step NAME SECONDS COMMAND…: run it, all that it says into the log; how it ended and how long it took into the summary.
step() {
  local name=$1 limit=$2 start=$SECONDS code
  shift 2
  [ "$(left)" -lt "$limit" ] && limit=$(left)
  if [ "$limit" -lt 5 ]; then say "$name: no time left"; return; fi
  echo "===== $name: $*" >> "$LOG"
  timeout -k 20 "$limit" "$@" >> "$LOG" 2>&1
  code=$?
  say "$name: exit $code after $((SECONDS - start)) s$([ $code = 124 ] && echo ", stopped at its limit")"
}

if ls .whl/*.whl > /dev/null 2>&1 && ! "$PYTHON" -c "import hydra" 2> /dev/null; then
  "$PYTHON" -m pip install -q --no-index --no-deps --no-compile --target $WORK/site .whl/*.whl
  export PYTHONPATH="$WORK/site${PYTHONPATH:+:$PYTHONPATH}"
fi
[ -z "${GNNLAB_MIRROR:-}" ] && [ -d .mirror ] && export GNNLAB_MIRROR="$PWD/.mirror"
export PYTHONUNBUFFERED=1 CUBLAS_WORKSPACE_CONFIG=:4096:8 GNNLAB_TEST_DEVICE=$DEVICE
export XDG_CACHE_HOME="${XDG_CACHE_HOME:-/tmp/gnnlab-cache}"

step machine 30 sh -c 'nvidia-smi; nvcc --version; uname -a; nproc; '"$PYTHON"' -c "import torch; print(torch.__version__, torch.cuda.is_available())"'
step build 240 "$PYTHON" -m gnnlab.ops build
step report 30 "$PYTHON" -m gnnlab.ops report
"$PYTHON" -m gnnlab.ops report 2> /dev/null | note

workers=$(($(nproc) < 6 ? $(nproc) : 6))
files=$(grep -rlE "check_everything|mark\.gpu" tests --include="test_*.py")  # what runs on the device
OMP_NUM_THREADS=1 step tests 150 "$PYTHON" -m pytest -vv -n "$workers" -p no:cacheprovider $files
grep -E "(FAILED|ERROR) tests/|[0-9] (passed|failed)" "$LOG" | tail -40 | note

if [ $DEVICE = cuda ]; then
  export PYTORCH_NO_CUDA_MEMORY_CACHING=1  # every tensor its own allocation: beyond its end is out of bounds
  step "compute-sanitizer memcheck" 120 compute-sanitizer --tool memcheck "$PYTHON" -m tests.ops.small_cases
  step "compute-sanitizer racecheck" 60 compute-sanitizer --tool racecheck "$PYTHON" -m tests.ops.small_cases
  unset PYTORCH_NO_CUDA_MEMORY_CACHING
  grep -E "ERROR SUMMARY|RACECHECK SUMMARY|Invalid|hazard|, FAILED$" "$LOG" | sort | uniq -c | head -20 | note
else
  step "small cases, without compute-sanitizer" 120 "$PYTHON" -m tests.ops.small_cases
fi

families=(models attention edges segment scan dense)
step bench 200 "$PYTHON" -m kernels.bench "${BENCH[@]}" "${families[@]/#/--only=}" --out "$WORK/bench"
cat "$WORK"/bench/*/*.md > "$OUT/tables.md"
tar -czf "$OUT/bench.tar.gz" -C "$WORK" bench

data=(dataset=zinc)
if [ ! -d "${GNNLAB_MIRROR:-/nowhere}/ZINC" ]; then
  data=(--config-dir kernels/bench/conf dataset=molecules preset=gps_zinc "allow=[kernels]")
fi
train() {
  step "$1" "$2" "$PYTHON" train.py model=gps "${data[@]}" "trainer.device=$DEVICE" resume=auto "out=$WORK/runs" \
    "data.root=$WORK/data" trainer.max_epochs=2000 logger=[csv] trainer.checkpoint_every=10
}
TRAINING=10
train "ZINC, first life" $(($(left) / 2))
train "ZINC, resumed" "$(left)"
cp "$WORK"/runs/*/*/{metrics.csv,timing.csv,checkpoint.pt} "$OUT"
tail -n 3 "$OUT"/{metrics,timing}.csv | note
rm -rf "$WORK"
say "all: $SECONDS s"
