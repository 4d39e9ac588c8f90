import { PCI_DEVICES } from "../linux/pci";
import type { Place, Verdict } from "./finding";

/** Source: kernel `security/lockdown/lockdown.c`; the level in force is in brackets. */
const LOCKDOWN = "/sys/kernel/security/lockdown";

/** Whether the kernel keeps root from the hardware, as after a secure boot: of what scripts use, that is PCI devices. */
export function lockdown({ target }: Place): Verdict | undefined {
  const [, level] = /\[(\w+)\]/.exec(target.readText(LOCKDOWN) ?? "") ?? [];
  if (level === undefined) return undefined;
  if (level === "none") return { status: "ok", found: level };
  if (target.list(PCI_DEVICES).length === 0) return { status: "ok", found: `${level}, and there are no PCI devices` };
  return {
    status: "warning",
    found:
      `${level}: PCI devices cannot be made bus masters, nor interrupt through uio_pci_generic, nor be used where their ` +
      "driver does not offer their registers; boot without lockdown= and secure boot for that",
  };
}
