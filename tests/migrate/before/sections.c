/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/* Where waiting is out of the question; and includes that depend. */

#include <pthread.h>
#if defined(USE_BP)
# include <urcu-bp.h>
#elif defined(USE_MB)
# define URCU_API_MAP
# include <urcu/urcu-mb.h>
#else
# include <urcu.h>
#endif
#include <stdlib.h>

struct object {
	struct object *next;
	struct rcu_head head;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_spinlock_t spin;
static struct object *shared;

static void object_free(struct rcu_head *head)
{
	free(caa_container_of(head, struct object, head));
}

void in_section(void)
{
	rcu_read_lock();
	if (shared) {
		call_rcu(&shared->next->head, object_free);
		call_rcu(&shared->head, object_free);
	}
	rcu_read_unlock();
}

void locked(struct object *object)
{
	pthread_mutex_lock(&lock);
	call_rcu(&object->head, object_free);
	pthread_mutex_unlock(&lock);
}

void spinning(struct object *object)
{
	pthread_spin_lock(&spin);
	call_rcu(&object->head, object_free);
	pthread_spin_unlock(&spin);
}

void outside(struct object *object)
{
	pthread_mutex_lock(&lock);
	shared = NULL;
	pthread_mutex_unlock(&lock);
	call_rcu(&object->head, object_free);
}
