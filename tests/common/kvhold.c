/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * kvhold.c - hold the first thread that gets to a place of src/hooks.h
 */

#include <pthread.h>

#include "kvhold.h"
#include "kvtest.h"

static struct {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	enum kvfree_hook_place place;	/* atomic */
	void (*fn)(void);		/* atomic */
	bool armed;			/* under lock */
	bool standing;			/* under lock */
	bool spare_me;			/* under lock */
	pthread_t me;			/* under lock */
	int called;			/* atomic */
	unsigned long count;		/* atomic */
} hold = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.cond = PTHREAD_COND_INITIALIZER,
};

static void set_place(enum kvfree_hook_place place)
{
	__atomic_store_n(&hold.place, place, __ATOMIC_RELEASE);
}

static bool is_place(enum kvfree_hook_place place)
{
	return place == __atomic_load_n(&hold.place, __ATOMIC_ACQUIRE);
}

static void set_hook(void (*hook)(enum kvfree_hook_place place))
{
	/* Release: pairs with the acquire in kvfree_hook(). */
	__atomic_store_n(&kvfree_check_hook, hook, __ATOMIC_RELEASE);
}

static void stand(enum kvfree_hook_place place)
{
	if (!is_place(place))
		return;
	pthread_mutex_lock(&hold.lock);
	if (hold.armed && !hold.standing &&
	    !(hold.spare_me && pthread_equal(hold.me, pthread_self()))) {
		hold.standing = true;
		pthread_cond_broadcast(&hold.cond);
		while (hold.armed)
			pthread_cond_wait(&hold.cond, &hold.lock);
		hold.standing = false;
	}
	pthread_mutex_unlock(&hold.lock);
}

static void hold_set(enum kvfree_hook_place place, bool spare_me)
{
	pthread_mutex_lock(&hold.lock);
	set_place(place);
	hold.armed = true;
	hold.standing = false;
	hold.spare_me = spare_me;
	hold.me = pthread_self();
	pthread_mutex_unlock(&hold.lock);
	set_hook(stand);
}

void kvhold_at(enum kvfree_hook_place place)
{
	hold_set(place, false);
}

void kvhold_others_at(enum kvfree_hook_place place)
{
	hold_set(place, true);
}

static bool somebody_stands(void *unused)
{
	bool standing;

	(void) unused;
	pthread_mutex_lock(&hold.lock);
	standing = hold.standing;
	pthread_mutex_unlock(&hold.lock);
	return standing;
}

bool kvhold_wait(void)
{
	return kvtest_wait(somebody_stands, NULL, KVTEST_LONG);
}

void kvhold_go(void)
{
	pthread_mutex_lock(&hold.lock);
	hold.armed = false;
	pthread_cond_broadcast(&hold.cond);
	pthread_mutex_unlock(&hold.lock);
	set_hook(NULL);
}

static void call_once(enum kvfree_hook_place place)
{
	if (is_place(place) &&
	    !__atomic_exchange_n(&hold.called, 1, __ATOMIC_ACQ_REL))
		__atomic_load_n(&hold.fn, __ATOMIC_ACQUIRE)();
}

void kvhold_call(enum kvfree_hook_place place, void (*fn)(void))
{
	set_place(place);
	__atomic_store_n(&hold.fn, fn, __ATOMIC_RELEASE);
	__atomic_store_n(&hold.called, 0, __ATOMIC_RELEASE);
	set_hook(call_once);
}

static void call_each_time(enum kvfree_hook_place place)
{
	static __thread bool inside;

	if (inside || !is_place(place))
		return;
	inside = true;
	__atomic_load_n(&hold.fn, __ATOMIC_ACQUIRE)();
	inside = false;
}

void kvhold_every(enum kvfree_hook_place place, void (*fn)(void))
{
	set_place(place);
	__atomic_store_n(&hold.fn, fn, __ATOMIC_RELEASE);
	set_hook(call_each_time);
}

static void count(enum kvfree_hook_place place)
{
	if (is_place(place))
		__atomic_fetch_add(&hold.count, 1, __ATOMIC_ACQ_REL);
}

void kvhold_count(enum kvfree_hook_place place)
{
	set_place(place);
	__atomic_store_n(&hold.count, 0, __ATOMIC_RELEASE);
	set_hook(count);
}

unsigned long kvhold_counted(void)
{
	return __atomic_load_n(&hold.count, __ATOMIC_ACQUIRE);
}

void kvhold_off(void)
{
	set_hook(NULL);
}
