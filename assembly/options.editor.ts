/** For editors only, by `moduleSuffixes` in `tsconfig.script.json`: see options.ts. */
export type Options<T> = { [Key in keyof T]?: T[Key] };
