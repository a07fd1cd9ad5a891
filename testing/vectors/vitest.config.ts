import { project } from "../../vitest.base.ts";

const config: ReturnType<typeof project> = project("testing-vectors");
export default config;
