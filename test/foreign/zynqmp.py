"""FPGA programming, UIO devices and physical addresses on a Zynq MPSoC, as its Linux offers them."""

import contextlib
import mmap
import os
import time

import numpy as np

OVERLAYS = "/configfs/device-tree/overlays"
OVERLAY = OVERLAYS + "/full"
FPGA_IMAGE = "/sys/kernel/debug/fpga/fpga0/image"
FIRMWARE = "/lib/firmware"
UIO_CLASS = "/sys/class/uio"
U_DMA_BUF = "axi:udmabuf@0x0"

# From the overlay to the last device node. On a loaded system udev takes its time.
SETTLING_S = 10.0
# A transfer takes microseconds; whoever waits this long waits for ever.
TRANSFER_TIMEOUT_S = 5.0


class HardwareError(Exception):
    """The hardware did not do what its manual says."""


def require(condition, message):
    if not condition:
        raise HardwareError(message)


def read_text(path):
    with open(path) as file:
        return file.read().strip()


def is_programmed():
    """The overlay is there and the configuration can be read back, which only an operating FPGA allows."""
    if not os.path.isdir(OVERLAY):
        return False
    try:
        with open(FPGA_IMAGE, "rb") as image:
            image.read(4)
    except OSError:
        return False
    return True


def program(design):
    """Links the design's files to where the kernel looks for firmware, and applies its overlay."""
    source = "{}/xilinx/{}/{}".format(FIRMWARE, design, design)
    for path in (source + ".bit.bin", source + ".dtbo"):
        require(os.path.isfile(path), "no file " + path)
        link = os.path.join(FIRMWARE, os.path.basename(path))
        if not os.path.islink(link):
            os.symlink(path, link)
    os.mkdir(OVERLAY)
    try:
        apply(design + ".dtbo")
    except Exception:
        os.rmdir(OVERLAY)
        raise


def apply(name):
    """Has the overlay directory apply a file, and believes what is read back, since some kernels report no failure."""
    with open(OVERLAY + "/path", "w") as path:
        path.write(name)
    applied = read_text(OVERLAY + "/path")
    require(applied == name, "the overlay was refused: path reads {!r}, status {!r}".format(
        applied, read_text(OVERLAY + "/status")))
    state = read_text("/sys/class/fpga_manager/fpga0/state")
    require(state.startswith("operating"), "the FPGA manager says {!r}".format(state))


def remove():
    """Removes the overlay; its devices are gone afterwards."""
    os.rmdir(OVERLAY)
    require(not os.path.exists(OVERLAY), "the overlay is still there")
    require(os.listdir(UIO_CLASS) == [], "devices are left: {}".format(os.listdir(UIO_CLASS)))


@contextlib.contextmanager
def design(name, keep):
    """Programs a design unless the FPGA is programmed, and removes its overlay at the end unless it is to be kept."""
    if not is_programmed():
        program(name)
    try:
        yield
    finally:
        if not keep:
            remove()


def find_uio(name, note):
    """The number of a UIO device as in "uio4", by its name and the note in its device-tree node; None if there is none."""
    for entry in sorted(os.listdir(UIO_CLASS)):
        try:
            if read_text(os.path.join(UIO_CLASS, entry, "name")) != name:
                continue
            with open(os.path.join(UIO_CLASS, entry, "device/of_node/jan-note"), "rb") as file:
                if file.read().rstrip(b"\0").decode() == note and os.path.exists("/dev/" + entry):
                    return entry
        except FileNotFoundError:
            continue
    return None


class Uio:
    """A device's registers: aligned 32-bit accesses, each made once."""

    def __init__(self, name, note):
        deadline = time.monotonic() + SETTLING_S
        self.id = find_uio(name, note)
        while self.id is None:
            require(time.monotonic() < deadline, "no UIO device {} with the note {}".format(name, note))
            time.sleep(0.01)
            self.id = find_uio(name, note)
        size = int(read_text(os.path.join(UIO_CLASS, self.id, "maps/map0/size")), 16)
        fd = os.open("/dev/" + self.id, os.O_RDWR | os.O_SYNC)
        self._map = mmap.mmap(fd, size, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE, offset=0)
        os.close(fd)
        self._registers = np.frombuffer(self._map, np.uint32, size // 4)

    def read(self, offset):
        return int(self._registers[offset // 4])

    def write(self, offset, value):
        self._registers[offset // 4] = value

    def wait(self, offset, mask, value):
        """Polls a register until the bits of a mask have a value."""
        deadline = time.monotonic() + TRANSFER_TIMEOUT_S
        while self.read(offset) & mask != value:
            require(time.monotonic() < deadline, "timeout: register {:#x} reads {:#x}".format(offset, self.read(offset)))


class NumpyBuffer:
    """Ordinary memory, zeroed and present, with its physical address page by page."""

    def __init__(self, size):
        page = os.sysconf("SC_PAGE_SIZE")
        self._memory = np.zeros(size + page, np.uint8)
        start = -self._memory.ctypes.data % page
        self.bytes = self._memory[start:start + size]
        # A page has a physical address once it was touched.
        self.bytes[:] = 0

    def physical_address(self, offset):
        page = os.sysconf("SC_PAGE_SIZE")
        virtual = self.bytes.ctypes.data + offset
        with open("/proc/self/pagemap", "rb") as pagemap:
            pagemap.seek(virtual // page * 8)
            entry = int.from_bytes(pagemap.read(8), "little")
        require(entry >> 63 == 1, "page of {:#x} is not present".format(virtual))
        frame = entry & ((1 << 55) - 1)
        require(frame != 0, "page frame numbers are hidden from this user")
        return frame * page + virtual % page

    def contiguous_bytes(self, offset):
        page = os.sysconf("SC_PAGE_SIZE")
        return page - (self.bytes.ctypes.data + offset) % page


class UDmaBuf:
    """The reference system's buffer: one physical range, mapped so that every port can use it, shared by all programs."""

    def __init__(self, size):
        directory = "/sys/class/u-dma-buf/" + U_DMA_BUF
        self._size = int(read_text(directory + "/size"))
        require(size <= self._size, "the buffer has only {} bytes".format(self._size))
        self._address = int(read_text(directory + "/phys_addr"), 16)
        fd = os.open("/dev/" + U_DMA_BUF, os.O_RDWR | os.O_SYNC)
        self._map = mmap.mmap(fd, size, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE, offset=0)
        os.close(fd)
        self.bytes = np.frombuffer(self._map, np.uint8)

    def physical_address(self, offset):
        return self._address + offset

    def contiguous_bytes(self, offset):
        return self._size - offset


BUFFERS = {"numpy": NumpyBuffer, "u-dma-buf": UDmaBuf}
