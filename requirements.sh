#!/bin/sh
# Renews the locks: one resolution for every image and the laptop; serving's is a subset, the developers' a superset.
# No registry's address is written: the same files serve any mirror.
set -eu
uv=${1:-uv}
lock() {
    out=$1
    shift
    "$uv" pip compile --quiet --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
        --custom-compile-command "make lock" --output-file "$out" "$@"
}
lock requirements.lock pyproject.toml
lock requirements-dev.lock pyproject.toml --extra dev --constraint requirements.lock
# What answers over HTTP: no training, no registry, no pipelines.
lock requirements-serving.lock - --constraint requirements.lock <<IN
boto3
kserve
numpy
opentelemetry-exporter-otlp-proto-http
opentelemetry-sdk
orjson
pandas
prometheus-client
pyarrow
pydantic
pyyaml
IN
lock requirements-uv.lock - --constraint requirements-dev.lock <<IN
uv
IN
