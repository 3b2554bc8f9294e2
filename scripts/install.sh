#!/bin/sh
# Copies the program, the libraries of .libtorch that it needs, its manual pages and what shells need to
# complete its commands, to a place of their own.
#
#     scripts/install.sh PREFIX     respects DESTDIR
#
# The program looks for libtorch in PREFIX/lib/gradcam/torch/lib, relative to itself. A libtorch of
# the user's own (LIBTORCH, LIBTORCH_USE_PYTORCH=1) stays where it is.
set -eu

prefix=${1:?"usage: scripts/install.sh PREFIX"}
cd "$(dirname "$0")/.."
bin=${DESTDIR:-}$prefix/bin
lib=${DESTDIR:-}$prefix/lib/gradcam
share=${DESTDIR:-}$prefix/share/gradcam
program=target/release/gradcam

mkdir -p "$bin" "$share/images"
install -m 755 $program "$bin/gradcam"
install -m 644 assets/demo/images/* "$share/images"

# `--config none`: what they say does not depend on who installs them.
shared=${DESTDIR:-}$prefix/share
bash=$shared/bash-completion/completions
zsh=$shared/zsh/site-functions
fish=$shared/fish/vendor_completions.d
mkdir -p "$bash" "$zsh" "$fish"
$program completions bash --config none > "$bash/gradcam"
$program completions zsh --config none > "$zsh/_gradcam"
$program completions fish --config none > "$fish/gradcam.fish"
$program man --config none --out "$shared/man/man1" > /dev/null

here=$(pwd -P)/.libtorch
if ldd $program | grep -qF "$here/"; then
    rm -rf "$lib"
    if [ "$(cut -d ' ' -f 2 .libtorch/installed 2>/dev/null)" = cuda ]; then
        # libtorch loads more libraries by name while it runs.
        libraries=$(cd .libtorch && find torch/lib nvidia triton -name '*.so*' ! -type d 2>/dev/null || true)
    else
        libraries=$(ldd $program | awk -v here="$here/" '
            index($3, here) == 1 { print substr($3, length(here) + 1) }')
    fi
    echo "$libraries" | while read -r library; do
        mkdir -p "$lib/$(dirname "$library")"
        cp -L ".libtorch/$library" "$lib/$library"
    done
    # `gradcam --version` reads it.
    install -m 644 .libtorch/torch/version.py "$lib/torch/version.py"
    echo "libtorch is in $lib ($(du -sm "$lib" | cut -f 1) MiB)"
else
    echo "libtorch stays where it is: $(ldd $program | awk '$1 == "libtorch_cpu.so" { print $3 }')"
fi
echo "try it: $bin/gradcam $share/images"
