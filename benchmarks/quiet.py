"""How much of a machine others used while something was measured (Linux only)."""

import os
import pathlib
import time

_PROC = pathlib.Path("/proc")
# Of the first line of /proc/stat: all but idle and waiting for a disk. Guests count as user.
_BUSY_COLUMNS = (0, 1, 2, 5, 6, 7)


def busy_ticks(stat):
    """Returns the ticks in which some process, or another guest of the host, had a core.

    Args:
      stat: the text of /proc/stat.
    """
    columns = [int(word) for word in stat.splitlines()[0].split()[1:]]
    return sum(columns[index] for index in _BUSY_COLUMNS)


def process_ticks(stat):
    """Returns the ticks of one process, all of its threads together.

    Args:
      stat: the text of /proc/PID/stat; a name in it may hold spaces and brackets.
    """
    columns = stat.rpartition(")")[2].split()
    return int(columns[11]) + int(columns[12])


class Others:
    """Measures the share of all cores that others took since `begin`.

    Args:
      own: ids of the processes that are not others.
    """

    def __init__(self, own):
        self._own = list(own)
        self.begin()

    def begin(self):
        """Starts anew."""
        self._before, self._since = self._taken(), time.perf_counter()

    def share(self):
        """Returns the others' share of the cores since `begin`, 0..1."""
        ticks = (time.perf_counter() - self._since) * os.sysconf("SC_CLK_TCK") * os.cpu_count()
        return min(1.0, max(0.0, (self._taken() - self._before) / ticks))

    def _taken(self):
        own = sum(process_ticks((_PROC / str(pid) / "stat").read_text()) for pid in self._own)
        return busy_ticks((_PROC / "stat").read_text()) - own
