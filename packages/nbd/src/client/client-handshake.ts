import { BlkError } from "@inlinecrypt/blk-core";
import { writeU32 } from "../protocol/bytes.js";
import {
  NBD_MAX_PAYLOAD_BYTES,
  NbdClientFlag,
  NbdHandshakeFlag,
  NbdInfo,
  NbdOpt,
  NbdRep,
  OPTION_REPLY_HEADER_BYTES,
} from "../protocol/constants.js";
import { optionErrorToErrno } from "../protocol/errors.js";
import { encodeInfoRequest, encodeOption, isValidString } from "../protocol/option.js";
import {
  areBlockSizesValid,
  decodeGreeting,
  decodeInfo,
  decodeOptionReplyHeader,
  decodeServerReply,
  type NbdExportInfo,
  type NbdListEntry,
} from "../protocol/option-reply.js";
import type { SocketReader } from "./socket-reader.js";

/** Most data of one option reply: two strings and a little. */
const MAX_REPLY_BYTES = 16 * 1024;
/** Most replies to one option: a server may list that many exports. */
const MAX_REPLIES = 10_000;

const NO_DATA = new Uint8Array(0);

interface OptionReply {
  replyType: number;
  data: Uint8Array;
}

/** Reads the greeting and answers it. @throws BlkError EBADMSG when the server speaks no fixed newstyle NBD. */
export async function greet(reader: SocketReader): Promise<void> {
  const flags = decodeGreeting(await reader.read(18));
  if (flags === null || (flags & NbdHandshakeFlag.FIXED_NEWSTYLE) === 0) {
    throw badMessage("the server does not speak fixed newstyle NBD");
  }
  const clientFlags = new Uint8Array(4);
  const noZeroes = (flags & NbdHandshakeFlag.NO_ZEROES) !== 0 ? NbdClientFlag.NO_ZEROES : 0;
  writeU32(clientFlags, 0, NbdClientFlag.FIXED_NEWSTYLE | noZeroes);
  reader.socket.write(clientFlags);
}

/** Chooses an export and enters the transmission phase. @throws BlkError ENOENT for an unknown export. */
export async function go(reader: SocketReader, exportName: string): Promise<NbdExportInfo> {
  if (!isValidString(exportName)) {
    throw new BlkError("EINVAL", "nbd_connect", "an export name is at most 4096 bytes of UTF-8 without NUL");
  }
  const request = encodeInfoRequest({ exportName, infos: [NbdInfo.BLOCK_SIZE] });
  const info: NbdExportInfo = {
    exportBytes: -1,
    flags: 0,
    blockSizes: { minimum: 1, preferred: 4096, maximum: NBD_MAX_PAYLOAD_BYTES },
  };
  reader.socket.write(encodeOption(NbdOpt.GO, request));
  await readReplies(reader, NbdOpt.GO, `export ${JSON.stringify(exportName)}`, ({ replyType, data }) => {
    if (replyType !== NbdRep.INFO || !decodeInfo(data, info)) throw badMessage("a malformed reply to GO");
  });
  if (info.exportBytes < 0) throw badMessage("the server did not tell the size of the export");
  const { minimum, preferred, maximum } = info.blockSizes;
  if (!areBlockSizesValid(info.blockSizes, info.exportBytes)) {
    throw badMessage(`the server's block sizes ${minimum}, ${preferred}, ${maximum} are not as the protocol has them`);
  }
  return info;
}

/** Asks for all exports. */
export async function listExports(reader: SocketReader): Promise<NbdListEntry[]> {
  const entries: NbdListEntry[] = [];
  reader.socket.write(encodeOption(NbdOpt.LIST, NO_DATA));
  await readReplies(reader, NbdOpt.LIST, "the list of exports", ({ replyType, data }) => {
    const entry = replyType === NbdRep.SERVER ? decodeServerReply(data) : null;
    if (entry === null) throw badMessage("a malformed reply to LIST");
    entries.push(entry);
  });
  return entries;
}

/** Says goodbye before the transmission phase; the server may close without an answer. */
export async function abort(reader: SocketReader): Promise<void> {
  reader.socket.write(encodeOption(NbdOpt.ABORT, NO_DATA));
  await readReplies(reader, NbdOpt.ABORT, "abort", () => {}).catch(() => {});
}

/** Passes every reply before the final ACK to `handle`. */
async function readReplies(
  reader: SocketReader,
  option: number,
  what: string,
  handle: (reply: OptionReply) => void,
): Promise<void> {
  for (let count = 0; count < MAX_REPLIES; count++) {
    const reply = await readReply(reader, option);
    if (reply.replyType === NbdRep.ACK) return;
    if (reply.replyType >= 0x8000_0000) throw refusal(what, reply);
    handle(reply);
  }
  throw badMessage(`more than ${MAX_REPLIES} replies to one option`);
}

async function readReply(reader: SocketReader, option: number): Promise<OptionReply> {
  const header = decodeOptionReplyHeader(await reader.read(OPTION_REPLY_HEADER_BYTES));
  if (header === null || header.option !== option) throw badMessage("bad magic or option in a reply");
  if (header.dataBytes > MAX_REPLY_BYTES) throw badMessage(`a reply of ${header.dataBytes} bytes to an option`);
  return { replyType: header.replyType, data: await reader.read(header.dataBytes) };
}

function refusal(what: string, reply: OptionReply): BlkError {
  const message = new TextDecoder().decode(reply.data);
  const said = message === "" ? "" : `: ${JSON.stringify(message)}`;
  return new BlkError(optionErrorToErrno(reply.replyType), "nbd_connect", `the server refuses ${what}${said}`);
}

function badMessage(what: string): BlkError {
  return new BlkError("EBADMSG", "nbd_connect", what);
}
