#!/bin/sh
# Installs a locked set of packages into .venv: install.sh LOCKFILE
# Without an NVIDIA GPU, torch's small CPU build is installed from the PyTorch index if it is reachable;
# its digests are the index's, not those of the lock. Otherwise everything is installed as locked.
set -eu
lock=$1
uv=.venv/bin/uv
version() { sed -n "s/^$1==\([^ ]*\).*/\1/p" "$lock"; }

# The lock without torch and the CUDA packages that only its GPU build needs.
without_torch() {
  awk '/^[A-Za-z]/ { keep = ($0 !~ /^(torch|torchvision|triton|nvidia-[a-z0-9-]+|cuda-[a-z-]+)==/) } keep' "$lock"
}

cpu_build() {
  [ -n "$(version torch)" ] || return 1
  [ "$(uname -s)" = Linux ] && ! command -v nvidia-smi >/dev/null 2>&1 || return 1
  echo "  no NVIDIA GPU: trying torch's CPU build"
  UV_HTTP_TIMEOUT=10 "$uv" pip install --quiet --torch-backend cpu --no-deps \
    "torch==$(version torch)" "torchvision==$(version torchvision)" 2>/dev/null || {
    echo "  not reachable: installing PyPI's build, which is larger and also runs on the CPU"
    return 1
  }
}

export VIRTUAL_ENV="$PWD/.venv" UV_COMPILE_BYTECODE=1
# A mirror that pip knows; uv does not read pip's settings.
index=$(.venv/bin/python -m pip config list 2>/dev/null |
  sed -nE "s/^(global|:env:)\.index-url='(.*)'$/\2/p" | head -n 1)
[ -z "$index" ] || export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$index}"
has_torch() { "$uv" pip show --quiet torch >/dev/null 2>&1; }
if has_torch || cpu_build; then
  if "$uv" pip freeze | grep -q '^torch==.*+cpu'; then
    without_torch >build/lock.txt
    "$uv" pip install --quiet --no-deps --require-hashes -r build/lock.txt
  else
    "$uv" pip install --quiet --require-hashes -r "$lock"
  fi
else
  "$uv" pip install --require-hashes -r "$lock"
fi
"$uv" pip install --quiet --no-deps --no-build-isolation -e .
