/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef KVFREESCALE_HISTOGRAM_H
#define KVFREESCALE_HISTOGRAM_H

/*
 * histogram.h - log-linear histogram of 64-bit values
 *
 * 128 equal steps for each power of two: a value is kept to better than 0.8 %,
 * whatever its size, in a fixed 58 KiB; values under 128 are exact. Recording is a few
 * instructions and never allocates. Idea: HdrHistogram. One thread at a time.
 */

#include <stdint.h>
#include <stdio.h>

#define HISTOGRAM_BITS		7
#define HISTOGRAM_STEPS		(1u << HISTOGRAM_BITS)
#define HISTOGRAM_CELLS		((64 - HISTOGRAM_BITS + 1) * HISTOGRAM_STEPS)

struct histogram {
	uint64_t total;
	uint64_t max;		/* exact */
	uint64_t cells[HISTOGRAM_CELLS];
};

static inline unsigned int histogram_cell(uint64_t value)
{
	unsigned int shift;

	if (value < HISTOGRAM_STEPS)
		return (unsigned int) value;
	shift = 63 - __builtin_clzll(value) - HISTOGRAM_BITS;
	return (shift + 1) * HISTOGRAM_STEPS +
		(unsigned int) (value >> shift) - HISTOGRAM_STEPS;
}

static inline void histogram_record(struct histogram *h, uint64_t value)
{
	h->cells[histogram_cell(value)]++;
	h->total++;
	if (value > h->max)
		h->max = value;
}

void histogram_reset(struct histogram *h);
/* Adds what is in @from to @to. */
void histogram_add(struct histogram *to, const struct histogram *from);
/* The largest value that falls into the cell. */
uint64_t histogram_cell_value(unsigned int cell);
/*
 * The value that @percent (0 to 100) of all recorded ones do not exceed, at most
 * 0.8 % above the true one; 100 gives the exact maximum. 0 when empty.
 */
uint64_t histogram_percentile(const struct histogram *h, double percent);
/* One line per used cell: value, percentile, 1/(1-p), count. 0, or -1. */
int histogram_write_csv(const struct histogram *h, FILE *f);

#endif /* KVFREESCALE_HISTOGRAM_H */
