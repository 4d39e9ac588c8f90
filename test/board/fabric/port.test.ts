import { readFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { BurstBus, BurstRun, Response } from "../../../host/board/fabric/bus";
import { BoardRecord } from "../../../host/board/fabric/record";
import { PortBus } from "../../../host/board/fabric/port";
import type { Port } from "../../../host/board/fabric/port-timing";
import { temporaryDirectory } from "../../support/temporary";

const test = suite("ports");

/** Answers OKAY below 4 GiB and DECERR above. */
class Memory implements BurstBus {
  readonly asked: string[] = [];

  read(physicalAddress: number, into: Uint8Array): Response {
    this.asked.push(`read ${physicalAddress} ${into.length}`);
    return physicalAddress < 2 ** 32 ? "OKAY" : "DECERR";
  }

  write(physicalAddress: number, data: Uint8Array): Response {
    this.asked.push(`write ${physicalAddress} ${data.length}`);
    return physicalAddress < 2 ** 32 ? "OKAY" : "DECERR";
  }

  readBursts(physicalAddress: number, into: Uint8Array): BurstRun[] {
    this.asked.push(`readBursts ${physicalAddress} ${into.length}`);
    return this.#halves(physicalAddress, into.length);
  }

  writeBursts(physicalAddress: number, data: Uint8Array): BurstRun[] {
    this.asked.push(`writeBursts ${physicalAddress} ${data.length}`);
    return this.#halves(physicalAddress, data.length);
  }

  #halves(physicalAddress: number, lengthBytes: number): BurstRun[] {
    const half = lengthBytes / 2;
    return [
      { physicalAddress, lengthBytes: half, response: "OKAY" },
      { physicalAddress: physicalAddress + half, lengthBytes: half, response: "DECERR" },
    ];
  }
}

function portOf(port: Port) {
  const memory = new Memory();
  const path = join(temporaryDirectory(), "record.jsonl");
  const log = new BoardRecord(path);
  const bus = new PortBus(memory, { port, core: "a-core@a0000000", record: log });
  const lines = () => {
    log.flush();
    return readFileSync(path, "utf8").trimEnd().split("\n");
  };
  return { memory, bus, log, lines };
}

test("the ACP takes whole aligned lines and single aligned beats; what it refuses does not reach memory", () => {
  const { memory, bus } = portOf("acp");
  for (let offset = 0; offset < 128; offset++) {
    for (const length of [1, 4, 8, 15, 16, 17, 32, 48, 63, 64, 65, 128]) {
      const taken = (length === 64 && offset % 64 === 0) || (length === 16 && offset % 16 === 0);
      assert.is(bus.write(4096 + offset, new Uint8Array(length)), taken ? "OKAY" : "SLVERR", `${length} at ${offset}`);
      assert.is(bus.read(4096 + offset, new Uint8Array(length)), taken ? "OKAY" : "SLVERR");
    }
  }
  assert.is(memory.asked.length, 2 * (2 + 8));
});

test("of bursts that are not aligned the ACP takes none", () => {
  const { memory, bus } = portOf("acp");
  const refused = [{ physicalAddress: 4112, lengthBytes: 256, response: "SLVERR" }];
  assert.equal(bus.writeBursts(4112, new Uint8Array(256), 64), refused);
  assert.equal(bus.readBursts(4112, new Uint8Array(256), 64), refused);
  assert.is(memory.asked.length, 0);
  assert.is(bus.writeBursts(4160, new Uint8Array(256), 64).length, 2);
});

test("HP and HPC take what memory takes", () => {
  for (const port of ["hp", "hpc"] as const) {
    const { memory, bus } = portOf(port);
    assert.is(bus.write(4097, new Uint8Array(33)), "OKAY");
    bus.readBursts(4100, new Uint8Array(128), 64);
    assert.equal(memory.asked, ["write 4097 33", "readBursts 4100 128"]);
  }
});

test("the record has a line for each transfer, refused ones included, and for each run of bursts", () => {
  const { bus, log, lines } = portOf("acp");
  bus.write(0x137302580, new Uint8Array(64));
  bus.read(0x2580, new Uint8Array(64));
  bus.read(0x2584, new Uint8Array(64));
  bus.writeBursts(0x40000, new Uint8Array(512), 64);
  const [first = "", ...others] = lines();
  assert.match(
    first,
    /^\{"time":[\d.]+,"cycle":\d+,"event":"transfer","core":"a-core@a0000000","port":"acp","direction":"write","physicalAddress":"0x137302580","lengthBytes":64,"response":"DECERR"\}$/,
  );
  assert.equal(
    others.map((line) => {
      const { direction, physicalAddress, lengthBytes, response } = JSON.parse(line) as Record<string, unknown>;
      return [direction, physicalAddress, lengthBytes, response];
    }),
    [
      ["read", "0x2580", 64, "OKAY"],
      ["read", "0x2584", 64, "SLVERR"],
      ["write", "0x40000", 256, "OKAY"],
      ["write", "0x40100", 256, "DECERR"],
    ],
  );
  log.close();
});

test("a long record is complete and in order", () => {
  const { bus, log, lines } = portOf("hp");
  for (let i = 0; i < 5000; i++) bus.read(64 * i, new Uint8Array(64));
  log.close();
  assert.equal(
    lines().map((line) => Number((JSON.parse(line) as { physicalAddress: string }).physicalAddress)),
    Array.from({ length: 5000 }, (_, i) => 64 * i),
  );
});

test.run();
