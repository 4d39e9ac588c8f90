/** A number in hexadecimal as Python prints it: `0x1a705340`. */
export function hex(value: u64): string {
  // @ts-ignore: see number.d.ts
  return "0x" + value.toString(16);
}

/** A register value: 8 hexadecimal digits. */
export function hex32(value: u32): string {
  // @ts-ignore: see number.d.ts
  return value.toString(16).padStart(8, "0");
}

/** The elements of any array, as Python prints a list: `[0, 1, 2, 3]`. */
export function list<T extends ArrayLike<number>>(array: T): string {
  let text = "[";
  for (let i = 0; i < array.length; i++) {
    if (i > 0) text += ", ";
    text += `${array[i]}`;
  }
  return text + "]";
}
