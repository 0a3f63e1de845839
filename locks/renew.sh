#!/bin/sh
# Writes locks/*.txt anew from requirements*.txt: the newest releases within the ranges, with the
# hashes of every file that the index has of each. `make lock` runs it.
#
# dev comes first, and the others take its versions: all of them go into one environment. torch,
# torchvision and the CUDA libraries that torch asks for stay outside; docs/security.md says why.
set -eu
cd "$(dirname "$0")/.."
tools=${TOOLS:-.venv-lock}
[ -x "$tools/bin/uv" ] || {
    "${PYTHON:-python3.11}" -m venv "$tools"
    "$tools/bin/python" -m pip install --quiet uv==0.13.9
}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

compile() { # REQUIREMENTS LOCK FLAGS…
    echo "Locking $1 into $2 …"
    from=$1 to=$2
    shift 2
    "$tools/bin/uv" pip compile --quiet --universal --python-version=3.11 --generate-hashes \
        --no-header --no-annotate --no-emit-index-url --no-emit-find-links \
        --no-emit-package=torch --no-emit-package=torchvision \
        --output-file="$scratch/lock.txt" "$@" "$from" >/dev/null
    cp "$scratch/lock.txt" "$to"
    rm "$scratch/lock.txt"
}

without_cuda() { # LOCK
    awk '/^[a-z]/ {kept = $0 !~ /^(nvidia-|cuda-|triton==)/} kept' "$1" >"$scratch/kept.txt"
    cp "$scratch/kept.txt" "$1"
}

# uv overlooks that from 1.3 on it is for Python before 3.11, and pip then finds no such release.
echo 'backports-strenum<1.3' >"$scratch/limits.txt"
compile requirements-dev.txt locks/dev.txt --constraints="$scratch/limits.txt"
without_cuda locks/dev.txt
compile requirements.txt locks/cpu.txt --constraints=locks/dev.txt
compile requirements-conversion.txt locks/conversion.txt --constraints=locks/dev.txt
without_cuda locks/conversion.txt
compile requirements-cuda.txt locks/cuda.txt --constraints=locks/dev.txt
