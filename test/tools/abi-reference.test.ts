import { readFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { abiReference } from "../../tools/abi-reference";
import { PACKAGE } from "../support/cli";

const test = suite("ABI reference");

test("docs/abi.md is what the table says (npm run docs)", () => {
  assert.is(readFileSync(join(PACKAGE, "docs/abi.md"), "utf8"), abiReference());
});

test.run();
