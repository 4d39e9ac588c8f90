import type { PinMechanism, PinMechanismState } from "../memory/pins";
import { setKernel } from "./commands";
import type { Place, Verdict } from "./finding";
import { raiseLockedMemory } from "./locked-memory";
import { isFiltered, type Machine } from "./machine";

const IO_URING_DISABLED = "/proc/sys/kernel/io_uring_disabled";
/** What the kernel answers when the limit on locked memory is reached. */
const LIMIT_REACHED = ["ENOMEM", "ENOBUFS", "EAGAIN"];

const VERDICTS: Record<PinMechanism, Pick<Verdict, "status" | "found">> = {
  io_uring: { status: "ok", found: "io_uring is used" },
  af_xdp: { status: "ok", found: "af_xdp is used" },
  hugetlb: { status: "warning", found: "hugetlb is used: every pin takes whole huge pages" },
  mlock: { status: "warning", found: "mlock is used, which is best effort: the kernel may still move pages" },
};

/** The mechanism that a run would use, unless it is told another one. */
export function chosenPins(machine: Machine): PinMechanism | undefined {
  return machine.pinMechanisms().find(({ unavailable }) => unavailable === undefined)?.mechanism;
}

/** What keeps pages in place here. */
export function pins({ machine }: Place): Verdict {
  const states = machine.pinMechanisms();
  const chosen = chosenPins(machine);
  const working = states.filter(({ mechanism, unavailable }) => unavailable === undefined && mechanism !== chosen);
  const failing = states.filter(({ unavailable }) => unavailable !== undefined);
  const { status, found } = chosen
    ? VERDICTS[chosen]
    : ({ status: "missing", found: "nothing keeps pages in place here" } as const);
  const setting = machine.files.readText(IO_URING_DISABLED);
  const parts = [
    found,
    ...(working.length > 0 ? [`works too: ${working.map(({ mechanism }) => mechanism).join(", ")}`] : []),
    ...(failing.length > 0 ? [`does not: ${failing.map(describe).join(", ")}`] : []),
    ...(setting === undefined || setting === "0" ? [] : [`kernel.io_uring_disabled is ${setting}`]),
  ];
  return { status, found: parts.join("; "), fix: status === "ok" ? undefined : mendIoUring(machine, setting) };
}

function describe({ mechanism, unavailable = "" }: PinMechanismState): string {
  return `${mechanism} (${unavailable === "ERR_AXI_NO_HUGE_PAGES" ? "no free huge pages" : unavailable})`;
}

function mendIoUring(machine: Machine, setting: string | undefined): string | undefined {
  const code = machine.pinMechanisms().find(({ mechanism }) => mechanism === "io_uring")?.unavailable ?? "";
  if (setting === "1" || setting === "2") return setKernel(machine, "kernel.io_uring_disabled", 0);
  if (LIMIT_REACHED.includes(code)) return raiseLockedMemory(machine);
  return isFiltered(machine) ? "docker run --security-opt seccomp=unconfined IMAGE" : undefined;
}
