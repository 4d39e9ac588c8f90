/** The kernel side of a board, whichever way it shows its files. */
export interface BoardKernel {
  /** Does what plain files ask for, and brings them up to date. */
  serve(): void;
  /**
   * Rests until a program asks for something, and does that.
   *
   * @param timeoutMs at the longest; in fractions of a millisecond, too
   * @returns false if nobody asked
   */
  rest(timeoutMs: number): boolean;
}
