"""A baseline of bench/register-reads.ts: reads a register over and over, in the two ways in which Python drivers do.

registers.py ctypes|struct FILE OFFSET COUNT prints the nanoseconds that a read took.
"""

import ctypes
import mmap
import os
import struct
import sys
import time


class UioDev:
    def __init__(self, path):
        self.fd = os.open(path, os.O_RDWR | os.O_SYNC)
        self.mem = mmap.mmap(self.fd, mmap.PAGESIZE)

    def read32(self, offset):
        return struct.unpack_from("<I", self.mem, offset)[0]


def read_with_struct(dev, offset, count):
    total = 0
    for _ in range(count):
        total += dev.read32(offset)
    return total


def read_with_ctypes(dev, offset, count):
    class Map(ctypes.Structure):
        _fields_ = [("before", ctypes.c_uint32 * (offset // 4)), ("REGISTER", ctypes.c_uint32)]

    regs = Map.from_buffer(dev.mem)
    total = 0
    for _ in range(count):
        total += regs.REGISTER
    return total


def main():
    way, path, offset, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    read = {"ctypes": read_with_ctypes, "struct": read_with_struct}[way]
    dev = UioDev(path)
    started = time.perf_counter_ns()
    read(dev, offset, count)
    print((time.perf_counter_ns() - started) / count)


main()
