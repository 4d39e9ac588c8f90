/**
 * For editors only: AssemblyScript's numbers have methods, and its own declarations leave them out because the name
 * `Number` is taken there by an alias. The compiler does not read this file; `tsconfig.script.json` brings it in.
 */
interface Number {
  /** The number in decimal, or in another radix from 2 to 36. */
  toString(radix?: i32): string;
}

/** Runs the collector once, from beginning to end. */
declare function __collect(): void;
