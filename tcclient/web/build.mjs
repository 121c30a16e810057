/**
 * Build the page, or its tests.
 *
 *     node build.mjs OUT            index.html, hashed scripts and styles, and a .gz beside each
 *     node build.mjs --tests OUT    one bundle for each tests/tcclient/web/*.test.ts, for `node --test OUT`
 */

import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const tests = resolve(here, "../../tests/tcclient/web");

const common = {
  bundle: true,
  format: "esm",
  target: "es2022",
  charset: "utf8",
  legalComments: "none",
  logLevel: "warning",
  absWorkingDir: here,
};

/** Put a hash of `content` into `name`, so that a browser may keep the file for ever. */
function hashed(name, content) {
  const digest = createHash("sha256").update(content).digest("hex").slice(0, 10);
  const [stem, extension] = [name.slice(0, name.lastIndexOf(".")), name.slice(name.lastIndexOf("."))];
  return `${stem}-${digest}${extension}`;
}

/** Resolve `import url from "./worker.js?url"` to the address of a bundle of its own, which goes to `files`. */
function scriptAddresses(files) {
  return {
    name: "script-addresses",
    setup(builder) {
      builder.onResolve({ filter: /\?url$/ }, ({ path, resolveDir }) => ({
        path: resolve(resolveDir, path.replace(/\.js\?url$/, ".ts")),
        namespace: "script-address",
      }));
      builder.onLoad({ filter: /.*/, namespace: "script-address" }, async ({ path }) => {
        const content = await bundle(path, files);
        const name = hashed(basename(path).replace(/\.ts$/, ".js"), content);
        files.set(name, content);
        return { contents: `export default ${JSON.stringify(`/${name}`)};` };
      });
    },
  };
}

/** Bundle one script or style and return its bytes; the scripts that it starts go to `files`. */
async function bundle(entry, files) {
  const result = await build({
    ...common,
    entryPoints: [entry],
    minify: true,
    write: false,
    outdir: "unused",
    plugins: [scriptAddresses(files)],
  });
  return Buffer.from(result.outputFiles[0].contents);
}

/** Build the page into `out`, which is emptied first. */
async function buildPage(out) {
  const files = new Map();
  const names = new Map();
  for (const entry of ["main.ts", "style.css", "icon.svg"]) {
    const path = join(here, "src/page", entry);
    const content = entry.endsWith(".svg") ? await readFile(path) : await bundle(path, files);
    const name = hashed(entry.replace(/\.ts$/, ".js"), content);
    files.set(name, content);
    names.set(entry, name);
  }
  const template = await readFile(join(here, "src/page/index.html"), "utf8");
  const html = template.replace(/\{\{([\w.]+)\}\}/g, (_, entry) => `/${names.get(entry)}`);
  files.set("index.html", Buffer.from(html));

  await rm(out, { recursive: true, force: true });
  await mkdir(out, { recursive: true });
  let total = 0;
  for (const [name, content] of [...files].sort()) {
    const packed = gzipSync(content, { level: 9 });
    total += packed.length;
    await writeFile(join(out, name), content);
    await writeFile(join(out, `${name}.gz`), packed);
    console.log(
      `${name.padEnd(40)} ${String(content.length).padStart(9)} bytes ${String(packed.length).padStart(8)} gzip`,
    );
  }
  console.log(`${"all".padEnd(40)} ${"".padStart(9)}       ${String(total).padStart(8)} gzip`);
}

/** Bundle each test into `out`, with the page's libraries in it. */
async function buildTests(out) {
  const entries = (await readdir(tests)).filter((name) => name.endsWith(".test.ts"));
  await build({
    ...common,
    platform: "node",
    entryPoints: entries.map((name) => join(tests, name)),
    outdir: out,
    outExtension: { ".js": ".mjs" },
    sourcemap: "inline",
    nodePaths: [join(here, "node_modules")],
    plugins: [scriptAddresses(new Map())],
  });
}

/** Do what the command line asks for. */
async function main([first, second]) {
  if (first === "--tests" && second !== undefined) await buildTests(resolve(second));
  else if (first !== undefined && first !== "--tests") await buildPage(resolve(first));
  else throw new Error("usage: node build.mjs OUT | node build.mjs --tests OUT");
}

try {
  await main(process.argv.slice(2));
} catch (reason) {
  // What does not compile has been told with its place.
  if (reason.errors === undefined) console.error(reason.message);
  process.exitCode = 1;
}
