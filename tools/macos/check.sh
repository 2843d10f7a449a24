#!/usr/bin/env bash
# Type-checks, lints and links the workspace for aarch64-apple-darwin on a system that has no Apple tools, and runs the
# tests of the kernels, of Accelerate's wrapper and of the Apple engine as arm64 Linux programs under emulation. What is
# not there is skipped, and said. From nothing it takes a quarter of an hour on two cores, a minute of it for tests.
#   tools/macos/check.sh SHARED    SHARED has build-std.sh, mksdk.py and Rust's library sources
# Built libraries and tools are kept in target/macos.
set -euo pipefail
cd "$(dirname "$0")/../.."
shared=$(cd "$1" && pwd)
keep=${CARGO_TARGET_DIR:-target}/macos
mkdir -p "$keep"
keep=$(cd "$keep" && pwd)
release=$(rustc --version | cut -d' ' -f2)

skip() {
  echo "skipped: $1"
}

# Rust's own libraries for a target, built once for each compiler. With the ordinary target folder: cargo would leave
# them there otherwise.
std() {
  local out=$keep/std-$release-$1
  if [ ! -e "$out/complete" ]; then
    env -u CARGO_TARGET_DIR bash "$shared/build-std.sh" "$out" "$1"
    touch "$out/complete"
  fi
}

darwin() {
  local python=$keep/python/bin/python
  if [ ! -x "$python" ] || ! "$python" -c "import ziglang" 2>/dev/null; then
    if ! python3 -m venv "$keep/python" || ! "$python" -m pip install --quiet "ziglang==0.17.1"; then
      skip "aarch64-apple-darwin (no ziglang from PyPI)"
      return
    fi
  fi
  std aarch64-apple-darwin
  printf '#!/bin/sh\nexec "%s" "%s" "$@"\n' "$python" "$PWD/tools/macos/zig-cc.py" >"$keep/cc"
  printf '#!/bin/sh\nexec "%s" -m ziglang ar "$@"\n' "$python" >"$keep/ar"
  chmod +x "$keep/cc" "$keep/ar"
  rm -rf "$keep/sdk"
  (
    export ENGRAD_SDK=$keep/sdk ENGRAD_MKSDK=$shared/mksdk.py
    export CC_aarch64_apple_darwin=$keep/cc AR_aarch64_apple_darwin=$keep/ar
    export CARGO_TARGET_AARCH64_APPLE_DARWIN_LINKER=$keep/cc
    export CARGO_TARGET_AARCH64_APPLE_DARWIN_RUSTFLAGS="--sysroot=$keep/std-$release-aarch64-apple-darwin"
    cargo clippy --workspace --all-targets --target aarch64-apple-darwin -- -D warnings
    cargo build --workspace --target aarch64-apple-darwin
  )
}

arm64() {
  if ! command -v aarch64-linux-gnu-gcc >/dev/null || ! command -v qemu-aarch64-static >/dev/null; then
    skip "arm64 tests under emulation (no gcc-aarch64-linux-gnu, libc6-dev-arm64-cross or qemu-user-static)"
    return
  fi
  std aarch64-unknown-linux-gnu
  (
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64-static -cpu max -L /usr/aarch64-linux-gnu"
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS="--sysroot=$keep/std-$release-aarch64-unknown-linux-gnu"
    # Emulated vectors are some hundred times slower than the processor's: a tenth of the usual cases.
    export PROPTEST_CASES=20
    # Without documentation examples, which would need the flags too; there are none.
    cargo test --package engrad-kernels --package engrad-accelerate --package engrad-apple --lib --tests \
      --target aarch64-unknown-linux-gnu
  )
}

darwin
arm64
