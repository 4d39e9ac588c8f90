/**
 * What both threads see. Each change of the first two is notified; the others say which model's code runs, by its number
 * from 1 on (0: none), and how often one was called.
 */
export const THREAD_WORDS = { state: 0, started: 1, model: 2, modelCalls: 3 } as const;
/** What the word for the state says. */
export const THREAD_STATE = { waiting: 0, serving: 1, stopping: 2, ended: 3, failed: 4 } as const;
