/**
 * Prints the line that ends a CI run, `N passed, N failed`, from the test runner's
 * JUnit report. Called by .ci/run; exits 1 when a test failed, was skipped or none ran.
 */
import { readFileSync } from "node:fs";

const path = process.argv[2] ?? "";
const root = /<testsuites\b[^>]*>/.exec(readFileSync(path, "utf8"))?.[0] ?? "";
const count = (name: string): number => Number(new RegExp(`\\b${name}="(\\d+)"`).exec(root)?.[1] ?? 0);

const failed = count("failures") + count("errors");
const skipped = count("skipped");
const passed = count("tests") - failed - skipped;
if (skipped > 0) console.log(`${skipped} tests were skipped: here every test must run`);
console.log(`${passed} passed, ${failed + skipped} failed`);
process.exit(failed > 0 || skipped > 0 || passed === 0 ? 1 : 0);
