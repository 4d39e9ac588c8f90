"""What a driver may expect of /dev/uioN: reads, writes and polls of the kernel's protocol, with an AXI Timer."""

import ctypes
import errno
import mmap
import os
import select
import signal
import struct
import sys
import time

import zynqmp

TCSR, TLR, TINT = 0x00, 0x04, 1 << 8
RUN_ONCE = 0xC2

LIBC = ctypes.CDLL(None, use_errno=True)
# FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
PUNCH_HOLE = 3


def errno_of(call):
    try:
        call()
    except OSError as error:
        return error.errno
    return 0


def expect(what, found, wanted):
    if found != wanted:
        sys.exit(f"{what}: {found!r}, not {wanted!r}")


class Timer:
    def __init__(self, path):
        self.fd = os.open(path, os.O_RDWR)
        self.registers = mmap.mmap(self.fd, 4096)
        self.path = path

    def get(self, offset):
        return struct.unpack_from("<I", self.registers, offset)[0]

    def put(self, offset, value):
        struct.pack_into("<I", self.registers, offset, value)

    def settle(self, value):
        deadline = time.monotonic() + 20
        while self.get(TCSR) & TINT != value:
            if time.monotonic() > deadline:
                sys.exit(f"TCSR stays {self.get(TCSR):#x}")

    def acknowledge(self):
        self.put(TCSR, TINT)
        self.settle(0)

    def fire(self, cycles=1000):
        self.put(TLR, cycles)
        self.put(TCSR, RUN_ONCE)


def main():
    zynqmp.program("axi_timer")
    timer = Timer("/dev/" + os.listdir(zynqmp.UIO_CLASS)[0])
    fd, other = timer.fd, os.open(timer.path, os.O_RDWR | os.O_NONBLOCK)
    size = os.fstat(fd).st_size

    expect("a poll before there is anything", select.select([fd], [], [], 0)[0], [])
    expect("a read that is not to wait", errno_of(lambda: os.read(other, 4)), 11)
    for length in (1, 2, 3, 5, 8, 4096):
        expect(f"a read of {length} bytes", errno_of(lambda: os.read(fd, length)), 22)
        expect(f"a write of {length} bytes", errno_of(lambda: os.write(fd, bytes(length))), 22)
    expect("register 0 after all that", timer.get(TCSR), 0)

    # The line goes up once; until it is enabled again it stays masked.
    timer.fire()
    first = struct.unpack("<i", os.read(fd, 4))[0]
    expect("the other opener's count", struct.unpack("<i", os.read(other, 4))[0], first)
    expect("a second read", errno_of(lambda: os.read(other, 4)), 11)
    timer.acknowledge()
    timer.fire()
    timer.settle(TINT)
    expect("a poll while it is masked", select.select([fd], [], [], 0.2)[0], [])
    os.write(fd, struct.pack("<i", 1))
    expect("a poll of an interrupt that is due", select.select([fd], [], [], 20)[0], [fd])
    expect("the next count", struct.unpack("<i", os.read(fd, 4))[0], first + 1)

    # Acknowledged before it is enabled: nothing is due, however soon one follows the other.
    for _ in range(20):
        timer.put(TCSR, TINT)
        os.write(fd, struct.pack("<i", 1))
        expect("a poll after an acknowledgement", select.select([fd], [], [], 0)[0], [])

    os.write(fd, struct.pack("<i", 0))
    timer.fire()
    timer.settle(TINT)
    expect("a poll while it is disabled", select.select([fd], [], [], 0.1)[0], [])
    timer.acknowledge()
    os.write(fd, struct.pack("<i", 1))

    # A wait that is under way when the interrupt comes, by poll, by epoll and by read.
    poll, epoll = select.poll(), select.epoll()
    poll.register(fd, select.POLLIN)
    epoll.register(fd, select.EPOLLIN)
    for number, wait in enumerate((lambda: poll.poll(20000), lambda: epoll.poll(20), lambda: [()]), 2):
        timer.fire(20_000_000)
        expect("what woke", len(wait()), 1)
        expect("the count", struct.unpack("<i", os.read(fd, 4))[0], first + number)
        timer.acknowledge()
        os.write(fd, struct.pack("<i", 1))

    # A signal ends a wait.
    def handler(*_):
        raise InterruptedError(errno.EINTR, "a signal")

    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    expect("a read that a signal ends", errno_of(lambda: os.read(fd, 4)), errno.EINTR)

    # The size stays, whatever is tried.
    buffer = next(name for name in os.listdir("/dev") if name.startswith("axi:udmabuf"))
    for path in (timer.path, "/dev/" + buffer):
        before = os.stat(path).st_size
        os.close(os.open(path, os.O_RDWR | os.O_TRUNC | os.O_CREAT))
        for tried in (0, 1, before - 4096, before + 4096):
            errno_of(lambda: os.truncate(path, tried))
            with open(path, "r+b", buffering=0) as file:
                errno_of(lambda: os.ftruncate(file.fileno(), tried))
                errno_of(lambda: os.posix_fallocate(file.fileno(), 0, before + 4096))
                errno_of(lambda: os.pwrite(file.fileno(), b"xxxx", before))
        with open(path, "r+b", buffering=0) as file:
            hole = LIBC.fallocate(file.fileno(), PUNCH_HOLE, ctypes.c_long(0), ctypes.c_long(4096))
            expect(f"a hole in {path}", (hole, ctypes.get_errno()), (-1, errno.EOPNOTSUPP))
        errno_of(lambda: os.unlink(path))
        expect(f"the size of {path}", os.stat(path).st_size, before)
    expect("the size that was mapped", os.fstat(fd).st_size, size)
    expect("register 0", timer.get(TCSR) & TINT, 0)
    timer.fire()
    expect("the interrupt after all that", struct.unpack("<i", os.read(fd, 4))[0], first + 5)
    zynqmp.remove()
    expect("a read of a device that is gone", errno_of(lambda: os.read(fd, 4)), 5)
    print("interrupts as the kernel gives them")


main()
