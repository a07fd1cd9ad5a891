import { project } from "../../vitest.base.ts";

const config: ReturnType<typeof project> = project("reference-crypto");
export default config;
