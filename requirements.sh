#!/bin/sh
# Renews the locks: one resolution for every image and the laptop; serving's is a subset, the developers' a superset.
# No registry's address is written: the same files serve any mirror.
set -eu
uv=${1:-uv}
lock() { out=$1; shift; "$uv" pip compile --quiet --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
    --custom-compile-command "make lock" pyproject.toml -o "$out" "$@"; }
lock requirements.lock
lock requirements-dev.lock --extra dev --constraint requirements.lock
"$uv" pip compile --quiet --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
    --custom-compile-command "make lock" --constraint requirements-dev.lock -o requirements-uv.lock - <<'IN'
uv
IN
