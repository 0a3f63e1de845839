import pathlib

from tfcovid import cpu


def test_instructions_are_read_from_the_flags_line(tmp_path):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(
        "processor : 0\nmodel name : x\nflags\t\t: sse avx512_bf16\nbugs : amx_bf16\n"
    )
    assert cpu.cpu_instructions(cpuinfo) == {"sse", "avx512_bf16"}


def test_no_instructions_where_the_system_lists_none():
    assert cpu.cpu_instructions(pathlib.Path("no such file")) == frozenset()


def test_of_the_instructions_those_count_that_arithmetic_is_chosen_by(monkeypatch):
    monkeypatch.setattr(cpu, "cpu_instructions", lambda: frozenset({"fma", "sse", "avx2"}))
    assert cpu.computes_by() == ("avx2", "fma")
