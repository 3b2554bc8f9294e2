#!/bin/sh
# Installs libtorch where `cargo build` looks for it, unless it is there already.
#
#     scripts/libtorch.sh [auto|cpu|cuda]     auto: cuda where there is an NVIDIA driver
#
# PyTorch's wheel is libtorch: it is unpacked by pip into .libtorch, beside Cargo.toml, and nothing
# of it is ever run by Python. A libtorch of the user's own (LIBTORCH, LIBTORCH_USE_PYTORCH=1) is
# checked and left alone.
set -eu

TORCH=2.13.0
# The two of PyTorch's CUDA packages that libtorch's CPU half is linked to.
RUNTIME="nvidia-cuda-runtime==13.0.96 nvidia-cuda-cupti==13.0.85"
# The wheel's libraries are the same for every Python; this one exists for every platform.
WHEEL_PYTHON=3.11
CPU_MIB=2500
CUDA_MIB=12000

say() { printf 'libtorch: %s\n' "$*"; }
fail() {
    printf 'libtorch: %s\n' "$*" >&2
    exit 1
}
has() { command -v "$1" >/dev/null 2>&1; }

check_version() { # version, where it was found
    case $1 in
    "$TORCH" | "$TORCH"+*) ;;
    *) fail "$2 is version ${1:-unknown}, but gradcam needs $TORCH; install that version, or unset the variable to let \`make setup\` install it." ;;
    esac
}

cd "$(dirname "$0")/.."
wanted=${1:-auto}
case $wanted in
auto)
    wanted=cpu
    if [ -e /proc/driver/nvidia/version ] || { has nvidia-smi && nvidia-smi -L >/dev/null 2>&1; }; then
        wanted=cuda
    fi
    ;;
cpu | cuda) ;;
*) fail "expected auto, cpu or cuda, not '$wanted'." ;;
esac

has cargo || fail "cargo is missing; install Rust from https://rustup.rs and run this again."
compiler=${CXX:-c++}
has "${compiler%% *}" ||
    fail "the C++ compiler '$compiler' is missing; install one (Debian: sudo apt install g++; Fedora: sudo dnf install gcc-c++)."

if [ -n "${LIBTORCH_USE_PYTORCH:-}" ]; then
    has python3 || fail "LIBTORCH_USE_PYTORCH is set, but python3 is missing; install it or unset the variable."
    version=$(python3 -c 'import torch; print(torch.__version__)' 2>/dev/null) ||
        fail "LIBTORCH_USE_PYTORCH is set, but python3 cannot import torch; activate the environment that has it or unset the variable."
    check_version "$version" "the PyTorch of python3"
    say "using the PyTorch of python3 (LIBTORCH_USE_PYTORCH)"
    exit 0
fi
if [ -n "${LIBTORCH:-}" ] && [ "$LIBTORCH" != "$PWD/.libtorch/torch" ]; then
    [ -e "$LIBTORCH/lib/libtorch_cpu.so" ] ||
        fail "LIBTORCH=$LIBTORCH has no lib/libtorch_cpu.so; point it to a libtorch folder or unset it."
    if [ -e "$LIBTORCH/build-version" ]; then
        version=$(cat "$LIBTORCH/build-version")
    else
        version=$(sed -n "s/^__version__ = '\(.*\)'.*/\1/p" "$LIBTORCH/version.py" 2>/dev/null || true)
    fi
    check_version "$version" "LIBTORCH=$LIBTORCH"
    say "using $LIBTORCH (LIBTORCH)"
    exit 0
fi

# Written last: a folder with it is complete. A CUDA one serves the CPU as well.
stamp=.libtorch/installed
for kind in $wanted cuda; do
    if [ "$(cat $stamp 2>/dev/null || true)" = "$TORCH $kind" ]; then
        exit 0
    fi
done

system="$(uname -s) $(uname -m)"
case $system in
"Linux x86_64" | "Linux aarch64") ;;
*) fail "there is no libtorch for $system here; install libtorch $TORCH yourself and set LIBTORCH to its folder." ;;
esac
has python3 || fail "python3 is missing; install it with pip (Debian: sudo apt install python3-pip)."
python3 -m pip --version >/dev/null 2>&1 ||
    fail "pip is missing; install it (Debian: sudo apt install python3-pip; others: python3 -m ensurepip)."

packages="torch==$TORCH"
if [ "$wanted" = cpu ]; then
    needed=$CPU_MIB
    packages="--no-deps $packages $RUNTIME"
else
    needed=$CUDA_MIB
fi
free=$(df -Pk . | awk 'NR == 2 { print int($4 / 1024) }')
[ "$free" -ge "$needed" ] ||
    fail "$free MiB are free here, but libtorch for $wanted needs $needed MiB while it is installed; make room and run this again."

# Everything on this disk, pip's temporary files too: /tmp is small on some machines.
partial=.libtorch.partial
rm -rf $partial
mkdir -p $partial/tmp
say "installing version $TORCH for $wanted into .libtorch; up to $needed MiB, once"
quiet="--quiet --progress-bar off"
[ -t 1 ] && quiet= # a person watches the download
# shellcheck disable=SC2086 # options and packages are words
TMPDIR=$PWD/$partial/tmp python3 -m pip install --target $partial/libtorch --only-binary=:all: --python-version $WHEEL_PYTHON \
    $quiet --disable-pip-version-check --no-warn-conflicts $packages ||
    fail "pip could not install $packages (its message is above); check the network (HTTPS_PROXY, PIP_INDEX_URL) and run this again, nothing half-done is used."
[ -e $partial/libtorch/torch/lib/libtorch_cpu.so ] ||
    fail "the wheel that pip installed has no libtorch_cpu.so; is another index set in PIP_INDEX_URL?"
version=$(sed -n "s/^__version__ = '\(.*\)'.*/\1/p" $partial/libtorch/torch/version.py 2>/dev/null || true)
check_version "$version" "the wheel that pip installed"
echo "$TORCH $wanted" >$partial/libtorch/installed
rm -rf .libtorch
mv $partial/libtorch .libtorch
rm -rf $partial
say "installed"
