import js from "@eslint/js";
import { defineConfig } from "eslint/config";
import tseslint from "typescript-eslint";

export default defineConfig(
  { ignores: ["dist/", "node_modules/", "assembly/number.d.ts"] },
  {
    files: ["host/**/*.ts", "tools/**/*.ts", "test/**/*.ts", "bench/**/*.ts"],
    ignores: ["test/scripts/**", "bench/scripts/**"],
    extends: [js.configs.recommended, tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      "@typescript-eslint/consistent-type-imports": [
        "error",
        { disallowTypeAnnotations: false, fixStyle: "inline-type-imports" },
      ],
      // CommonJS modules are loaded late on purpose, where start-up time counts.
      "@typescript-eslint/no-require-imports": "off",
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      // A function that is asynchronous by contract need not wait for anything.
      "@typescript-eslint/require-await": "off",
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true, allowBoolean: true }],
    },
  },
  {
    files: ["host/**/*.ts"],
    rules: {
      "no-restricted-globals": [
        "error",
        { name: "performance", message: "Use monotonicMs() of host/util/clock: Node loads `performance` late." },
      ],
    },
  },
  { files: ["**/*.d.ts"], rules: { "@typescript-eslint/no-extraneous-class": "off" } },
  {
    // AssemblyScript reads as TypeScript, but has types and operators of its own: only rules on syntax apply.
    files: ["assembly/**/*.ts", "examples/**/*.ts", "test/scripts/*.ts", "bench/scripts/*.ts"],
    ignores: ["assembly/abi.ts", "assembly/number.d.ts"],
    languageOptions: { parser: tseslint.parser },
    plugins: { "@typescript-eslint": tseslint.plugin },
    rules: {
      "no-var": "error",
      "prefer-const": "error",
      "no-unreachable": "error",
      "@typescript-eslint/no-explicit-any": "error",
    },
  },
);
