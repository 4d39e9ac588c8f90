#!/usr/bin/env python3
"""Tries an AXI Proxy: single transfers of a cache line into ordinary memory or the u-dma-buf.

Programs the FPGA if need be, and removes the overlay again unless it is to be kept.
"""

import argparse
import random
import sys

import numpy as np

import zynqmp
from zynqmp import require

ID_REG, VERSION, SCRATCH, STATUS, CONTROL = 0x00, 0x04, 0x0C, 0x10, 0x14
CONFIG_AXI, STATS, ADDR_LO, ADDR_HI, DATA_WR, DATA_RD = 0x20, 0x24, 0x40, 0x44, 0x60, 0xA0
DONE_WR, DONE_RD, IDLE = 1 << 0, 1 << 1, 0x300
START_WR, START_RD, DONE_CLEAR = 1 << 0, 1 << 1, 1 << 8
LINE_BYTES = 64
# AxCACHE, AxPROT, AxUSER
SIDEBAND = {"hp": (0, 0, 0), "hpc": (15, 2, 1), "acp": (15, 2, 1)}


class AxiProxy:
    def __init__(self, port):
        self.uio = zynqmp.Uio("AxiProxy", port)
        identity = self.uio.read(ID_REG), self.uio.read(VERSION)
        require(identity == (0xA8122081, 0x00000301), "ID and VERSION read {:#x} and {:#x}".format(*identity))
        self.uio.write(SCRATCH, 0xCAFEBABE)
        require(self.uio.read(SCRATCH) == 0xCAFEBABE, "SCRATCH does not hold what was written")
        cache, prot, user = SIDEBAND[port]
        self.uio.write(CONFIG_AXI, cache | prot << 8 | user << 16)

    def write(self, address, words):
        """Writes 16 bytes, and 48 zeros behind them; gives the clock cycles that it took."""
        for index, word in enumerate(words):
            self.uio.write(DATA_WR + 4 * index, word)
        return self._transfer(address, START_WR, DONE_WR) & 0x3FF

    def read(self, address):
        """Reads 16 bytes; gives them and the clock cycles that it took."""
        cycles = self._transfer(address, START_RD, DONE_RD) >> 16 & 0x3FF
        return [self.uio.read(DATA_RD + 4 * index) for index in range(4)], cycles

    def _transfer(self, address, start, done):
        self.uio.wait(STATUS, ~0, IDLE)
        self.uio.write(ADDR_HI, address >> 32)
        self.uio.write(ADDR_LO, address & 0xFFFFFFFF)
        self._control(start)
        self.uio.wait(STATUS, done, done)
        self._control(DONE_CLEAR)
        return self.uio.read(STATS)

    def _control(self, bit):
        self.uio.write(CONTROL, self.uio.read(CONTROL) | bit)


def try_proxy(port, kind, count):
    proxy = AxiProxy(port)
    buffer = zynqmp.BUFFERS[kind](1 << 16)
    # Each port has its own part of the one u-dma-buf.
    parts = sorted(SIDEBAND)
    lines = np.arange(parts.index(port), len(buffer.bytes) // LINE_BYTES, len(parts))
    longest = [0, 0]
    for line in random.sample(list(map(int, lines)), count):
        where = slice(line * LINE_BYTES, (line + 1) * LINE_BYTES)
        physical = buffer.physical_address(where.start)
        before = np.array([random.randrange(256) for _ in range(LINE_BYTES)], np.uint8)
        buffer.bytes[where] = before
        data, read_cycles = proxy.read(physical)
        require(data == before[:16].view(np.uint32).tolist(), "{:#x} read as {}".format(physical, data))
        words = [random.randrange(1 << 32) for _ in range(4)]
        write_cycles = proxy.write(physical, words)
        expected = np.array(words + [0] * 12, np.uint32).view(np.uint8)
        wrong = np.flatnonzero(buffer.bytes[where] != expected)
        require(wrong.size == 0, "bytes {} of the line at {:#x} are wrong".format(wrong, physical))
        buffer.bytes[where] = 0
        longest = [max(longest[0], read_cycles), max(longest[1], write_cycles)]
    if kind == "numpy":
        require(not buffer.bytes.any(), "bytes beside the lines were changed")
    return "{} AxiProxy:{}, {}: {} lines of 64 bytes, at most {} cycles a read and {} a write".format(
        proxy.uio.id, port, kind, count, *longest)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", choices=sorted(SIDEBAND))
    parser.add_argument("buffer", choices=sorted(zynqmp.BUFFERS))
    parser.add_argument("--count", type=int, default=20, help="lines to try")
    parser.add_argument("--keep", action="store_true", help="leave the FPGA programmed")
    arguments = parser.parse_args()
    with zynqmp.design("axi_proxy", arguments.keep):
        seen = try_proxy(arguments.port, arguments.buffer, arguments.count)
    print(seen)


try:
    main()
except (zynqmp.HardwareError, OSError) as error:
    sys.exit("{}: {}".format(sys.argv[0], error))
