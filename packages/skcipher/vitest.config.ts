import { project } from "../../vitest.base.ts";

const config: ReturnType<typeof project> = project("skcipher");
export default config;
