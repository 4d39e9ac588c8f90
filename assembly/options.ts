/**
 * An object literal that sets some of a class's fields; the others have their initial values. The compiler fills these
 * in by itself; editors read `options.editor.ts` in place of this file.
 */
export type Options<T> = T;
