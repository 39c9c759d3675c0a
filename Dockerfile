# Two images of one lock. `pipeline`: every step, the approval service, the trigger, the schedules and MLflow's server.
# `serving`: what answers over HTTP, without what trains. Neither holds pip, a compiler or a package manager's cache.
#
#   DOCKER_BUILDKIT=1 docker build --target pipeline --build-arg COMMIT=$(git rev-parse HEAD) .
#
# Any base with Python 3.11 and its venv module will do; its digest is part of what a release records.
ARG BASE_IMAGE=docker.io/library/python:3.11-slim-bookworm@sha256:b18992999dbe963a45a8a4da40ac2b1975be1a776d939d098c647482bcad5cba

FROM ${BASE_IMAGE} AS base
SHELL ["/bin/sh", "-eu", "-c"]
ENV LANG=C.UTF-8 PYTHONUNBUFFERED=1
# hadolint ignore=DL3008
RUN command -v tini >/dev/null \
    || { apt-get update -qq && apt-get install -y -qq --no-install-recommends tini && rm -rf /var/lib/apt/lists/*; }

# The tool that installs; nothing of it reaches an image. The certificate bundle of a corporate proxy, where there is
# one, comes in as a build secret.
FROM base AS installer
WORKDIR /build
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never PIP_DISABLE_PIP_VERSION_CHECK=1
COPY requirements-uv.lock ./
RUN --mount=type=secret,id=ca,target=/run/secrets/ca.pem \
    --mount=type=cache,target=/root/.cache \
    if [ -s /run/secrets/ca.pem ]; then export PIP_CERT=/run/secrets/ca.pem; fi; \
    python3 -m venv /tools && /tools/bin/pip install --quiet --require-hashes -r requirements-uv.lock
# What no step and no server imports: the packages' own tests, C headers, Arrow's RPC library.
RUN printf '%s\n' '#!/bin/sh' 'set -eu' 'cd /opt/jackpot/lib/python3*/site-packages' \
        'find . -depth -type d -name tests -not -path "./numpy/_core/*" -exec rm -rf {} +' \
        'find . -name "*.pyi" -delete' \
        'rm -rf pyarrow/include pyarrow/src numpy/_core/include' \
        'rm -f pyarrow/*_flight* pyarrow/*.pxd pyarrow/*.pyx' >/usr/local/bin/prune \
    && chmod 755 /usr/local/bin/prune

FROM installer AS pipeline-install
COPY requirements.lock ./
RUN --mount=type=secret,id=ca,target=/run/secrets/ca.pem \
    --mount=type=cache,target=/root/.cache \
    if [ -s /run/secrets/ca.pem ]; then export SSL_CERT_FILE=/run/secrets/ca.pem; fi; \
    python3 -m venv --without-pip /opt/jackpot \
    && /tools/bin/uv pip sync --quiet --python /opt/jackpot/bin/python --require-hashes requirements.lock \
    && prune
COPY pyproject.toml README.md LICENSE requirements.lock /app/
COPY jackpot /app/jackpot
COPY components /app/components
COPY pipelines /app/pipelines
COPY serving /app/serving
COPY configs /app/configs
RUN /tools/bin/uv pip install --quiet --python /opt/jackpot/bin/python --offline --no-deps --no-build-isolation \
        --editable /app \
    && /opt/jackpot/bin/python -m compileall -q /app

FROM installer AS serving-install
COPY requirements-serving.lock ./
RUN --mount=type=secret,id=ca,target=/run/secrets/ca.pem \
    --mount=type=cache,target=/root/.cache \
    if [ -s /run/secrets/ca.pem ]; then export SSL_CERT_FILE=/run/secrets/ca.pem; fi; \
    python3 -m venv --without-pip /opt/jackpot \
    && /tools/bin/uv pip sync --quiet --python /opt/jackpot/bin/python --require-hashes requirements-serving.lock \
    && prune
COPY pyproject.toml README.md LICENSE requirements.lock /app/
COPY jackpot /app/jackpot
COPY serving /app/serving
COPY configs /app/configs
RUN /tools/bin/uv pip install --quiet --python /opt/jackpot/bin/python --offline --no-deps --no-build-isolation \
        --editable /app \
    && /opt/jackpot/bin/python -m compileall -q /app

# What runs: the base in one layer, so that what is removed here is not left in a layer beneath.
FROM base AS stripped
RUN python3 -m pip --version >/dev/null 2>&1 && python3 -m pip uninstall -y -q pip setuptools wheel || true; \
    rm -rf /usr/local/lib/python3*/ensurepip /usr/lib/python3*/ensurepip /usr/share/python-wheels \
        /usr/share/locale /usr/share/man /usr/share/info \
        /var/cache/apt /var/lib/apt/lists /var/log /root/.cache /tmp/* \
    && find /usr/share/doc -type f ! -name copyright -delete \
    && mkdir -p /var/log /var/lib/apt/lists/partial /var/cache/apt/archives/partial \
    && echo 'jackpot:x:10001:10001:Jackpot Optimiser:/tmp:/usr/sbin/nologin' >>/etc/passwd \
    && echo 'jackpot:x:10001:' >>/etc/group

FROM scratch AS runtime
COPY --from=stripped / /
ARG COMMIT=unknown
# HOME lies in the one folder that may be written, and the file system may be read-only.
ENV PATH=/opt/jackpot/bin:/usr/local/bin:/usr/bin:/bin LANG=C.UTF-8 PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp MPLCONFIGDIR=/tmp/matplotlib TMPDIR=/tmp OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 \
    JACKPOT_COMMIT=${COMMIT}
WORKDIR /app
LABEL org.opencontainers.image.title="Jackpot Optimiser" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="${COMMIT}"

FROM runtime AS serving
LABEL org.opencontainers.image.description="Answers sales forecasts over HTTP and gRPC"
COPY --from=serving-install /opt/jackpot /opt/jackpot
COPY --from=serving-install /app /app
USER 10001:10001
EXPOSE 8080 8081
ENTRYPOINT ["/usr/bin/tini", "--"]
CMD ["python", "-m", "serving"]

FROM runtime AS pipeline
LABEL org.opencontainers.image.description="Runs the pipelines' steps and the services beside them"
COPY --from=pipeline-install /opt/jackpot /opt/jackpot
COPY --from=pipeline-install /app /app
USER 10001:10001
ENTRYPOINT ["/usr/bin/tini", "--"]
CMD ["jackpot", "--help"]
