"""The 6,373 functionals of ComParE_2016, by openSMILE's library and its own configuration.

`opensmile.Smile` takes the vector from a sink that first asks for the name of every value, and finds each
name by counting from the first one: 20 million steps a clip, a third of the time of a clip of two seconds.
It also joins low-level descriptors that nobody reads. Here the same levels of the same configuration files
end in openSMILE's sink of plain values (compare_2016.conf), which writes them into a file in memory. All
values are those of `opensmile.Smile`, bit by bit (tests/extraction/test_audio.py); two seconds of sound take
20 ms instead of 33 (docs/performance.md).

Rate, channel and scale are said explicitly: openSMILE resamples and mixes nothing.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from extraction.media.sound import LARGEST_SAMPLE

SAMPLING_RATE = 16_000  # Hz
SHORTEST_SAMPLES = 960  # one window of 60 ms
DIM = 6373
CONFIGURATION = Path(__file__).with_name("compare_2016.conf")
HEADER = 2  # values before the vectors: width and number
ERRORS_ONLY = 0  # of openSMILE's levels of log messages


def functionals(samples: Float32[np.ndarray, " sample"]) -> Float32[np.ndarray, " dim"]:
    """The 6,373 features of at least 960 samples at 16 kHz, within +-32767/32768, in openSMILE's order.

    Setting openSMILE up takes 5 ms; its own `reset` takes as long, so each clip has a fresh one.

    Raises:
        ValueError: fewer samples, or a sample at full scale, which would change its sign in 16 bits.
        RuntimeError: openSMILE gave something else than one vector.
    """
    if len(samples) < SHORTEST_SAMPLES:
        raise ValueError(f"{len(samples)} samples; openSMILE needs {SHORTEST_SAMPLES}, one window of 60 ms")
    if np.abs(samples).max() > LARGEST_SAMPLE:
        raise ValueError(f"a sample of {np.abs(samples).max()}; limit them to +-32767/32768")
    in_memory = os.memfd_create("functionals")
    try:
        _run((samples * 32768).astype(np.int16), f"/proc/self/fd/{in_memory}")
        written = np.frombuffer(os.pread(in_memory, os.fstat(in_memory).st_size, 0), dtype=np.float32)
    finally:
        os.close(in_memory)
    if len(written) != HEADER + DIM:
        raise RuntimeError(
            f"openSMILE wrote {len(written)} values for {len(samples)} samples, not {HEADER} and {DIM}; its "
            "file is in memory, under /proc, which must be mounted"
        )
    return written[HEADER:]


def _run(samples: np.ndarray[tuple[int], np.dtype[np.int16]], features: str) -> None:
    from opensmile.core.lib import OpenSMILE  # takes half a second, which `--help` should not

    smile = OpenSMILE()
    try:
        smile.initialize(str(CONFIGURATION), {**_options(), "features": features}, loglevel=ERRORS_ONLY)
        smile.external_audio_source_write_data("extsource", samples.tobytes())
        smile.external_audio_source_set_eoi("extsource")
        smile.run()
    finally:
        smile.free()


@cache
def _options() -> dict[str, str]:
    """What the package's own class sets, by the package's files."""
    import opensmile

    files = Path(opensmile.__file__).parent / "core" / "config"
    return {
        "source": str(files / "shared" / "standard_external_wave_input.conf.inc"),
        "low_level": str(files / "compare" / "ComParE_2016_core.lld.conf.inc"),
        "functionals": str(files / "compare" / "ComParE_2016_core.func.conf.inc"),
        "bufferModeRbConf": str(files / "shared" / "BufferModeRb.conf.inc"),
        "frameModeFunctionalsConf": str(files / "shared" / "FrameModeFunctionals.conf.inc"),
        "sampleRate": str(SAMPLING_RATE),
        "nBits": "16",
    }
