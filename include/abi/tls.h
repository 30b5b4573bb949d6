/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What a probe in a TLS library tells the BPF programs: the cookie that it is attached with says what the
 * function does and how it answers. Shared by both sides of one build only, never on disk.
 */
#ifndef SONDE_ABI_TLS_H
#define SONDE_ABI_TLS_H

/*
 * All have the session in their first argument; the first two a buffer and its length in the next two. Those of
 * Go are functions of crypto/tls, whose arguments are in other registers; their returns are not probed.
 */
enum tls_call {
	TLS_READ = 1,
	TLS_WRITE = 2,
	TLS_HANDSHAKE = 3, /* may read and write ciphertext, and passes no plaintext */
	TLS_SHUTDOWN = 4,  /* tells the other end that no more is sent */
	TLS_FREE = 5,	   /* the session is no more; its return is not probed */
	TLS_GO_HANDSHAKE = 6,
	TLS_GO_WRITE = 7, /* of a record: its type comes before its bytes */
	TLS_GO_READ = 8,  /* where a record has been decrypted: its bytes, its type, an error */
	TLS_GO_CLOSE = 9,
	/* Of programs whose calls are apart, see TLS_COOKIE_APART: */
	TLS_FEED = 10,	    /* takes ciphertext from the socket */
	TLS_DRAIN = 11,	    /* gives ciphertext to the socket */
	TLS_SEND_FILE = 12, /* as TLS_WRITE, but nobody has the bytes in a buffer */
};

enum tls_answer {
	TLS_ANSWER_NONE = 0,
	/* An int or ssize_t: bytes, if above 0; 0 of a read: the other end's last. */
	TLS_ANSWER_COUNT = 1,
	/* An int: above 0, and the bytes are in a size_t that the fourth argument points to. */
	TLS_ANSWER_FLAG_3 = 2,
	TLS_ANSWER_FLAG_4 = 3, /* the same with the fifth */
	/* Rust's io::Result<usize>: 0, and the bytes in the second register. */
	TLS_ANSWER_RESULT = 4,
	TLS_ANSWER_ALL = 5, /* the whole length, whatever it returns */
};

#define TLS_COOKIE(call, answer) ((call) | (answer) << 8)
/* The buffer and its length are in the third and fourth argument instead. */
#define TLS_COOKIE_BUFFER_NEXT (1u << 16)
/*
 * Plaintext and sockets are passed by calls of their own, and each has another part of the session in its
 * first argument: see apart.bpf.h.
 */
#define TLS_COOKIE_APART (1u << 17)
/* The first argument points to a pointer to that part. */
#define TLS_COOKIE_BORROWED (1u << 18)
/* The buffer is an array of struct iovec, its length their number. */
#define TLS_COOKIE_VECTOR (1u << 19)
/* The second argument points to three words, a tag or capacity, the buffer and its length. */
#define TLS_COOKIE_PAYLOAD (1u << 20)
#define TLS_COOKIE_CALL(cookie) ((cookie)&0xff)
#define TLS_COOKIE_ANSWER(cookie) ((cookie) >> 8 & 0xff)
/* Which of the probed files it is in: added where the probe is attached. */
#define TLS_COOKIE_FILE_SHIFT 32
#define TLS_COOKIE_FILE(cookie) ((cookie) >> TLS_COOKIE_FILE_SHIFT & 0xffff)
/* TLS_GO_READ: how far above the stack pointer the session is. */
#define TLS_COOKIE_SLOT_SHIFT 48
#define TLS_COOKIE_SLOT(cookie) ((cookie) >> TLS_COOKIE_SLOT_SHIFT)

#endif
