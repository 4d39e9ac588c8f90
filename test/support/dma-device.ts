import { openSync, readFileSync, writeFileSync } from "node:fs";
import type { DeviceDescription } from "../../host/description/description";
import { readDescription } from "../../host/description/description-file";
import { Gate } from "../../host/gate/gate";
import { pageSizeBytes } from "../../host/native/libc";
import { temporaryFile } from "./temporary";

/** Offsets of the device's registers. */
export const REGISTER = {
  ID: 0x00,
  VERSION: 0x04,
  STATUS: 0x08,
  CONTROL: 0x0c,
  ADDR_LO: 0x10,
  ADDR_HI: 0x14,
  LENGTH: 0x18,
  KEY: 0x1c,
  DATA: 0x20,
  WIDE: 0x28,
  DOORBELL: 0x30,
  GAP: 0x34,
  BUFFER: 0x100,
  ROM: 0x180,
} as const;
export const START = { write: 1, read: 2, wide: 4 } as const;
export const [ID_VALUE, VERSION_VALUE] = [0xd31a0001, 0x00020103];

const DESCRIPTION = {
  kind: "TestDma",
  title: "Test DMA",
  summary: "A device with one register of each sort.",
  source: "invented for tests",
  match: {
    uioNames: ["TestDma"],
    identify: [{ ID: "0xd31a0001" }],
    version: { register: "VERSION", parts: ["MAJOR", "MINOR", "PATCH"], atLeast: "2.1.0", below: "3.0.0" },
  },
  registers: [
    { name: "ID", offset: "0x00", access: "RO" },
    {
      name: "VERSION",
      offset: "0x04",
      access: "RO",
      fields: [
        { name: "PATCH", bits: "7:0" },
        { name: "MINOR", bits: "15:8" },
        { name: "MAJOR", bits: "23:16" },
      ],
    },
    {
      name: "STATUS",
      offset: "0x08",
      access: "RO",
      fields: [
        { name: "READY", bits: 0 },
        { name: "DONE", bits: 1 },
      ],
    },
    {
      name: "CONTROL",
      offset: "0x0c",
      access: "RW",
      fields: [
        { name: "WRITE", bits: 0, access: "pulse" },
        { name: "READ", bits: 1, access: "pulse" },
        { name: "WIDE", bits: 2, access: "pulse" },
        { name: "OTHER", bits: 8 },
      ],
    },
    { name: "ADDR_LO", offset: "0x10", access: "RW" },
    { name: "ADDR_HI", offset: "0x14", access: "RW" },
    { name: "LENGTH", offset: "0x18", access: "RW", fields: [{ name: "COUNT", bits: "19:0" }] },
    { name: "KEY", offset: "0x1c", access: "WO" },
    { name: "DATA", offset: "0x20", access: "RW", count: 2 },
    { name: "WIDE", offset: "0x28", access: "RW", widthBits: 64 },
    { name: "DOORBELL", offset: "0x30", access: "RW" },
  ],
  memories: [
    { name: "BUFFER", offset: "0x100", lengthBytes: 128, access: "RW" },
    { name: "ROM", offset: "0x180", lengthBytes: 64, access: "RO" },
  ],
  dma: {
    address: { low: "ADDR_LO", high: "ADDR_HI", bits: 40 },
    length: { register: "LENGTH.COUNT", unitBytes: 16 },
    alignmentBytes: 16,
    burstBytes: 256,
    busyWithinUs: 0,
    parameters: ["DATA"],
    transfers: [
      { name: "write", direction: "writes", start: "CONTROL.WRITE" },
      { name: "read", direction: "reads", start: "CONTROL.READ" },
    ],
  },
  idle: [{ anyOf: [{ "STATUS.READY": 1 }, { "STATUS.DONE": 1 }] }],
  rest: [{ "CONTROL.OTHER": 1 }],
};

/** A description of a device with one register of each sort; `changes` replace parts of it. */
export function testDescription(changes: Record<string, unknown> = {}): DeviceDescription {
  return readDescription(temporaryFile("test-dma.json", JSON.stringify({ ...DESCRIPTION, ...changes })));
}

/** A device that is a file: it does nothing by itself, and shows what it was given. */
export class DmaDevice {
  readonly gate = new Gate();
  readonly path: string;
  readonly window: number;

  constructor(description = testDescription(), { shared = false, path = newDevice() } = {}) {
    this.path = path;
    this.window = this.gate.open({
      deviceName: "TestDma:one",
      fd: openSync(path, "r+"),
      ...{ fileOffset: 0, startBytes: 0, lengthBytes: 512 },
      ...{ description, shared },
    });
  }

  read(offset: number): number {
    return this.gate.exports.read32(this.window, offset) >>> 0;
  }

  write(offset: number, value: number): void {
    this.gate.exports.write32(this.window, offset, value);
  }

  /** What a script does to start a transfer. */
  start(start: number, physicalAddress: number, units: number): void {
    this.write(REGISTER.ADDR_HI, Math.floor(physicalAddress / 2 ** 32));
    this.write(REGISTER.ADDR_LO, physicalAddress % 2 ** 32);
    this.write(REGISTER.LENGTH, units);
    this.write(REGISTER.CONTROL, start);
  }

  /** What the device does with a start: it takes it. */
  take(): void {
    this.set(REGISTER.CONTROL, 0);
  }

  /** What the device has in its registers. */
  get bytes(): Buffer {
    return readFileSync(this.path).subarray(0, 512);
  }

  word(offset: number): number {
    return this.bytes.readUInt32LE(offset);
  }

  /** What the device itself does to a register. */
  set(offset: number, value: number): void {
    setRegister(this.path, offset, value);
  }
}

/** The register file of a device that is ready. */
export function newDevice(): string {
  const path = temporaryFile("registers", Buffer.alloc(pageSizeBytes));
  setRegister(path, REGISTER.ID, ID_VALUE);
  setRegister(path, REGISTER.VERSION, VERSION_VALUE);
  setRegister(path, REGISTER.STATUS, 1);
  return path;
}

export function setRegister(path: string, offset: number, value: number): void {
  const word = Buffer.alloc(4);
  word.writeUInt32LE(value >>> 0);
  const file = readFileSync(path);
  word.copy(file, offset);
  writeFileSync(path, file, { flag: "r+" });
}
