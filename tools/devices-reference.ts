import type {
  DeviceDescription,
  DmaEngine,
  DmaTransfer,
  FieldDescription,
  RegisterCondition,
  RegisterDescription,
} from "../host/description/description";

const INTRODUCTION = `# Devices

What axiscript knows of a kind of device, and how to tell it of another. The tables at the end are generated from
\`devices/*.json\` by \`npm run docs\`.

A description is one JSON file. It says how the device is recognised, which registers it has, and how it reaches memory.
The gate lets a script do what it says and nothing else; \`axiscript peek\`, \`poke\` and \`generate\` use its names. Without
one, a device has 32-bit registers wherever its window reaches, and needs \`--allow-unchecked-dma\`.

\`\`\`
axiscript run --devices DIR script.ts              # DIR/*.json, beside those that axiscript has
axiscript generate my-device.json -o my-device.ts  # typed registers for scripts
axiscript devices --devices DIR                    # which devices there are, and of what kind
axiscript peek --devices DIR my-device STATUS      # a register by name; all without one
axiscript poke --devices DIR my-device CONTROL.MODE Fast
\`\`\`

## An example

\`\`\`json
{
  "kind": "FrameGrabber",
  "summary": "Writes frames of a camera into memory.",
  "source": "FrameGrabber user guide 1.2",
  "match": {
    "uioNames": ["frame-grabber"],
    "properties": { "position": "left" },
    "identify": [{ "ID": "0x4652_4d47" }],
    "version": { "register": "VERSION", "parts": ["MAJOR", "MINOR"], "atLeast": "1.2", "below": "2.0" }
  },
  "registers": [
    { "name": "ID", "offset": "0x00", "access": "RO", "reset": "0x46524d47", "summary": "Reads FRMG." },
    {
      "name": "VERSION", "offset": "0x04", "access": "RO", "summary": "Of the core.",
      "fields": [{ "name": "MINOR", "bits": "15:0" }, { "name": "MAJOR", "bits": "31:16" }]
    },
    {
      "name": "CONTROL", "offset": "0x08", "access": "RW", "reset": 0, "summary": "What it does.",
      "fields": [
        { "name": "GO", "bits": 0, "access": "pulse", "summary": "Grabs a frame." },
        { "name": "MODE", "bits": "5:4", "values": { "Grey": 0, "Colour": 1 }, "summary": "Of the next frame." },
        { "name": "LOST", "bits": 8, "access": "W1C", "summary": "A frame was lost." },
        { "name": "BUSY", "bits": 31, "access": "RO", "summary": "A frame is on its way." }
      ]
    },
    { "name": "EVENT", "offset": "0x0c", "access": "RO", "readSideEffect": "takes an event out of the queue" },
    { "name": "ADDRESS", "offset": "0x10", "access": "RW", "summary": "Where the frame goes." },
    { "name": "LINES", "offset": "0x14", "access": "RW", "summary": "How many lines of 4096 bytes it has." },
    { "name": "GAIN", "offset": "0x20", "count": 4, "access": "RW", "summary": "Of each channel." },
    { "name": "TIME", "offset": "0x30", "widthBits": 64, "access": "RO", "summary": "Of the last frame, in nanoseconds." }
  ],
  "memories": [{ "name": "LUT", "offset": "0x1000", "lengthBytes": "0x400", "summary": "Maps levels to levels." }],
  "elsewhere": "reads-zero",
  "dma": {
    "address": { "low": "ADDRESS", "bits": 32 },
    "length": { "register": "LINES", "unitBytes": 4096 },
    "alignmentBytes": 64,
    "burstBytes": 256,
    "busyWithinUs": 0,
    "parameters": ["GAIN"],
    "transfers": [{ "name": "grab", "direction": "writes", "start": "CONTROL.GO" }]
  },
  "idle": [{ "CONTROL.BUSY": 0 }],
  "rest": [{ "CONTROL.LOST": 1 }]
}
\`\`\`

A mistake is an error with its place: \`my-device.json:12:17: Cannot use register "ADRESS": there is none. Did you mean
ADDRESS?\` Whole numbers are written \`16\`, \`"0x10"\` or \`"0b1_0000"\`.

In an editor, \`"$schema": "PATH/TO/node_modules/axiscript/devices/device.schema.json"\` brings completion.

Scripts then have classes with typed registers and fields, from \`axiscript generate frame-grabber.json -o frame-grabber.ts\`:

\`\`\`ts
import { DmaBuffer, UioDevice } from "axiscript/assembly";
import { FrameGrabberCONTROL, FrameGrabberRegisters } from "./frame-grabber";

const grabber = new FrameGrabberRegisters(UioDevice.open("frame-grabber"));
const frame = DmaBuffer.alloc(1080 * 4096);
grabber.ADDRESS = <u32>frame.segments[0].physicalAddress; // a write
grabber.LINES = <u32>(frame.segments[0].lengthBytes / 4096);
const control = grabber.CONTROL; // one read, and then
if (!control.BUSY && !control.LOST) {
  grabber.modifyCONTROL_MODE(FrameGrabberCONTROL.MODE_Colour); // a read and a write, which keep the rest
  grabber.modifyCONTROL_GO(); // likewise, with LOST as 0
}
grabber.pollCONTROL(FrameGrabberCONTROL.BUSY, 0, 100);
console.log(grabber.readEVENT().toString()); // no property: it does something
\`\`\`

Each of them is inlined, and makes the accesses that its name says: properties and \`write…\` one, \`modify…\` a read and a write.
A register that is RO cannot be written, one that is WO not be read. An argument that does not fit its field aborts.

## What may be in it

| name | what it says |
|---|---|
| \`kind\` | name of the kind, and of the generated classes: \`FrameGrabberRegisters\` |
| \`title\`, \`summary\`, \`source\` | what people call it (if other than \`kind\`), what it is for, where the facts come from; only \`summary\` must be there |
| \`match.uioNames\` | names in \`/sys/class/uio/uioN/name\` |
| \`match.pci\` | PCI devices, see [below](#on-the-pci-bus); there is this, or \`match.uioNames\`, or both |
| \`match.properties\` | device-tree properties, with a text that they must have; of several descriptions that match, the one with more of these counts |
| \`match.identify\` | conditions on registers that show that it is this device; asked first, in order, before anything else is read |
| \`match.version\` | versions for which the description is true: \`atLeast\` <= version < \`below\`; \`parts\` are fields, the most significant first |
| \`registers\` | see below |
| \`memories\` | parts that behave like memory: \`name\`, \`offset\`, \`lengthBytes\`, and \`access\` and \`summary\` if there is something to say; block copies are for these |
| \`elsewhere\` | what the device does at other offsets: \`"refused"\` (nothing is known; the default) or \`"reads-zero"\` (reads 0, ignores writes) |
| \`dma\` | how the device reaches memory (see below); \`"none"\` for a device that does not; \`"unchecked"\` for one that does in a way that cannot be described, such as by lists of descriptors in memory: it has names, and opening it takes \`--allow-unchecked-dma\` |
| \`idle\` | conditions that all hold while no transfer is under way, asked in this order; a device with \`dma\` has some |
| \`rest\` | writes that bring an idle device to rest, for the next user |

A **register** has a \`name\`, an \`offset\` in bytes and an \`access\`: \`RO\`, \`RW\` or \`WO\`. It may have a \`summary\`, a
\`reset\` value, \`fields\`, and \`widthBits\` 64 in place of 32. \`readSideEffect\` says what reading it changes: such a register is
read only when somebody asks for it by name. With \`count\` it is an array, whose elements are \`GAIN0\`, \`GAIN1\` and so on,
\`strideBytes\` apart (their width if that is not there).

A **field** has a \`name\` and \`bits\` (\`3\` or \`"7:0"\`), and may have a \`summary\`, names of \`values\`, and an \`access\` other
than the register's: \`W1C\` is cleared by writing 1; \`pulse\` has an effect when 1 is written, and reads 0.

A **condition** names fields of one register, or all of it, with their values: \`{ "STATUS.READY": 1, "STATUS.MODE": "Idle" }\`. The
register is read once. \`{ "anyOf": [{ "STATUS.READY": 1 }, { "STATUS.DONE": 1 }] }\` holds if one of them does. A **write**
looks the same; bits that are not named are written as 0.

The **DMA engine** says what the gate must know to let no transfer leave the memory that a script was granted:

| name | what it says |
|---|---|
| \`busyWithinUs\` | how soon after a start the device shows that it is at work, at the latest: see [below](#when-a-device-is-idle) |
| \`transfers\` | each with a \`name\`, a \`direction\` as seen from the device (\`"reads"\` memory or \`"writes"\` it), and its \`start\`: the field whose writing as 1 starts it, or a register of which any write does, one of 0 too |
| \`address\` | registers \`low\` and, above 32 bits, \`high\`, of 32 bits each, and how many \`bits\` of it reach the bus |
| \`length\` | \`{ "bytes": 64 }\`, or a \`register\` (or its field at bit 0), what one of its units is, \`unitBytes\`, and its \`encoding\`: \`"units"\`, as if it is not there, or \`"units-minus-one"\` |
| \`alignmentBytes\` | every transfer begins at a multiple of this |
| \`burstBytes\` | what one burst moves: no burst crosses a boundary of 4096 bytes |
| \`parameters\` | other registers that a transfer depends on: written to the device only when a start goes through |

A transfer that has an \`address\`, \`length\` or \`busyWithinUs\` of its own has them beside its name. One that goes on beside
the others, as a channel of its own, has its own \`idle\`: then it waits for no other transfer, and none waits for it. The
transfers without one are a channel together. A start gives the device the registers of the transfers that it starts, and
the \`parameters\`.

## When a device is idle

Memory is given back, and a channel is started again, only when its device is idle. Just after a start a device looks idle that
is not: it has not taken the start, or its BUSY rises late. So what \`idle\` says counts from when one of these was seen since
the start:

| | what is seen |
|---|---|
| nothing said | the conditions did not hold once, at a look of the gate or of the script (\`read32\`, \`poll32\`). A transfer that is over sooner than anybody looks is never seen: the device counts as at work |
| \`done\` of a transfer: \`{ "STATUS.DONE": 1 }\` | the register shows it, and did not when the transfer was started. The device shows it until software clears it, or the next transfer begins |
| \`busyWithinUs\`: 0 to 10 | the start bit reads 0 again, which takes a start of access \`pulse\`, and so many microseconds have passed. 0: the next read shows that the device is at work, or has ended |

While a start bit has not been taken, its register is not written; a start is not taken back. What a script itself writes into a
register that \`idle\` names is not believed for 0.1 s while the device is at work: the virtual board puts it back when it looks.

A device that nobody checks may be started by any write. It is idle when its conditions (\`idle\`, else
\`UioDevice.idleWhen\`) did not hold once since the last write, and hold now; or have held for 0.1 s.

## On the PCI bus

The UIO drivers for PCI name devices after themselves. So a description says which PCI devices it is about, and scripts know
them by its \`kind\`:

\`\`\`json
"match": { "pci": [{ "id": "1234:11e8", "bar": 0 }] }
\`\`\`

| name | what it says |
|---|---|
| \`id\` | vendor and device, as \`lspci -n\` shows them |
| \`bar\` | the base address register behind which the registers are: 0 to 5 |
| \`address\` | the one device at this place, \`"0000:00:04.0"\`, where others have the same id |
| \`note\` | what tells devices of the kind apart, as the device-tree property \`jan-note\` does: \`UioDevice.open("AxiProxy", "hpc")\` |

Any UIO driver will do, for example the one that takes all PCI devices whose interrupt line can be masked:

\`\`\`sh
modprobe uio_pci_generic
echo "1234 11e8" > /sys/bus/pci/drivers/uio_pci_generic/new_id
\`\`\`

Where the driver offers the range as a map, \`/dev/uioN\` is mapped; else (an older \`uio_pci_generic\` offers none)
\`/sys/bus/pci/devices/ADDRESS/resourceB\`. Bus mastering is switched on for devices whose description has a DMA engine, once
they are found to be what it says. Interrupts are those of the line, INTx; a driver that cannot enable them leaves that to the
device's command register, which is done here. \`UioDevice.open("pci:1234:11e8")\` opens a device by its id, also one that
nobody has described: its first map or BAR, with \`--allow-unchecked-dma=pci:1234:11e8\`.

## Precedence

Your description takes the place of one of axiscript's that has the same \`kind\`, and comes before it for a device that both
match. Two of your own for the same device are an error.
`;

const ACCESS_TO_MEMORY = {
  none: "It has no access to memory.",
  unchecked: "How it reaches memory is not checked: opening it takes `--allow-unchecked-dma`.",
} as const;

/** The documentation of device descriptions, in Markdown: how they are written, and those that ship. */
export function devicesReference(shipped: readonly DeviceDescription[]): string {
  return [INTRODUCTION, ...shipped.map(describeDevice)].join("\n");
}

function describeDevice(description: DeviceDescription): string {
  const { kind, title, summary, source, match, registers, dma, idle } = description;
  const names = [
    ...(match.uioNames.length > 0 ? [`UIO name ${match.uioNames.map((name) => `\`${name}\``).join(" or ")}`] : []),
    ...match.pci.map(({ id, bar }) => `PCI device \`${id}\`, BAR ${bar}`),
  ];
  const facts = [
    `Kind \`${kind}\`; ${names.join("; ")}.`,
    ...(match.identify.length > 0 ? [`Recognised by ${match.identify.map(describeCondition).join(", then ")}.`] : []),
    ...(match.version
      ? [`Versions from ${match.version.atLeast.join(".")} on, below ${match.version.below.join(".")}.`]
      : []),
    ...(typeof dma === "string" ? [ACCESS_TO_MEMORY[dma]] : [describeDma(dma)]),
    ...(idle.length > 0 ? [`Idle while ${idle.map(describeCondition).join(", and then ")}.`] : []),
  ];
  const rows = registers.flatMap((register) => [registerRow(register), ...register.fields.map(fieldRow)]);
  return [
    `## ${title}`,
    "",
    `${summary} Source: ${source}.`,
    "",
    ...facts.map((fact) => `- ${fact}`),
    "",
    "| offset | register | bits | field | access | reset | |",
    "|---|---|---|---|---|---|---|",
    ...rows,
    "",
  ].join("\n");
}

function registerRow({ offset, name, widthBits, access, reset, summary, readSideEffect }: RegisterDescription): string {
  const about = readSideEffect === undefined ? summary : `${summary} Reading it has a side effect: ${readSideEffect}.`;
  return row(
    ...[`\`${hex(offset, 2)}\``, `**${name}**`, "", "", access],
    ...[reset === undefined ? "" : `\`${hex(reset, widthBits / 4)}\``, about],
  );
}

function fieldRow(field: FieldDescription): string {
  const values = [...field.values].map(([name, value]) => `${value} ${name}`).join(", ");
  const about = [field.summary, values].filter(Boolean).join(" ");
  return row("", "", bits(field), field.name, field.access, "", about);
}

function row(...cells: readonly string[]): string {
  return `|${cells.map((cell) => (cell === "" ? " " : ` ${cell.trim()} `)).join("|")}|`;
}

function describeDma({ transfers, alignmentBytes, burstBytes, parameters }: DmaEngine): string {
  const texts = transfers.map((each) => {
    const { name, direction, start, address, length } = each;
    const started = start.register.fields.find((field) => maskOf(field) === start.mask);
    const by = started ? `${start.register.name}.${started.name}` : `any write to ${start.register.name}`;
    const where = address.high ? `${address.high.name} and ${address.low.name}` : address.low.name;
    const units = length.register && (length.extraUnits > 0 ? `${length.register.name} + 1` : length.register.name);
    const long = length.register ? `${units} times ${length.unitBytes} bytes` : `${length.bytes} bytes`;
    return `\`${name}\` ${direction} ${long} from ${where} on (${address.bits} bits), started by ${by}${shownBy(each)}`;
  });
  const held = parameters.length > 0 ? `; it depends on ${parameters.map(({ name }) => name).join(", ")}` : "";
  return `Transfers: ${texts.join("; ")}. Aligned to ${alignmentBytes} bytes, in bursts of ${burstBytes}${held}.`;
}

/** What shows that a transfer is under way, or has ended, beside the device's idle conditions. */
function shownBy({ idle, done, busyWithinUs }: DmaTransfer): string {
  return [
    ...(busyWithinUs === undefined ? [] : [`at work within ${busyWithinUs} µs`]),
    ...(idle ? [`idle while ${idle.map(describeCondition).join(", and then ")}`] : []),
    ...(done ? [`done when ${describeCondition({ register: done.register, values: [done.value] })}`] : []),
  ]
    .map((text) => `, ${text}`)
    .join("");
}

function describeCondition({ register, values }: RegisterCondition): string {
  const one = ({ mask, value }: { mask: number; value: number }) => {
    const whole = register.fields.filter((field) => (maskOf(field) & mask) >>> 0 === maskOf(field));
    if (whole.length === 0 || mask === 0xffffffff) return `${register.name} is \`${hex(value, 8)}\``;
    return whole
      .map((field) => `${register.name}.${field.name} is ${((value & maskOf(field)) >>> 0) / 2 ** field.leastBit}`)
      .join(" and ");
  };
  return values.map(one).join(" or ");
}

function maskOf({ leastBit, widthBits }: FieldDescription): number {
  return ((2 ** Math.min(widthBits, 32) - 1) * 2 ** leastBit) >>> 0;
}

function bits({ leastBit, widthBits }: FieldDescription): string {
  return widthBits === 1 ? String(leastBit) : `${leastBit + widthBits - 1}:${leastBit}`;
}

function hex(value: bigint | number, digits: number): string {
  return `0x${value.toString(16).padStart(digits, "0")}`;
}
