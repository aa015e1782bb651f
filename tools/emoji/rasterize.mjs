// Rasterize a list of SVG drawings: node rasterize.mjs PACKAGES JOBS OUTPUT SIZE START
// PACKAGES is a node_modules folder, JOBS a JSON list of SVG texts; from job START on, each drawing is appended to OUTPUT as
// SIZE x SIZE x 4 bytes, RGBA with premultiplied alpha, as resvg computes it. resvg ends the whole process on a few drawings:
// the caller sees from the length of OUTPUT how far it came and starts again behind the bad one.
import { appendFileSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";

const [packages, jobs, output, size, start] = process.argv.slice(2);
const { Resvg } = createRequire(resolve(packages, "index.js"))("@resvg/resvg-js");

for (const svg of JSON.parse(readFileSync(jobs)).slice(Number(start))) {
  const picture = new Resvg(svg, { fitTo: { mode: "width", value: Number(size) }, font: { loadSystemFonts: false } }).render();
  if (picture.width !== Number(size) || picture.height !== Number(size)) {
    throw new Error(`a drawing came out ${picture.width} x ${picture.height}, expected ${size} x ${size}`);
  }
  appendFileSync(output, picture.pixels);
}
