/* SPDX-License-Identifier: Apache-2.0 */
/* Ends of connections whose frames the kernel walks: the records that it makes of their operations. */
#ifndef SONDE_TESTS_FLOW_FRAMES_H
#define SONDE_TESTS_FLOW_FRAMES_H

#include "tests/unit/flow_rig.h"

#define BYTES(lit) lit, sizeof(lit) - 1

/* Appends a piece to a payload that is n bytes so far. Returns how many it is then. */
static inline uint32_t put_piece(char *payload, uint32_t n, struct frame_piece piece,
				 const char *bytes)
{
	memcpy(payload + n, &piece, sizeof(piece));
	memcpy(payload + n + sizeof(piece), bytes, piece.len);
	return n + (uint32_t)sizeof(piece) + piece.len;
}

/* One operation of len bytes that was walked: of the n bytes of payload, with these FRAMES_ flags. */
static inline void end_op_walked(struct end *end, bool send, uint32_t len, const char *payload,
				 uint32_t n, uint16_t flags, struct frames_end last)
{
	uint64_t *off = send ? &end->tx_off : &end->rx_off;
	uint32_t *seq = send ? &end->tx_seq : &end->rx_seq;
	struct record_op *record = malloc(sizeof(*record) + n + sizeof(last));

	assert_non_null(record);
	last.serial = ++end->frames_serial[send];
	last.other_serial = (uint16_t)end->frames_serial[!send];
	end->rig->now_ns += MS;
	copy_budget(end, len, send); /* counts turns */
	*record = fill_op(end, send, *off, len, n + (uint32_t)sizeof(last));
	record->head.kind = RECORD_FRAMES;
	record->head.flags |= flags;
	memcpy(record + 1, payload, n);
	memcpy((char *)(record + 1) + n, &last, sizeof(last));
	assert_true(record_valid(record, record->head.size));
	if (ring_takes(end->rig)) {
		flow__record(end->rig->flow, &record->head);
		end->tail_off = 0;
	}
	*off += len;
	*seq += len;
	free(record);
}

/* n bytes of which no record tells. */
static inline void pass_silently(struct end *end, bool send, uint32_t n)
{
	uint64_t *off = send ? &end->tx_off : &end->rx_off;

	*off += n;
	*(send ? &end->tx_seq : &end->rx_seq) += n;
	end->tail_off = *off;
	end->tail_ns = end->rig->now_ns;
	end->tail_direction = send;
}

static inline const struct verdict *last_verdict(const struct rig *rig)
{
	assert_int_not_equal(rig->verdicts_cnt, 0);
	return &rig->verdicts[rig->verdicts_cnt - 1].verdict;
}

#endif
