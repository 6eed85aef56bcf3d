// What a repository does by itself to keep two Dockerfiles together: compares the lines between the markers,
// byte for byte. A peer for `cargo xtask bench`; nothing else uses it.
import { readFileSync } from "node:fs";

const [begin, end] = ["# --- SHARED-BASE-BEGIN ---", "# --- SHARED-BASE-END ---"];

function region(file) {
  const text = readFileSync(file, "utf8");
  const from = text.indexOf(begin);
  const to = text.indexOf(end, from);
  if (from < 0 || to < 0) {
    console.error(`${file}: the markers are missing`);
    process.exit(2);
  }
  return text.slice(from, to);
}

const [first, ...others] = process.argv.slice(2);
const expected = region(first);
let failed = false;
for (const other of others) {
  const found = region(other);
  if (found === expected) continue;
  failed = true;
  const [a, b] = [expected.split("\n"), found.split("\n")];
  for (let at = 0; at < Math.max(a.length, b.length); at += 1) {
    if (a[at] !== b[at]) console.error(`-${a[at] ?? ""}\n+${b[at] ?? ""}`);
  }
}
process.exit(failed ? 1 : 0);
