"""What the processor can: by this TensorFlow and oneDNN choose how they compute."""

import pathlib

CPUINFO = pathlib.Path("/proc/cpuinfo")
# Those by which float32 and bfloat16 are computed one way or another.
_CHOSEN_BY = ("avx", "avx2", "fma", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16")


def cpu_instructions(cpuinfo: pathlib.Path = CPUINFO) -> frozenset[str]:
    """Returns the CPU's feature flags; none where the system does not list them."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
    except OSError:  # no Linux
        return frozenset()
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip() == "flags":
            return frozenset(value.split())
    return frozenset()


def computes_by() -> tuple[str, ...]:
    """Returns the instructions that decide how this CPU computes: on others last digits differ."""
    found = cpu_instructions()
    return tuple(name for name in _CHOSEN_BY if name in found)
