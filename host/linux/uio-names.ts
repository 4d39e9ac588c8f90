/**
 * What a UIO device is called. Today's kernels name a device as its node in the device tree, with its unit address
 * (`AxiProxy@a0000000`), older ones without it; a script, a description and a permission mean both.
 * Source: kernel `drivers/uio/uio_pdrv_genirq.c`.
 */
const WITH_UNIT_ADDRESS = /^(.+)@([0-9a-f]+(?:,[0-9a-f]+)*)$/i;

/** A name in its two parts. */
export interface UioName {
  /** Without unit address. */
  readonly name: string;
  /** In lower case; absent: the name has none. */
  readonly unitAddress?: string;
}

/** Takes a name apart. */
export function parseUioName(text: string): UioName {
  const [, name, unitAddress] = WITH_UNIT_ADDRESS.exec(text) ?? [];
  return name === undefined || unitAddress === undefined
    ? { name: text }
    : { name, unitAddress: unitAddress.toLowerCase() };
}

/** Whether a name, with or without unit address, means a device. */
export function means(text: string, device: UioName): boolean {
  const asked = parseUioName(text);
  if (asked.name !== device.name) return false;
  return asked.unitAddress === undefined || asked.unitAddress === device.unitAddress;
}

/** `AxiProxy@a0000000`, or `AxiProxy` where there is no unit address. */
export function formatUioName({ name, unitAddress }: UioName): string {
  return unitAddress === undefined ? name : `${name}@${unitAddress}`;
}

/** As {@link means}, for `NAME` or `NAME:NOTE`. */
export function meansWithNote(text: string, device: UioName & { readonly note: string }): boolean {
  const note = `:${device.note}`;
  return means(text, device) || (text.endsWith(note) && means(text.slice(0, -note.length), device));
}
