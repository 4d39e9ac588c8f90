import type { WriteListener } from "../fabric/register-file";

/** What the board asks of the model of every core in the fabric. */
export interface CoreModel {
  /** Does what software has asked for, and what is due by itself. True if there was something. */
  poll(): boolean;
  /** Restores registers and bits that software cannot write on the real device. */
  settle(): void;
  /** From now on tells of what software writes into registers, as far as it is noticed. */
  onWrite(listener: WriteListener): void;
  /** Whether something goes on by itself, so that the board should soon look again. */
  readonly underWay: boolean;
  /** Whether the core holds its interrupt line up. */
  readonly interrupt: boolean;
}
