/**
 * How both sides use TCP: nothing waits for more to send, and a peer that went without a word, for want of power say, is
 * found out minutes later. It would hold its connection, and who waits for its reply, for ever.
 */
export const TCP_OPTIONS = { noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 } as const;
