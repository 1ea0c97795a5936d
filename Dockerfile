# All commands of SUMMER, for machines with a GPU or without. docs/container.md says how it is built and run.
#
# BASE: Python's slim image of Debian, because torch's own wheels bring CUDA (cuBLAS, cuDNN, NCCL: the nvidia-* lines of
# requirements-run.lock, verified by hash), and the host brings the driver. An image with a CUDA runtime would hold these
# libraries a second time, in versions that torch does not load. Any Debian or Ubuntu will do that has Python 3.11 or later
# with its venv module, and certificates; nothing is installed into it but what the lock names.
ARG BASE=python:3.11.14-slim-bookworm

# Programs that install, not part of the image: uv, and setuptools for what has no wheel.
FROM ${BASE} AS tools
WORKDIR /tools
COPY requirements.lock ./
RUN python3 -m venv . \
    && sed -n -e '/^setuptools==/,/^ *#/p' -e '/^uv==/,/^ *#/p' requirements.lock >tools.lock \
    && bin/pip install --no-cache-dir --require-hashes --requirement tools.lock

# The project as a wheel.
FROM tools AS wheel
WORKDIR /source
COPY setup.cfg pyproject.toml README.md LICENSE ./
COPY summer summer
COPY extraction extraction
COPY pipelines pipelines
RUN /tools/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels .

FROM ${BASE} AS commands
# Any user id may run it, on a root that cannot be written: what programs keep for themselves goes to /tmp, weights to /weights.
ENV PATH=/opt/summer/bin:$PATH \
    HOME=/tmp \
    USER=summer \
    PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    SUMMER_CACHE=/weights \
    HF_HOME=/weights/huggingface \
    TORCH_HOME=/weights/torch \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
RUN useradd --uid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin summer \
    && install --directory --owner=summer --group=summer /summer /summer/data /summer/runs /weights

# From the layer that changes least to that which changes most. Byte code is compiled here, for later nobody can write it.
RUN --mount=type=bind,from=tools,source=/tools,target=/tools \
    --mount=type=bind,source=requirements-run.lock,target=/requirements-run.lock \
    --mount=type=cache,target=/root/.cache/uv \
    python3 -m venv /opt/summer \
    && UV_CACHE_DIR=/root/.cache/uv UV_LINK_MODE=copy /tools/bin/uv pip install --python /opt/summer/bin/python \
        --compile-bytecode --require-hashes --requirements /requirements-run.lock
COPY data/demo /summer/demo
RUN --mount=type=bind,from=tools,source=/tools,target=/tools \
    --mount=type=bind,from=wheel,source=/wheels,target=/wheels \
    /tools/bin/uv pip install --no-cache --python /opt/summer/bin/python --compile-bytecode --no-deps --no-index /wheels/*.whl

USER 10001:10001
WORKDIR /summer

# Weights that the image brings: options of `summer-data weights`. Without, they are fetched at first use; keep /weights then.
ARG WEIGHTS=""
RUN if [ -n "$WEIGHTS" ]; then summer-data weights $WEIGHTS; fi

ARG REVISION=unknown
ARG BASE
ENV SUMMER_COMMIT=${REVISION}
LABEL org.opencontainers.image.title="SUMMER" \
      org.opencontainers.image.description="Multimodal emotion recognition in conversations" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="0.2.0" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${BASE}"

# summer-serve, which alone is asked whether it is well: a command that works for hours answers nobody.
FROM commands AS serve
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=2m \
    CMD ["python", "-c", "from http.client import HTTPConnection as C; c = C('127.0.0.1', 7860, timeout=4); c.request('GET', '/'); raise SystemExit(c.getresponse().status != 200)"]
CMD ["summer-serve", "--run", "/summer/run", "--host", "0.0.0.0"]

# The default: any command.
FROM commands
VOLUME ["/summer/data", "/summer/runs"]
CMD ["summer-extract", "--help"]
