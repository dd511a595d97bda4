/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * record.c - records: lock, open and closed pages, claim, leave
 *
 * A record is claimed in one of two ways. A clean call takes one that another thread left
 * (with all that is in it), or allocates one. A raw call cannot allocate; it takes
 * one of a few BLANK records that a worker put into the domain's slots. A signal handler
 * may interrupt a claim on its own thread: it sees kvfree_tls.claiming and
 * uses the emergency list instead, so that a thread never ends up with two records.
 */

#include <dlfcn.h>
#include <link.h>
#include <sched.h>
#include <string.h>

#include "record.h"
#include "timer.h"
#include "trace.h"

/* Tries of a worker before it leaves a record alone. */
#define FEW_TRIES	16
/* Tries of a clean call before it yields, and yields before it sleeps. */
#define RELAX_TRIES	64
#define YIELD_TRIES	64
/* A budget is made of at least so many pages, unless objects are larger. */
#define PAGES_PER_BUDGET	8
/* How many bytes an object of unknown size counts for. */
#define UNKNOWN_BYTES	64
/* How much of the budget it takes in a record's first pages. */
#define MAYBE_BYTES	((size_t) 32768)

static const struct timespec nap = { .tv_sec = 0, .tv_nsec = 50000 };

KVFREE_TLS struct kvfree_tls kvfree_tls;

static const char *const links_fork __attribute__((used)) = &kvfree_fork_linked;

static pthread_key_t key;
static bool key_made;	/* set by the constructor or, if that failed, by a start */

/* ------------------------------------------------------------------ */
/* The lock                                                           */

void kvfree_record_lock(struct kvfree_record *record)
{
	unsigned int tries = 0;

	/* A SCHED_FIFO caller must sleep: yielding would never let a SCHED_OTHER holder run. */
	while (!kvfree_record_trylock(record)) {
		tries++;
		if (tries < RELAX_TRIES)
			caa_cpu_relax();
		else if (tries < RELAX_TRIES + YIELD_TRIES)
			kvfree_yield();
		else
			nanosleep(&nap, NULL);
	}
}

bool kvfree_record_lock_few(struct kvfree_record *record)
{
	unsigned int tries;

	for (tries = 0; tries < FEW_TRIES; tries++) {
		unsigned int i, pause = 8u << (tries < 4 ? tries : 4);

		if (kvfree_record_trylock(record))
			return true;
		/* Do not try again at once. An owner in its fast path takes the
		 * line back for its next lock: a tight loop here would always
		 * see the lock held, and slow the owner down. */
		for (i = 0; i < pause; i++)
			caa_cpu_relax();
	}
	return false;
}

/* ------------------------------------------------------------------ */
/* Open and closed pages                                              */

size_t kvfree_record_object_bytes(const struct kvfree_record *record, unsigned int channel)
{
	/* Relaxed: the threads that free write it; any value will do. */
	size_t bytes = __atomic_load_n(&record->object_bytes[channel], __ATOMIC_RELAXED);

	if (bytes)
		return bytes;
	return channel == KVFREE_CHANNEL_LARGE ?
		kvfree_setting(large_threshold) + 1 : UNKNOWN_BYTES;
}

/* Pointers that the next page of @channel holds. */
static unsigned short page_limit(struct kvfree_record *record, unsigned int channel)
{
	size_t limit = kvfree_setting(batch_bytes) / PAGES_PER_BUDGET /
		kvfree_record_object_bytes(record, channel);

	if (limit > record->next_limit)
		limit = record->next_limit;
	if (limit > KVFREE_PAGE_PTRS)
		limit = KVFREE_PAGE_PTRS;
	return limit ? (unsigned short) limit : 1;
}

void kvfree_record_open(struct kvfree_record *record, unsigned int channel,
		struct kvfree_page *page, void *ptr)
{
	page->record = record;
	page->channel = channel;
	page->opened_at = __atomic_load_n(&record->domain->tick, __ATOMIC_RELAXED);
	page->limit = page_limit(record, channel);
	page->ptrs[0] = ptr;
	page->nr = 1;
	record->cpu = sched_getcpu();
	record->open[channel] = page;
	kvfree_trace(page_opened, record, page);
}

static unsigned int list_of(unsigned int channel)
{
	switch (channel) {
	case KVFREE_CHANNEL_MALLOC:
		return KVFREE_CLOSED_OWNER;
	case KVFREE_CHANNEL_LARGE:
		return KVFREE_CLOSED_LARGE;
	default:
		return KVFREE_CLOSED_USER;
	}
}

/* Update the hint for workers. Caller holds the lock. */
static void peek_update(struct kvfree_record *record, unsigned int list)
{
	struct kvfree_page_list *closed = &record->closed[list];

	if (closed->head)
		__atomic_store_n(&record->peek[list].cookie,
				closed->head->cookie, __ATOMIC_RELAXED);
	__atomic_store_n(&record->peek[list].pages, closed->nr, __ATOMIC_RELAXED);
}

/*
 * How much of the budget a closed page takes. Objects of unknown size count as large in a
 * record's first pages: with the default budget, each of these pages asks for a grace
 * period, and the thread that frees one learns the size.
 */
static size_t budget_share(const struct kvfree_record *record, const struct kvfree_page *page)
{
	bool known = page->channel >= KVFREE_CHANNEL_USER ||
		__atomic_load_n(&record->object_bytes[page->channel], __ATOMIC_RELAXED);

	return known || record->next_limit >= KVFREE_PAGE_PTRS ? page->bytes :
		page->nr * MAYBE_BYTES;
}

bool kvfree_record_close(struct kvfree_record *record, unsigned int channel)
{
	struct kvfree_domain *domain = record->domain;
	struct kvfree_page *page = record->open[channel];
	unsigned int list = list_of(channel);

	if (!page)
		return false;
	record->open[channel] = NULL;
	record->nr_queued += page->nr;
	if (record->next_limit < KVFREE_PAGE_PTRS)
		record->next_limit *= 2;
	page->bytes = page->nr * kvfree_record_object_bytes(record, channel);
	/* After the last append: see gp.h. */
	page->cookie = kvfree_gp_cookie(&domain->gp);
	kvfree_page_list_push(&record->closed[list], page);
	peek_update(record, list);
	kvfree_domain_closed(domain, page->bytes, budget_share(record, page));
	if (!kvfree_record_owner_frees(record) || list != KVFREE_CLOSED_OWNER)
		kvfree_domain_note_reap(domain);
	return true;
}

bool kvfree_record_close_all(struct kvfree_record *record)
{
	bool closed = false;
	unsigned int i;

	for (i = 0; i < KVFREE_CHANNELS; i++)
		if (kvfree_record_close(record, i))
			closed = true;
	return closed;
}

uint64_t kvfree_record_queued(struct kvfree_record *record)
{
	uint64_t nr = record->nr_queued;
	unsigned int i;

	for (i = 0; i < KVFREE_CHANNELS; i++)
		if (record->open[i])
			nr += record->open[i]->nr;
	return nr;
}

/* ------------------------------------------------------------------ */
/* Taking what is ripe                                                */

/* Fetch the lines of the next @nr victims, and those of the allocator's headers before them:
 * they are cold, and malloc_usable_size() reads the header at once. */
static void prefetch(const struct kvfree_page *page, size_t nr)
{
	size_t i;

	for (i = 1; i <= nr && i <= page->nr; i++) {
		const char *ptr = page->ptrs[page->nr - i];

		__builtin_prefetch(ptr - sizeof(size_t), 1);
		__builtin_prefetch(ptr, 1);
	}
}

size_t kvfree_record_take(struct kvfree_record *record, size_t max,
		void **victims, struct kvfree_page **spent)
{
	struct kvfree_page *page = kvfree_record_ripe_page(record);
	size_t nr = 0;

	if (!page)
		return 0;
	while (nr < max && page->nr)
		victims[nr++] = page->ptrs[--page->nr];
	record->nr_taken += nr;
	prefetch(page, nr);
	if (!page->nr) {
		*spent = kvfree_page_list_pop(
				&record->closed[KVFREE_CLOSED_OWNER]);
		peek_update(record, KVFREE_CLOSED_OWNER);
	}
	return nr;
}

void kvfree_record_wait_owner(struct kvfree_record *record)
{
	uint64_t taken;

	kvfree_record_lock(record);
	taken = record->nr_taken;
	kvfree_record_unlock(record);
	/* Acquire: pairs with the release in kvfree_record_freed(). */
	while (__atomic_load_n(&record->nr_freed, __ATOMIC_ACQUIRE) < taken)
		nanosleep(&nap, NULL);
}

unsigned int kvfree_record_take_pages(struct kvfree_record *record, unsigned int list,
		unsigned long number, unsigned int max, struct kvfree_page_list *pages)
{
	struct kvfree_page_list *closed = &record->closed[list];

	unsigned int nr;

	for (nr = 0; nr < max && closed->head &&
	     kvfree_gp_reached(number, closed->head->cookie); nr++)
		kvfree_page_list_push(pages, kvfree_page_list_pop(closed));
	peek_update(record, list);
	return nr;
}

/* ------------------------------------------------------------------ */
/* Making and claiming records                                        */

static struct kvfree_record *record_alloc(struct kvfree_domain *domain)
{
	struct kvfree_record *record = kvfree_page_memory(sizeof(*record));

	if (!record)
		return NULL;
	memset(record, 0, sizeof(*record));
	record->flavor = kvfree_domain_flavor(domain);
	record->domain = domain;
	record->cpu = -1;
	record->next_limit = KVFREE_FIRST_LIMIT;
	record->target = kvfree_setting(min_cached_pages);
	return record;
}

/* Add @record to the domain's list for good. */
static void record_publish(struct kvfree_record *record)
{
	struct kvfree_domain *domain = record->domain;

	/* A fork with the hooks holds this lock: see fork.c. */
	kvfree_mutex_lock(&domain->lock, KVFREE_RANK_DOMAIN);
	record->next = __atomic_load_n(&domain->records, __ATOMIC_RELAXED);
	/* Release: pairs with the acquire in kvfree_for_each_record(); a thread
	 * that finds the record finds it initialized. */
	__atomic_store_n(&domain->records, record, __ATOMIC_RELEASE);
	kvfree_mutex_unlock(&domain->lock);
}

/* A record that was left, or NULL. Its thread may have left a raw call by longjmp(), with the lock
 * held for good: nobody is to get that one. */
static struct kvfree_record *left_pop(struct kvfree_domain *domain)
{
	struct kvfree_record *record, **link = &domain->left;

	kvfree_mutex_lock(&domain->lock, KVFREE_RANK_DOMAIN);
	while ((record = *link) && !kvfree_record_trylock(record))
		link = &record->next_left;
	if (record) {
		*link = record->next_left;
		kvfree_record_unlock(record);
	}
	kvfree_mutex_unlock(&domain->lock);
	return record;
}

void kvfree_record_give_back(struct kvfree_record *record)
{
	struct kvfree_domain *domain = record->domain;

	kvfree_mutex_lock(&domain->lock, KVFREE_RANK_DOMAIN);
	/* Relaxed: the lock hands it to the next owner. */
	__atomic_store_n(&record->state, KVFREE_RECORD_LEFT, __ATOMIC_RELAXED);
	record->next_left = domain->left;
	domain->left = record;
	kvfree_mutex_unlock(&domain->lock);
}

/* A record for state @state: left by its thread, or allocated. Clean context. */
static struct kvfree_record *record_make(struct kvfree_domain *domain, int state)
{
	struct kvfree_record *record = left_pop(domain);

	if (record) {
		/* Relaxed: nobody else has it. */
		__atomic_store_n(&record->state, state, __ATOMIC_RELAXED);
		return record;
	}
	record = record_alloc(domain);
	if (!record)
		return NULL;
	record->state = state;
	record_publish(record);
	return record;
}

struct kvfree_record *kvfree_record_make_blank(struct kvfree_domain *domain)
{
	return record_make(domain, KVFREE_RECORD_BLANK);
}

static struct kvfree_record *blank_take(struct kvfree_domain *domain)
{
	unsigned int i;

	for (i = 0; i < KVFREE_BLANKS; i++) {
		struct kvfree_record *record;

		/* Acquire: pairs with the release in make_blanks() of cache.c. Exchange: no ABA. */
		record = __atomic_exchange_n(&domain->blank[i], NULL, __ATOMIC_ACQUIRE);
		if (record)
			return record;
	}
	return NULL;
}

/* glibc keeps the values of the first 32 keys in the thread itself and allocates for the others:
 * with a higher key, a raw context must not set the value. */
static bool key_is_raw_safe(void)
{
#ifdef __GLIBC__
	return key_made && key < 32;
#else
	return key_made;
#endif
}

/* Let the fast path find @record, unless debugging is on. */
static void tls_use(struct kvfree_record *record)
{
	if (caa_likely(!kvfree_setting(debug)))
		kvfree_tls.recent = record;
}

/* The calling thread's number, without a system call: the kernel's interface puts it into the
 * number of the thread's processor-time clock (~tid << 3, and what it counts). */
static pid_t self_tid(void)
{
	clockid_t clock;

	if (pthread_getcpuclockid(pthread_self(), &clock))
		return 0;
	return (pid_t) ~(clock >> 3);
}

/* Make thread_exit() run at the end of this thread. False: it cannot. */
static bool exit_arm(void)
{
	return key_made && pthread_setspecific(key, &kvfree_tls) == 0;
}

/* Make the record the calling thread's. The thread has armed its exit before, so nothing
 * here can fail: a blank record could not be put back if its slot was filled meanwhile. */
static void record_adopt(struct kvfree_record *record)
{
	/* Relaxed, all: hints for workers. What the thread writes to its
	 * record from here on is under the lock. */
	__atomic_store_n(&record->tid, self_tid(), __ATOMIC_RELAXED);
	__atomic_store_n(&record->clean_at, __atomic_load_n(&record->domain->tick,
				__ATOMIC_RELAXED) - 2, __ATOMIC_RELAXED);
	__atomic_store_n(&record->yield_due, false, __ATOMIC_RELAXED);
	__atomic_store_n(&record->state, KVFREE_RECORD_OWNED, __ATOMIC_RELAXED);
	kvfree_hook(KVFREE_HOOK_CLAIMING);
	kvfree_tls.record[kvfree_domain_index(record->domain)] = record;
	tls_use(record);
}

struct kvfree_record *kvfree_record_own(struct kvfree_domain *domain)
{
	struct kvfree_record *record;

	record = kvfree_tls.record[kvfree_domain_index(domain)];
	if (record)
		tls_use(record);
	return record;
}

struct kvfree_record *kvfree_record_find(const struct rcu_flavor_struct *flavor)
{
	unsigned int i;

	if (kvfree_setting(debug))
		return NULL;
	for (i = 0; i < KVFREE_MAX_DOMAINS; i++) {
		struct kvfree_record *record = kvfree_tls.record[i];

		if (record && record->flavor == flavor) {
			tls_use(record);
			return record;
		}
	}
	return NULL;
}

bool kvfree_record_may_claim(void)
{
	return !kvfree_tls.claiming && !kvfree_tls.exited && key_is_raw_safe();
}

/* From here on handlers claim nothing. Returns what one claimed before that. */
static struct kvfree_record *claim_begin(struct kvfree_domain *domain)
{
	kvfree_hook(KVFREE_HOOK_CLAIM);
	kvfree_tls.claiming = 1;
	kvfree_signal_fence();
	return kvfree_record_own(domain);
}

static void claim_end(void)
{
	kvfree_signal_fence();
	kvfree_tls.claiming = 0;
}

struct kvfree_record *kvfree_record_get_raw(struct kvfree_domain *domain)
{
	struct kvfree_record *record = kvfree_record_own(domain);

	if (record || !kvfree_record_may_claim())
		return record;
	record = claim_begin(domain);
	if (!record && exit_arm()) {
		record = blank_take(domain);
		if (record)
			record_adopt(record);
	}
	claim_end();
	return record;
}

struct kvfree_record *kvfree_record_get_clean(struct kvfree_domain *domain)
{
	struct kvfree_tls *tls = &kvfree_tls;
	struct kvfree_record *record = kvfree_record_own(domain);

	/* claiming is set here if an allocator hook, called by the claim below, queues. */
	if (record || tls->exited || tls->claiming)
		return record;
	record = claim_begin(domain);
	if (!record && exit_arm()) {
		record = record_make(domain, KVFREE_RECORD_OWNED);
		if (record)
			record_adopt(record);
	}
	claim_end();
	return record;
}

/* ------------------------------------------------------------------ */
/* Leaving                                                            */

static void stash_free(struct kvfree_record *record)
{
	while (record->nr_stash)
		free(record->stash[--record->nr_stash]);
}

void kvfree_record_leave(struct kvfree_domain *domain)
{
	struct kvfree_tls *tls = &kvfree_tls;
	unsigned int i = kvfree_domain_index(domain);
	struct kvfree_record *record = tls->record[i];

	if (!record)
		return;
	/* From here on a handler finds no record, before another thread can
	 * claim this one. In this order: otherwise a handler in between would
	 * take the record from record[] and put it back into recent. */
	tls->record[i] = NULL;
	kvfree_signal_fence();
	tls->recent = NULL;
	kvfree_signal_fence();
	stash_free(record);
	kvfree_record_give_back(record);
	kvfree_tick_arm();
}

static void thread_exit(void *arg)
{
	struct kvfree_domain *domain;

	(void) arg;
	kvfree_tls.exited = 1;
	kvfree_signal_fence();
	kvfree_for_each_slot(domain)
		kvfree_record_leave(domain);
}

int kvfree_record_make_key(void)
{
	int ret;

	if (key_made)
		return 0;
	ret = pthread_key_create(&key, thread_exit);
	if (ret) {
		errno = ret;
		return -1;
	}
	key_made = true;
	return 0;
}

#ifdef __GLIBC__
/* A program that is linked with -static may lack these; it has no modules. */
# pragma weak dladdr1
# pragma weak dlsym

/*
 * Never unload the module that has this code, such as a plugin with a static copy of the library:
 * other threads run its code, now or at their end. (The shared library is linked with -z nodelete.)
 */
static void stay_loaded(void)
{
	void *(*open)(const char *name, int flags);
	struct link_map *self;
	Dl_info info;

	/* The program itself has no name. */
	if (!dlsym || !dladdr1 || !dladdr1(&key, &info, (void **) &self,
				RTLD_DL_LINKMAP) || !*self->l_name)
		return;
	/* By name: the linker warns of dlopen() in every static program. */
	open = (void *(*)(const char *, int)) (uintptr_t) dlsym(RTLD_DEFAULT, "dlopen");
	if (open)
		open(self->l_name, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
}
#else
/* musl unloads nothing. */
static void stay_loaded(void)
{
}
#endif

/* In the constructor, so that the key lands among glibc's first 32 and raw calls may claim records;
 * see key_is_raw_safe(). */
static __attribute__((constructor)) void make_key_early(void)
{
	kvfree_record_make_key();
	stay_loaded();
}

/* ------------------------------------------------------------------ */
/* Giving records back                                                */

static void record_free(struct kvfree_record *record)
{
	struct kvfree_domain *domain = record->domain;

	__atomic_fetch_add(&domain->count.retired_queued, record->nr_queued, __ATOMIC_RELAXED);
	__atomic_fetch_add(&domain->count.owner_freed, record->nr_freed, __ATOMIC_RELAXED);
	__atomic_fetch_add(&domain->count.recycled, record->nr_recycled, __ATOMIC_RELAXED);
	free(record);
}

void kvfree_record_free_all(struct kvfree_domain *domain)
{
	struct kvfree_record *record, *next, *keep = NULL, *gone = NULL, **list;
	unsigned int i;

	for (i = 0; i < KVFREE_BLANKS; i++) {
		record = blank_take(domain);
		if (record)
			kvfree_record_give_back(record);
	}
	/* A thread that ends meanwhile leaves its record before this lock is taken, or after. */
	kvfree_mutex_lock(&domain->lock, KVFREE_RANK_DOMAIN);
	domain->left = NULL;
	__atomic_store_n(&domain->reap_at, NULL, __ATOMIC_RELAXED);
	__atomic_store_n(&domain->reap_user_at, NULL, __ATOMIC_RELAXED);
	record = __atomic_load_n(&domain->records, __ATOMIC_RELAXED);
	for (; record; record = next) {
		next = record->next;
		/* Keep those that the TLS of a living thread points to. */
		list = kvfree_record_has_use(record) ? &keep : &gone;
		record->next = *list;
		*list = record;
	}
	/* Release: pairs with kvfree_for_each_record(). */
	__atomic_store_n(&domain->records, keep, __ATOMIC_RELEASE);
	kvfree_mutex_unlock(&domain->lock);
	for (; gone; gone = next) {
		next = gone->next;
		record_free(gone);
	}
}

/* ------------------------------------------------------------------ */
/* Fork                                                               */

/* Take the locks of all records. It may wait for one while it holds others: the holder of
 * that one needs no other, and a thread that wants one of the others tries or sleeps. */
void kvfree_records_prefork(void)
{
	struct kvfree_domain *domain;
	struct kvfree_record *record;

	kvfree_for_each_slot(domain)
		kvfree_for_each_record(record, domain)
			kvfree_record_lock(record);
}

void kvfree_records_postfork(void)
{
	struct kvfree_domain *domain;
	struct kvfree_record *record;

	kvfree_for_each_slot(domain)
		kvfree_for_each_record(record, domain)
			kvfree_record_unlock(record);
}

/* Reset a record in the child: its thread is gone, unless that is this one. */
static void fork_reset(struct kvfree_record *record)
{
	kvfree_record_unlock(record);
	record->refill_gate = 0;
	record->nr_freed = record->nr_taken;
	if (record == kvfree_tls.record[kvfree_domain_index(record->domain)])
		__atomic_store_n(&record->tid, self_tid(), __ATOMIC_RELAXED);
	else if (record->state == KVFREE_RECORD_OWNED) {
		stash_free(record);
		kvfree_record_give_back(record);
	}
}

void kvfree_records_fork_reset(bool forget)
{
	struct kvfree_domain *domain;
	struct kvfree_record *record;

	if (forget) {
		memset(&kvfree_tls, 0, sizeof(kvfree_tls));
		return;
	}
	kvfree_for_each_domain(domain)
		kvfree_for_each_record(record, domain)
			fork_reset(record);
}
