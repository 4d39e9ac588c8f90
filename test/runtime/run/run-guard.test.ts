import { suite } from "uvu";
import * as assert from "uvu/assert";
import { AxiscriptError } from "../../../host/index";
import { askToStop, RUN_STATE, RunGuard } from "../../../host/runtime/run/run-guard";
import { rejectsWith } from "../../support/expect";

const test = suite("run guard");

/** What stands for the end of a thread's execution here. */
class Terminated extends Error {}

function guarded() {
  const word = new Int32Array(new SharedArrayBuffer(4)).fill(RUN_STATE.host);
  const terminate = () => {
    throw new Terminated();
  };
  const guard = new RunGuard(word, terminate);
  return { word, guard, state: () => word[0] };
}

test("a script is terminated in its own code, and not in a host function", () => {
  const { word, guard, state } = guarded();
  guard.begin();
  assert.is(state(), RUN_STATE.script);
  let done = false;
  const body = () => {
    assert.is(state(), RUN_STATE.host);
    assert.is(askToStop(word), false);
    assert.is(askToStop(word), false);
    assert.is(state(), RUN_STATE.stopAsked);
    done = true;
  };
  assert.throws(guard.wrap(body), (error: unknown) => error instanceof Terminated);
  assert.ok(done);
  assert.is(state(), RUN_STATE.terminating);
});

test("whoever stops a script in its own code terminates it, once", () => {
  const { word, guard, state } = guarded();
  guard.begin();
  assert.is(askToStop(word), true);
  assert.is(state(), RUN_STATE.terminating);
  assert.is(askToStop(word), false);
});

test("a script that is stopped before it begins does not begin; one that has ended is not stopped", async () => {
  const early = guarded();
  assert.is(askToStop(early.word), false);
  await rejectsWith("ERR_AXI_ABORTED", () => early.guard.begin());
  const late = guarded();
  late.guard.begin();
  late.guard.end();
  assert.is(askToStop(late.word), false);
});

test("a wait within a host function ends when a stop is asked for", async () => {
  const { word, guard } = guarded();
  guard.begin();
  guard.checkWait();
  let ended = false;
  const wait = () => {
    guard.checkWait();
    askToStop(word);
    try {
      guard.checkWait();
    } catch (error) {
      ended = error instanceof AxiscriptError && error.code === "ERR_AXI_ABORTED";
      throw error;
    }
  };
  assert.throws(guard.wrap(wait), (error: unknown) => error instanceof Terminated);
  assert.ok(ended);
});

test("what leaves a host function poisons the run: the first counts, and no other function is called", () => {
  const { guard, state } = guarded();
  guard.begin();
  const first = new Error("first");
  const fail = (error: Error) =>
    guard.wrap(() => {
      throw error;
    });
  assert.throws(fail(first), (error: unknown) => error instanceof WebAssembly.RuntimeError);
  assert.is(state(), RUN_STATE.script);
  let calls = 0;
  assert.throws(
    guard.wrap(() => calls++),
    (error: unknown) => error === first,
  );
  assert.throws(fail(new Error("second")), (error: unknown) => error === first);
  assert.is(calls, 0);
  assert.is(guard.first?.thrown, first);
});

test("a refusal elsewhere poisons the run as well, if it came first", () => {
  const { guard } = guarded();
  guard.begin();
  const elsewhere: { refusal?: Error } = {};
  guard.poisonedBy(() => elsewhere.refusal);
  assert.is(guard.wrap(() => 7)(), 7);
  assert.is(guard.first, undefined);
  elsewhere.refusal = new Error("refused");
  assert.throws(
    guard.wrap(() => 7),
    (error: unknown) => error === elsewhere.refusal,
  );
  assert.is(guard.first?.thrown, elsewhere.refusal);
});

test("arguments and results go through", () => {
  const { guard } = guarded();
  guard.begin();
  const add = guard.wrap((a: number, b: bigint) => BigInt(a) + b) as (...args: unknown[]) => unknown;
  assert.is(add(3, 4n), 7n);
});

test.run();
