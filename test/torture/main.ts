import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { seesPageFrames } from "../support/rights";
import { faultsOf, torture, TORTURE_PROVOCATIONS, type TortureReport } from "./torture";

const HELP = `npm run torture -- [--seconds N] [--transfers N] [--json FILE] [--pins on|off|until-moved]
                          [--provocations NAME,NAME]
                          [--script TORTURE.wasm --devices DIR]

Transfers between a virtual board's AXI Proxies and every kind of memory that a device may be given, each checked byte by
byte, while other processes force compaction, collapse, khugepaged and memory pressure, and the process itself forks without
end (--provocations: some of compaction, collapse, khugepaged, pressure and forks). Needs root: page frame numbers are
checked. With --pins=off pages must move; exit code 0 then says they did. --pins=until-moved ends with the first.

With --script, test/scripts/torture.ts as it was compiled, and --devices, a directory with descriptions of this system's own
AXI Proxies, it is these that transfer.

Example: npm run torture -- --seconds 600 --json torture.json
`;

function show(report: TortureReport): void {
  const { byKind, rounds, unavailable, notes, before, after, ...numbers } = report;
  for (const [name, value] of Object.entries(numbers)) process.stdout.write(`${name}: ${value}\n`);
  for (const [name, values] of Object.entries({ byKind, rounds, before, after })) {
    const list = Object.entries(values ?? {}).map(([what, count]) => `${what} ${count}`);
    process.stdout.write(`${name}: ${list.join(", ")}\n`);
  }
  for (const { name, reason } of unavailable) process.stdout.write(`not available: ${name}: ${reason}\n`);
  for (const note of notes) process.stdout.write(`note: ${note}\n`);
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seconds: { type: "string", default: "60" },
      transfers: { type: "string" },
      json: { type: "string" },
      pins: { type: "string", default: "on" },
      provocations: { type: "string", default: TORTURE_PROVOCATIONS.join(",") },
      script: { type: "string" },
      devices: { type: "string" },
      help: { type: "boolean", short: "h" },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  if (!seesPageFrames()) {
    process.stderr.write("Cannot torture: this user may not see page frame numbers. Run as root.\n");
    return 1;
  }
  const provocations = values.provocations.split(",");
  const unknown = provocations.find((name) => !(TORTURE_PROVOCATIONS as readonly string[]).includes(name));
  if (unknown !== undefined) {
    process.stderr.write(`Cannot torture by "${unknown}": there are ${TORTURE_PROVOCATIONS.join(", ")}.\n`);
    return 2;
  }
  const { script, devices } = values;
  const pins = values.pins === "off" || values.pins === "until-moved" ? values.pins : "on";
  const report = await torture({
    seconds: Number(values.seconds),
    ...(values.transfers === undefined ? {} : { mostTransfers: Number(values.transfers) }),
    pins,
    provocations: TORTURE_PROVOCATIONS.filter((name) => provocations.includes(name)),
    ...(script === undefined || devices === undefined ? {} : { system: { script, devices } }),
    onProgress: (transfers, rounds) => {
      if (!process.stderr.isTTY) return;
      const provoked = Object.entries(rounds).map(([name, count]) => `${name} ${count}`);
      process.stderr.write(`\r\x1b[K${transfers} transfers; ${provoked.join(", ")}`);
    },
  });
  if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
  show(report);
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
  const faults = pins === "on" ? faultsOf(report) : report.movedPages === 0 ? ["no page moved without pins"] : [];
  for (const fault of faults) process.stdout.write(`FAULT: ${fault}\n`);
  return faults.length === 0 ? 0 : 1;
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    process.stderr.write(`${String(error)}\n`);
    process.exitCode = 1;
  },
);
