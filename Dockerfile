# Everything for a full run on a CUDA machine: the wheels of torch bring the CUDA libraries, the host brings the driver.
#
#   docker build -t summer .
#   docker run --gpus all -v /path/to/data:/summer/data summer summer-extract --dataset meld --root data/MELD.Raw
#   docker run --gpus all -v /path/to/data:/summer/data -v /path/to/runs:/summer/runs summer \
#       summer-train --recipe meld --features data/stores/meld --out runs/meld --seeds 0-4 --precision bf16
#
# The VGGFace2 weights are fetched at build time, so that a container needs no network.
FROM python:3.11-slim-bookworm

ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    SUMMER_CACHE=/opt/summer-cache \
    PATH=/summer/.venv/bin:$PATH

RUN apt-get update && apt-get install --yes --no-install-recommends make && rm -rf /var/lib/apt/lists/*

WORKDIR /summer
COPY requirements.lock setup.cfg pyproject.toml Makefile README.md LICENSE ./
COPY summer summer
COPY extraction extraction
COPY pipelines pipelines
COPY tests tests
COPY examples examples
COPY docs docs
COPY data/demo data/demo
RUN make install && python -c "from extraction import weights; weights.vggface2()"

CMD ["summer-extract", "--help"]
