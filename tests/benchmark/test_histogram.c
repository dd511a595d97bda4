/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#include "cmocka-all.h"
#include "histogram.h"

static struct histogram h, other;

FIXTURE(reset)
{
	histogram_reset(&h);
	histogram_reset(&other);
	return 0;
}

TEST(cells_are_contiguous_and_end_at_their_value)
{
	unsigned int cell;

	for (cell = 0; cell + 1 < HISTOGRAM_CELLS; cell++) {
		uint64_t last = histogram_cell_value(cell);

		assert_int_equal(histogram_cell(last), cell);
		assert_int_equal(histogram_cell(last + 1), cell + 1);
	}
	assert_int_equal(histogram_cell(UINT64_MAX), HISTOGRAM_CELLS - 1);
	assert_true(histogram_cell_value(HISTOGRAM_CELLS - 1) == UINT64_MAX);
}

TEST(a_value_is_kept_to_one_percent)
{
	uint64_t value;

	for (value = 1; value < UINT64_MAX / 3; value += value / 7 + 1) {
		uint64_t kept = histogram_cell_value(histogram_cell(value));

		assert_true(kept >= value);
		assert_true(kept - value <= value / 100);
	}
}

TEST(percentiles_of_a_ramp)
{
	uint64_t value;

	for (value = 1; value <= 100000; value++)
		histogram_record(&h, value);
	assert_true(histogram_percentile(&h, 50) >= 50000);
	assert_true(histogram_percentile(&h, 50) <= 50500);
	assert_true(histogram_percentile(&h, 99.99) >= 99990);
	assert_int_equal(histogram_percentile(&h, 100), 100000);
	assert_int_equal(h.total, 100000);
}

TEST(one_outlier_is_the_maximum_and_no_percentile_below)
{
	int i;

	for (i = 0; i < 99999; i++)
		histogram_record(&h, 10);
	histogram_record(&h, 123456789);
	assert_int_equal(histogram_percentile(&h, 99.99), 10);
	assert_int_equal(histogram_percentile(&h, 100), 123456789);
}

TEST(empty_gives_zero)
{
	assert_int_equal(histogram_percentile(&h, 50), 0);
	assert_int_equal(histogram_percentile(&h, 100), 0);
}

TEST(adding_two_is_recording_both)
{
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
