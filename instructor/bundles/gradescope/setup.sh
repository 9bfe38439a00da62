#!/usr/bin/env bash
# Gradescope runs this once, as root, when it builds the image of the autograder.
set -euo pipefail

root="${AUTOGRADER_ROOT:-/autograder}"

export DEBIAN_FRONTEND=noninteractive
apt-get update
apt-get install -y --no-install-recommends python3 python3-venv
rm -rf /var/lib/apt/lists/*

python3 -m venv "$root/venv"
export PATH="$root/venv/bin:$PATH" PIP_NO_CACHE_DIR=1
cd "$root/source/lab"
# The line that installs torch for the CPU, with the kit's own pins, then the rest.
install="$(python -c 'from labkit.doctor import install_line; print(install_line(None))')"
bash -c "$install"

# The reference is in there: student code runs as another user and cannot look.
chmod 700 "$root/source"
