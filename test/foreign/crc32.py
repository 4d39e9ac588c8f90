#!/usr/bin/env python3
"""Tries a CRC-32 engine: checksums of ranges of ordinary memory or the u-dma-buf, which are compared with zlib's.

Programs the FPGA if need be, and removes the overlay again unless it is to be kept.
"""

import argparse
import random
import sys
import zlib

import numpy as np

import zynqmp
from zynqmp import require

ID, CONTROL, STATUS, LENGTH, ADDRESS_LO, ADDRESS_HI, RESULT = 0x00, 0x04, 0x08, 0x0C, 0x10, 0x14, 0x18
START, CLEAR = 1 << 0, 1 << 1
DONE, ERROR = 1 << 1, 1 << 2


class Crc32:
    def __init__(self, port):
        self.uio = zynqmp.Uio("Crc32", port)
        require(self.uio.read(ID) == 0x43523332, "ID reads {:#x}".format(self.uio.read(ID)))

    def checksum(self, address, length):
        self.uio.write(ADDRESS_HI, address >> 32)
        self.uio.write(ADDRESS_LO, address & 0xFFFFFFFF)
        self.uio.write(LENGTH, length)
        self.uio.write(CONTROL, START)
        self.uio.wait(STATUS, DONE, DONE)
        status, result = self.uio.read(STATUS), self.uio.read(RESULT)
        self.uio.write(CONTROL, CLEAR)
        self.uio.wait(STATUS, DONE, 0)
        require(status & ERROR == 0, "the bus refused {:#x}".format(address))
        return result


def try_engine(port, kind, count):
    engine = Crc32(port)
    buffer = zynqmp.BUFFERS[kind](1 << 16)
    buffer.bytes[:] = np.frombuffer(random.randbytes(len(buffer.bytes)), np.uint8)
    for _ in range(count):
        offset = random.randrange(len(buffer.bytes))
        most = min(buffer.contiguous_bytes(offset), len(buffer.bytes) - offset)
        length = random.randint(1, most)
        result = engine.checksum(buffer.physical_address(offset), length)
        expected = zlib.crc32(buffer.bytes[offset:offset + length])
        require(result == expected, "{} bytes from {:#x} on: {:#x}, and not {:#x}".format(length, offset, result, expected))
    return "{} Crc32:{}, {}: {} ranges".format(engine.uio.id, port, kind, count)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", choices=["hpc"])
    parser.add_argument("buffer", choices=sorted(zynqmp.BUFFERS))
    parser.add_argument("--count", type=int, default=50, help="ranges to try")
    parser.add_argument("--keep", action="store_true", help="leave the FPGA programmed")
    arguments = parser.parse_args()
    with zynqmp.design("crc32", arguments.keep):
        seen = try_engine(arguments.port, arguments.buffer, arguments.count)
    print(seen)


try:
    main()
except (zynqmp.HardwareError, OSError) as error:
    sys.exit("{}: {}".format(sys.argv[0], error))
