#!/usr/bin/env python3
"""Tries an AXI Proxy as the first drivers for it do: CONTROL read, modified and written, and polls that are counted.

Each round reads a cache line, clears DONE, and writes the line at once. DONE of the write stays, for the next round's
clear to take away. Says how often the polls ran out and how often a DONE was believed that was still the old one.
"""

import argparse
import random
import sys

import numpy as np

import zynqmp
from zynqmp import require

STATUS, CONTROL, CONFIG_AXI, ADDR_LO, ADDR_HI, DATA_WR, DATA_RD = 0x10, 0x14, 0x20, 0x40, 0x44, 0x60, 0xA0
READY, DONE_WR, DONE_RD = 0x300, 1 << 0, 1 << 1
START_WR, START_RD, DONE_CLEAR = 1 << 0, 1 << 1, 1 << 8
LINE_BYTES = 64
MOST_POLLS = 1000


class CountedProxy:
    def __init__(self):
        self.registers = zynqmp.Uio("AxiProxy", "hpc")
        self.registers.write(CONFIG_AXI, 15 | 2 << 8 | 1 << 16)
        self.most_polls = 0

    def read(self, address):
        """16 bytes; None if the polls ran out."""
        if not self._transfer(address, START_RD, DONE_RD):
            return None
        data = [self.registers.read(DATA_RD + 4 * index) for index in range(4)]
        self._control(DONE_CLEAR)
        return data

    def write(self, address, words):
        """False if the polls ran out."""
        for index, word in enumerate(words):
            self.registers.write(DATA_WR + 4 * index, word)
        return self._transfer(address, START_WR, DONE_WR)

    def rest(self):
        """Takes the time that it takes, so that one wrong round does not make the next ones wrong."""
        self.registers.wait(CONTROL, ~0, 0)
        self.registers.wait(STATUS, READY, READY)
        self.registers.write(CONTROL, DONE_CLEAR)
        self.registers.wait(STATUS, DONE_WR | DONE_RD, 0)

    def _transfer(self, address, start, done):
        status = self.registers.read(STATUS)
        require(status & READY == READY, "the proxy is not ready: STATUS {:#x}".format(status))
        self.registers.write(ADDR_HI, address >> 32)
        self.registers.write(ADDR_LO, address & 0xFFFFFFFF)
        self._control(start)
        for polls in range(MOST_POLLS):
            if self.registers.read(STATUS) & done:
                self.most_polls = max(self.most_polls, polls)
                return True
        return False

    def _control(self, bit):
        self.registers.write(CONTROL, self.registers.read(CONTROL) | bit)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("buffer", choices=sorted(zynqmp.BUFFERS))
    parser.add_argument("--rounds", type=int, default=1)
    arguments = parser.parse_args()
    rounds = arguments.rounds
    with zynqmp.design("axi_proxy", keep=True):
        proxy = CountedProxy()
        buffer = zynqmp.BUFFERS[arguments.buffer](1 << 16)
    seen = {"ran out": 0, "old": 0, "right": 0}
    for number in range(rounds):
        start = number * LINE_BYTES % len(buffer.bytes)
        line = buffer.bytes[start:start + LINE_BYTES].view(np.uint32)
        expected = [random.randrange(1, 1 << 32) for _ in range(4)]
        line[:4] = expected
        address = buffer.physical_address(start)
        data = proxy.read(address)
        words = [random.randrange(1, 1 << 32) for _ in range(4)]
        # At once: what was read is looked at afterwards.
        written = data is not None and proxy.write(address, words)
        if not written:
            seen["ran out"] += 1
            proxy.rest()
        elif data != expected or line[:4].tolist() != words:
            seen["old"] += 1
            proxy.rest()
        else:
            seen["right"] += 1
    print("{right} of {} rounds right, {} ran out of polls, {old} old; at most {} polls".format(
        rounds, seen["ran out"], proxy.most_polls, right=seen["right"], old=seen["old"]))
    sys.exit(seen["right"] != rounds)


try:
    main()
except (zynqmp.HardwareError, OSError) as error:
    sys.exit("{}: {}".format(sys.argv[0], error))
