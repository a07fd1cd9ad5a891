/** What the help texts end with. */
export const examples = {
  program: `
Exit codes: 0 done, 1 the request failed, 2 wrong usage or a bad stack file,
130 or 143 ended by a signal before it was done.
"inlinecrypt COMMAND --help" shows a command's options and examples.`,

  serve: `
Examples:
  A disk of one's own, created on first use:
    head -c 64 /dev/urandom > my.key && chmod 600 my.key
    inlinecrypt serve --file my.img --size 1GiB --key-file my.key --listen unix:/tmp/my.sock
    nbdinfo 'nbd+unix:///?socket=/tmp/my.sock'
  Several disks from a stack file:
    inlinecrypt serve stack.yaml`,

  crypt: `
Examples:
  Look into an image without serving it:
    inlinecrypt crypt decrypt --key-file my.key < my.img > plain.img
  Sectors 8 to 15 of a disk with 512-byte data units:
    dd if=disk.img skip=8 count=8 | inlinecrypt crypt decrypt --key-file my.key --data-unit-size 512 --first-dun 8`,

  demo: `
Example:
  inlinecrypt demo ~/photo.jpg`,
} as const;
