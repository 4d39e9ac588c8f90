#!/usr/bin/env python3
"""Tries an AXI Traffic Generator: fills a buffer with its counting pattern and lets it be read back.

Programs the FPGA if need be, and removes the overlay again unless it is to be kept.
"""

import argparse
import sys

import numpy as np

import zynqmp
from zynqmp import require

ID_REG, VERSION, CONFIG, SCRATCH, STATUS, CONTROL = 0x00, 0x04, 0x08, 0x0C, 0x10, 0x14
CONFIG_AXI, LENGTH, ADDR_LO, ADDR_HI = 0x20, 0x30, 0x40, 0x44
CNTR_RD_CYC, CNTR_WR_CYC, CNTR_RD_OK = 0x50, 0x54, 0x58
DONE_WR, DONE_RD, IDLE = 1 << 0, 1 << 1, 0x300
START_WR, START_RD, DONE_CLEAR = 1 << 0, 1 << 1, 1 << 8
BEAT_BYTES, BURST_BYTES = 16, 64
# AxCACHE, AxPROT, AxUSER
SIDEBAND = {"hp": (0, 0, 0), "hpc": (15, 2, 1), "acp": (15, 2, 1)}


class AxiTrafficGen:
    def __init__(self, port):
        self.uio = zynqmp.Uio("AxiTrafficGen", port)
        identity = self.uio.read(ID_REG), self.uio.read(VERSION)
        require(identity == (0xA8172A9E, 0x00000907), "ID and VERSION read {:#x} and {:#x}".format(*identity))
        require(self.uio.read(CONFIG) & 0xFF == BURST_BYTES // BEAT_BYTES, "bursts do not have 4 beats")
        self.uio.write(SCRATCH, 0x12345678)
        require(self.uio.read(SCRATCH) == 0x12345678, "SCRATCH does not hold what was written")
        cache, prot, user = SIDEBAND[port]
        self.uio.write(CONFIG_AXI, cache | prot << 8 | user << 16)

    def write(self, address, bursts):
        """Writes the pattern; gives the clock cycles that it took."""
        self._transfer(address, bursts, START_WR, DONE_WR)
        return self.uio.read(CNTR_WR_CYC)

    def read(self, address, bursts):
        """Reads a range; gives how many beats were as in the pattern, and the clock cycles that it took."""
        self._transfer(address, bursts, START_RD, DONE_RD)
        return self.uio.read(CNTR_RD_OK), self.uio.read(CNTR_RD_CYC)

    def _transfer(self, address, bursts, start, done):
        self.uio.wait(STATUS, ~0, IDLE)
        self.uio.write(ADDR_HI, address >> 32)
        self.uio.write(ADDR_LO, address & 0xFFFFFFFF)
        self.uio.write(LENGTH, bursts)
        self._control(start)
        self.uio.wait(STATUS, done, done)
        self._control(DONE_CLEAR)

    def _control(self, bit):
        self.uio.write(CONTROL, self.uio.read(CONTROL) | bit)


def pattern(size):
    """Beat k is the 128-bit number k."""
    beats = np.zeros((size // BEAT_BYTES, BEAT_BYTES // 4), np.uint32)
    beats[:, 0] = np.arange(len(beats))
    return beats.view(np.uint8).ravel()


def try_generator(port, kind, size):
    generator = AxiTrafficGen(port)
    # A part of the one u-dma-buf for each port, with guard bytes around what is written.
    guard = 4096
    part = size + 2 * guard
    buffer = zynqmp.BUFFERS[kind](part * len(SIDEBAND))
    start = part * sorted(SIDEBAND).index(port)
    buffer.bytes[start:start + part] = 0xA5
    first, last = start + guard, start + guard + size
    cycles = [0, 0]
    offset = first
    while offset < last:
        length = min(buffer.contiguous_bytes(offset), last - offset)
        bursts, physical = length // BURST_BYTES, buffer.physical_address(offset)
        cycles[1] += generator.write(physical, bursts)
        expected = pattern(length)
        wrong = np.flatnonzero(buffer.bytes[offset:offset + length] != expected)
        require(wrong.size == 0, "{} bytes after {:#x} are wrong, the first at {}".format(
            wrong.size, physical, wrong[:1]))
        good, taken = generator.read(physical, bursts)
        require(good == length // BEAT_BYTES, "{} of {} beats read well".format(good, length // BEAT_BYTES))
        # One bit of one beat, which must be missed.
        buffer.bytes[offset + length // 2] ^= 0x10
        good, _ = generator.read(physical, bursts)
        require(good == length // BEAT_BYTES - 1, "a beat that was changed counts as good")
        cycles[0] += taken
        offset += length
    for begin, end in ((start, first), (last, start + part)):
        require((buffer.bytes[begin:end] == 0xA5).all(), "bytes beside the range were changed")
    return "{} AxiTrafficGen:{}, {}: {} bytes, {} cycles to read and {} to write".format(
        generator.uio.id, port, kind, size, *cycles)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", choices=sorted(SIDEBAND))
    parser.add_argument("buffer", choices=sorted(zynqmp.BUFFERS))
    parser.add_argument("--size", type=int, default=65536, help="bytes to move; a multiple of 64")
    parser.add_argument("--keep", action="store_true", help="leave the FPGA programmed")
    arguments = parser.parse_args()
    with zynqmp.design("axi_traffic_gen", arguments.keep):
        seen = try_generator(arguments.port, arguments.buffer, arguments.size)
    print(seen)


try:
    main()
except (zynqmp.HardwareError, OSError) as error:
    sys.exit("{}: {}".format(sys.argv[0], error))
