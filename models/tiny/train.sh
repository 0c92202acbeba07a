#!/bin/bash
# Trains the demonstration model anew: models/tiny/train.sh [FILE]
#
# FILE defaults to tiny-demo.gguf beside this script, which SHA256SUMS is then
# renewed for. About 25 minutes on a busy core. Needs g++ and libopenblas-dev.
#
#   STEPS=200 models/tiny/train.sh /tmp/short.gguf   short rounds, to try things
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
file=${1:-$here/tiny-demo.gguf}
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT

# One thread: the order of a sum must not depend on the scheduler, or the same
# machine would give another file each time.
export OPENBLAS_NUM_THREADS=1
# -Wno-restrict: g++ 12 warns wrongly about `"text" + std::string`.
g++ -std=c++20 -O3 -march=native -ffast-math -Wall -Wextra -Wno-restrict \
    "$here"/*.cpp -o "$build/train" -lopenblas
"$build/train" train "$build/first.gguf" --steps "${STEPS:-4800}"
# The second round sharpens what the first leaves blurred: copying names, paths
# and subjects to the last letter.
"$build/train" train "$build/second.gguf" --from "$build/first.gguf" \
    --steps "${STEPS:-1700}" --batch 16 --rate 1.2e-3 --seed 20260102
mv "$build/second.gguf" "$file"
if [[ $file = "$here/tiny-demo.gguf" ]]; then
  (cd "$here" && sha256sum tiny-demo.gguf | tee SHA256SUMS)
else
  sha256sum "$file"
fi
