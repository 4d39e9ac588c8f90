import { refuseTranslation } from "../../../linux/iommu";
import { allowBusMastering } from "../../../linux/pci";
import { awaitUioDevice, openUioWindow, type UioDeviceInfo, type UioOpening } from "../../../linux/uio";
import type { DeviceInterrupt } from "../../../dma/device-window";
import { checkWait, waitUntil } from "../../../util/wait";
import { AxiscriptError, hex } from "../../../util/errors";
import { POLL_TIMED_OUT } from "../../../gate/layout";
import type { HostFunctions } from "../abi";
import type { HostResults } from "./results";
import type { HostServices } from "./services";

/** Of a count of interrupts, the bits that a result can hold beside errno. */
const COUNT_MASK = 0x7fffffff;

/** Devices: their registers through the gate, turns, and interrupts. */
export function uioFunctions(
  { memory, gate, sysroot, fpga, catalog, permissions }: HostServices,
  { number, done }: HostResults,
): HostFunctions["axiscript:uio@1"] {
  /** Windows that were opened, and may be closed by now: each with its device. */
  const opened = new Map<number, { readonly deviceId: string; readonly map: number; readonly fd: number }>();
  /** A descriptor of a device that this script has open for itself alone, with another map. */
  const besideOf = ({ id }: UioDeviceInfo, map: number): number | undefined => {
    for (const window of [...opened.keys()]) if (gate.lengthOf(window) === undefined) opened.delete(window);
    const ofDevice = [...opened.values()].filter(({ deviceId }) => deviceId === id);
    return ofDevice.some((other) => other.map === map) ? undefined : ofDevice[0]?.fd;
  };
  const openDevice = (name: string, note: string, { shared = false, map = 0 }: UioOpening) => {
    const device = awaitUioDevice(sysroot, name, note, fpga.settlingMs, catalog);
    // What was found, not what was asked for: `uio0` is a name for anything. Its file is still closed.
    const { unitAddress } = device;
    const found = { device: device.name, ...(unitAddress !== undefined && { unitAddress }), note: device.note };
    permissions.require({ name: "device", ...found });
    // A description is about the device's first range.
    const description = map === 0 ? catalog.describe(sysroot, device) : undefined;
    // A device without registers starts no transfer.
    const dma = description?.dma ?? (device.maps.length > 0 ? "unchecked" : "none");
    if (dma === "unchecked") permissions.require({ name: "unchecked-dma", ...found });
    if (dma !== "none") refuseTranslation(sysroot, device);
    const beside = shared ? undefined : besideOf(device, map);
    const opening = openUioWindow(sysroot, device, { shared, map, ...(beside !== undefined && { beside }) });
    const window = gate.open({ ...opening, shared, ...(description && { description }) });
    if (!shared) opened.set(window, { deviceId: device.id, map, fd: opening.fd });
    // Not before it is known to be what its description says.
    if (device.pci && dma !== "none") allowBusMastering(sysroot, device.pci);
    return window;
  };
  const interruptOf = (window: number): DeviceInterrupt => {
    const interrupt = gate.interruptOf(window);
    if (!interrupt) throw noWindow(window);
    return interrupt;
  };
  const wordsAt = (guestPtr: number, lengthBytes: number): Uint32Array => {
    const bytes = memory.view(guestPtr, lengthBytes);
    if (bytes.byteOffset % 4 === 0 && bytes.byteLength % 4 === 0) {
      return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
    }
    throw new AxiscriptError(
      "ERR_AXI_BAD_ARGUMENT",
      `Cannot copy ${bytes.byteLength} bytes at guest pointer ${hex(bytes.byteOffset)}: both are multiples of 4.`,
    );
  };

  return {
    read32: gate.exports.read32,
    write32: gate.exports.write32,
    read64: gate.exports.read64,
    write64: gate.exports.write64,
    poll32: gate.exports.poll32,
    open: (namePtr: number, nameLength: number, notePtr: number, noteLength: number) =>
      number(() => openDevice(memory.text(namePtr, nameLength), memory.text(notePtr, noteLength), {})),
    open_shared: (namePtr: number, nameLength: number, notePtr: number, noteLength: number) =>
      number(() => openDevice(memory.text(namePtr, nameLength), memory.text(notePtr, noteLength), { shared: true })),
    open_map: (namePtr: number, nameLength: number, notePtr: number, noteLength: number, map: number) =>
      number(() => openDevice(memory.text(namePtr, nameLength), memory.text(notePtr, noteLength), { map: map >>> 0 })),
    acquire: (window: number, timeoutMs: number) =>
      number(() => {
        const acquired = gate.acquire(window, 0);
        if (acquired === undefined) throw noWindow(window);
        const isMine = acquired || waitUntil(() => gate.acquire(window, 0) === true, timeoutMs >>> 0);
        return isMine ? 0 : POLL_TIMED_OUT;
      }),
    release: (window: number) =>
      done(() => {
        const released = gate.release(window);
        if (released === undefined) throw noWindow(window);
        if (!released) throw stillAtWork(window);
      }),
    read_block: (window: number, offset: number, guestPtr: number, lengthBytes: number) =>
      done(() => {
        if (!gate.readBlock(window, offset >>> 0, wordsAt(guestPtr, lengthBytes))) throw noWindow(window);
      }),
    write_block: (window: number, offset: number, guestPtr: number, lengthBytes: number) =>
      done(() => {
        if (!gate.writeBlock(window, offset >>> 0, wordsAt(guestPtr, lengthBytes))) throw noWindow(window);
      }),
    idle_when: (window: number, offset: number, mask: number, value: number) =>
      done(() => {
        if (!gate.addIdleCondition(window, offset, { mask, value })) throw noWindow(window);
      }),
    close: (window: number) =>
      done(() => {
        if (!gate.close(window)) throw noWindow(window);
      }),
    size: (window: number) =>
      number(() => {
        const length = gate.lengthOf(window);
        if (length === undefined) throw noWindow(window);
        return length;
      }),
    interrupt_enable: (window: number, on: number) => done(() => interruptOf(window).enable(on !== 0)),
    interrupt_wait: (window: number, timeoutMs: number) =>
      number(() => {
        const count = interruptOf(window).wait(timeoutMs, checkWait);
        return count === undefined ? POLL_TIMED_OUT : count & COUNT_MASK;
      }),
  };
}

function stillAtWork(window: number): AxiscriptError {
  return new AxiscriptError(
    "ERR_AXI_DEVICE_BUSY",
    `Cannot give the device of window ${window} to others: a transfer is under way. Wait until it is done.`,
  );
}

function noWindow(window: number): AxiscriptError {
  return new AxiscriptError(
    "ERR_AXI_BAD_ARGUMENT",
    `Cannot use window ${window}: no device is open under that number.`,
  );
}
