import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { temporaryDirectory } from "./temporary";
import { addUioDevice } from "./uio-device";

/** What tests write by name: every kind of register and field, and a transfer. */
export const WIDGET = {
  kind: "Widget",
  summary: "A device for tests.",
  match: {
    uioNames: ["widget"],
    identify: [{ ID: "0x5749_4447" }],
    version: { register: "VERSION", parts: ["MAJOR", "MINOR"], atLeast: "1.2", below: "2.0" },
  },
  registers: [
    { name: "ID", offset: 0, access: "RO" },
    {
      name: "VERSION",
      offset: 4,
      access: "RO",
      fields: [
        { name: "MINOR", bits: "15:0" },
        { name: "MAJOR", bits: "31:16" },
      ],
    },
    {
      name: "CONTROL",
      offset: 8,
      access: "RW",
      fields: [
        { name: "GO", bits: 0 },
        { name: "MODE", bits: "5:4", values: { Grey: 0, Colour: 1 } },
        { name: "LOST", bits: 8, access: "W1C" },
        { name: "BUSY", bits: 31, access: "RO" },
      ],
    },
    { name: "EVENT", offset: 12, access: "RO", readSideEffect: "takes an event out of the queue" },
    { name: "ADDRESS", offset: 16, access: "RW" },
    {
      name: "KEY",
      offset: 20,
      access: "WO",
      fields: [
        { name: "LOW", bits: "15:0" },
        { name: "HIGH", bits: "31:16" },
      ],
    },
    { name: "GAIN", offset: 32, access: "RW", count: 4 },
    { name: "TIME", offset: 48, access: "RW", widthBits: 64 },
    {
      name: "FLAGS",
      offset: 56,
      access: "RW",
      fields: [
        { name: "OVER", bits: 0, access: "W1C" },
        { name: "UNDER", bits: 1, access: "W1C" },
      ],
    },
  ],
  memories: [{ name: "LUT", offset: 256, lengthBytes: 64 }],
  dma: {
    address: { low: "ADDRESS", bits: 32 },
    length: { bytes: 64 },
    alignmentBytes: 64,
    burstBytes: 64,
    transfers: [{ name: "grab", direction: "writes", start: "CONTROL.GO" }],
  },
  idle: [{ "CONTROL.BUSY": 0 }],
} as const;

/** A sysroot with a widget as `uio0`, another device without description as `uio1`, and the widget's description. */
export function widgetSysroot(words: Readonly<Record<number, number>> = {}): {
  readonly sysroot: string;
  readonly deviceDirectories: readonly string[];
} {
  const sysroot = temporaryDirectory();
  const registers = Buffer.alloc(4096);
  const content = { 0: 0x57494447, 4: 0x00010002, ...words };
  for (const [offset, value] of Object.entries(content)) registers.writeUInt32LE(value, Number(offset));
  addUioDevice(sysroot, "uio0", { name: "widget", note: "left", registers });
  addUioDevice(sysroot, "uio1", { name: "mystery" });
  const descriptions = temporaryDirectory();
  writeFileSync(join(descriptions, "widget.json"), JSON.stringify(WIDGET));
  return { sysroot, deviceDirectories: [descriptions] };
}
