/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "histogram.h"

static struct histogram h, other;

static int reset(void **state)
{
	(void) state;
	histogram_reset(&h);
	histogram_reset(&other);
	return 0;
}

static void cells_are_contiguous_and_end_at_their_value(void **state)
{
	unsigned int cell;

	(void) state;
	for (cell = 0; cell + 1 < HISTOGRAM_CELLS; cell++) {
		uint64_t last = histogram_cell_value(cell);

		assert_int_equal(histogram_cell(last), cell);
		assert_int_equal(histogram_cell(last + 1), cell + 1);
	}
	assert_int_equal(histogram_cell(UINT64_MAX), HISTOGRAM_CELLS - 1);
	assert_true(histogram_cell_value(HISTOGRAM_CELLS - 1) == UINT64_MAX);
}

static void a_value_is_kept_to_one_percent(void **state)
{
	uint64_t value;

	(void) state;
	for (value = 1; value < UINT64_MAX / 3; value += value / 7 + 1) {
		uint64_t kept = histogram_cell_value(histogram_cell(value));

		assert_true(kept >= value);
		assert_true(kept - value <= value / 100);
	}
}

static void percentiles_of_a_ramp(void **state)
{
	uint64_t value;

	(void) state;
	for (value = 1; value <= 100000; value++)
		histogram_record(&h, value);
	assert_true(histogram_percentile(&h, 50) >= 50000);
	assert_true(histogram_percentile(&h, 50) <= 50500);
	assert_true(histogram_percentile(&h, 99.99) >= 99990);
	assert_int_equal(histogram_percentile(&h, 100), 100000);
	assert_int_equal(h.total, 100000);
}

static void one_outlier_is_the_maximum_and_no_percentile_below(void **state)
{
	int i;

	(void) state;
	for (i = 0; i < 99999; i++)
		histogram_record(&h, 10);
	histogram_record(&h, 123456789);
	assert_int_equal(histogram_percentile(&h, 99.99), 10);
	assert_int_equal(histogram_percentile(&h, 100), 123456789);
}

static void empty_gives_zero(void **state)
{
	(void) state;
	assert_int_equal(histogram_percentile(&h, 50), 0);
	assert_int_equal(histogram_percentile(&h, 100), 0);
}

static void adding_two_is_recording_both(void **state)
{
	(void) state;
	histogram_record(&h, 5);
	histogram_record(&other, 7000);
	histogram_add(&h, &other);
	assert_int_equal(h.total, 2);
	assert_int_equal(histogram_percentile(&h, 50), 5);
	assert_int_equal(histogram_percentile(&h, 100), 7000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(
			cells_are_contiguous_and_end_at_their_value, reset),
		cmocka_unit_test_setup(a_value_is_kept_to_one_percent, reset),
		cmocka_unit_test_setup(percentiles_of_a_ramp, reset),
		cmocka_unit_test_setup(
			one_outlier_is_the_maximum_and_no_percentile_below,
			reset),
		cmocka_unit_test_setup(empty_gives_zero, reset),
		cmocka_unit_test_setup(adding_two_is_recording_both, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
