/** The kernel side of a board, whichever way it shows its files. */
export interface BoardKernel {
  /** Brings plain files up to date. */
  serve(): void;
  /**
   * Rests until a program asks for something, and does that.
   *
   * @param timeoutMs at the longest; in fractions of a millisecond, too
   * @param wakeFd ends the rest, too, when there is something to read from it; -1: none
   * @returns false if nobody asked
   */
  rest(timeoutMs: number, wakeFd: number): boolean;
  close(): void;
}
