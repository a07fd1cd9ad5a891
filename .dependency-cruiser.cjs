// The floors of docs/architecture.md: a package imports only packages of a lower floor.
const floors = [
  ["skcipher", "skcipher-native", "blk-core"],
  ["blk-crypto-profile", "blk-drivers", "blk-sim", "nbd"],
  ["blk-crypto-fallback", "ufshcd-emulator", "dm-layer"],
  ["inlinecrypt"],
];

const folder = (names) => `^packages/(${names.join("|")})/`;

/** Files that may touch the platform; everything else in `packages/` must run in a browser. */
const platformFiles = [
  "^packages/skcipher/src/node/",
  "^packages/skcipher-native/",
  "^packages/blk-drivers/src/loop",
  "^packages/nbd/src/(server|client)/",
  "^packages/inlinecrypt/",
];

module.exports = {
  forbidden: [
    {
      name: "no-cycles",
      comment: "types may refer to each other (a bio has a device, a device takes bios); code may not",
      severity: "error",
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } },
    },
    ...floors.map((names, floor) => ({
      name: `floor-${floor}`,
      comment: "a package imports only packages of a lower floor (and, for types, skcipher)",
      severity: "error",
      from: { path: folder(names) },
      to: {
        path: folder(floors.slice(floor).flat()),
        pathNot: "^packages/$1/",
      },
    })),
    {
      name: "oracle-is-independent",
      severity: "error",
      from: { path: "^testing/reference-crypto/src/" },
      to: { path: "^packages/" },
    },
    {
      name: "platform-free",
      comment: "node: imports live in a few named folders, so that a browser can bundle the rest",
      severity: "error",
      from: { path: "^packages/[^/]+/src/", pathNot: platformFiles },
      to: { dependencyTypes: ["core"] },
    },
    {
      name: "public-entries-only",
      comment: "another package is reached through its name, never by a path into its folder",
      severity: "error",
      from: { path: "^(packages|testing|examples)/([^/]+)/" },
      to: {
        path: "^(packages|testing|examples)/[^/]+/",
        pathNot: "^$1/$2/",
        dependencyTypes: ["local", "localmodule"],
        dependencyTypesNot: ["aliased-workspace", "npm", "npm-dev"],
      },
    },
    { name: "resolvable", severity: "error", from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: ["node_modules", "dist"] },
    exclude: { path: "(^|/)(dist|node_modules)/" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.base.json" },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["@inlinecrypt/source", "import", "node", "default"],
      extensions: [".ts", ".js", ".mjs", ".json"],
    },
  },
};
