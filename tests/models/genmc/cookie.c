/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * cookie.c - a cookie against a reader and two grace periods
 *
 * The updater unlinks the object, reads a cookie, and frees the object if the
 * number has come. A reader may be inside its section. A runner runs two grace periods.
 */

#include "harness.h"
#include "gp.c"

static struct kvfree_gp gp = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
};

static void *updater(void *arg)
{
	struct object *object = unlink_shared();
	unsigned long cookie = kvfree_gp_cookie(&gp);

	(void) arg;
	if (kvfree_gp_over(&gp, cookie))
		free(object);
	return NULL;
}

static void *runner(void *arg)
{
	int i;

	(void) arg;
	for (i = 0; i < 2; i++)
		if (kvfree_gp_begin(&gp))
			kvfree_gp_run(&gp, &flavor);
	return NULL;
}

int main(void)
{
	shared = object_make();
	thread(reader, NULL);
	thread(updater, NULL);
	thread(runner, NULL);
	return 0;
}
