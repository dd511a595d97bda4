/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "histogram.h"

void histogram_reset(struct histogram *h)
{
	memset(h, 0, sizeof(*h));
}

void histogram_add(struct histogram *to, const struct histogram *from)
{
	unsigned int i;

	for (i = 0; i < HISTOGRAM_CELLS; i++)
		to->cells[i] += from->cells[i];
	to->total += from->total;
	if (from->max > to->max)
		to->max = from->max;
}

uint64_t histogram_cell_value(unsigned int cell)
{
	unsigned int shift;

	if (cell < HISTOGRAM_STEPS)
		return cell;
	shift = cell / HISTOGRAM_STEPS - 1;
	/* Next cell's first value less one; wraps to the largest for the last. */
	return (((uint64_t) (cell % HISTOGRAM_STEPS + HISTOGRAM_STEPS + 1))
			<< shift) - 1;
}

uint64_t histogram_percentile(const struct histogram *h, double percent)
{
	uint64_t wanted, seen = 0;
	unsigned int i;

	if (!h->total)
		return 0;
	wanted = (uint64_t) ceil(percent / 100.0 * (double) h->total);
	if (wanted >= h->total)
		return h->max;
	for (i = 0; i < HISTOGRAM_CELLS; i++) {
		seen += h->cells[i];
		if (seen >= wanted && seen)
			break;
	}
	return histogram_cell_value(i) < h->max ?
		histogram_cell_value(i) : h->max;
}

int histogram_write_csv(const struct histogram *h, FILE *f)
{
	uint64_t seen = 0;
	unsigned int i;

	fprintf(f, "value_ns,percentile,one_in,count\n");
	for (i = 0; i < HISTOGRAM_CELLS; i++) {
		double p;

		if (!h->cells[i])
			continue;
		/* One in how many is above the values before this cell. */
		p = (double) seen / (double) h->total;
		fprintf(f, "%" PRIu64 ",%.7f,%.3f,%" PRIu64 "\n",
			histogram_cell_value(i) < h->max ?
				histogram_cell_value(i) : h->max,
			100.0 * p, 1.0 / (1.0 - p), h->cells[i]);
		seen += h->cells[i];
	}
	return ferror(f) ? -1 : 0;
}
