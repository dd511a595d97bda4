/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * reap.c - who frees what is ripe
 */

#include <limits.h>
#include <string.h>

#include "placement.h"
#include "reap.h"
#include "timer.h"
#include "trace.h"

/* Pages that a worker takes at once: enough to pay for going to their processor. Fewer of large
 * memory, and of the program's channels, whose free functions may be slow; and in a barrier. */
#define PIECE_PAGES	64
#define PIECE_OTHERS	16
/* Objects of an emergency chain that it takes at once, and frees in one call. */
#define PIECE_LINKS	4096
#define LINKS_BULK	64
/* Objects that an owner takes at once. */
#define OWN_BULK	8

/* ------------------------------------------------------------------ */
/* Hands                                                              */

void kvfree_hand_open(struct kvfree_domain *domain, struct kvfree_hand *hand)
{
	struct kvfree_hands *hands = &domain->hands;
	struct kvfree_hand **link;

	kvfree_mutex_lock(&hands->lock, KVFREE_RANK_HANDS);
	while (hands->held)
		pthread_cond_wait(&hands->cond, &hands->lock);
	hand->number = ++hands->last;
	hand->next = NULL;
	for (link = &hands->open; *link; link = &(*link)->next)
		;
	*link = hand;
	kvfree_mutex_unlock(&hands->lock);
}

void kvfree_hand_close(struct kvfree_domain *domain, struct kvfree_hand *hand)
{
	struct kvfree_hands *hands = &domain->hands;
	struct kvfree_hand **link;

	kvfree_mutex_lock(&hands->lock, KVFREE_RANK_HANDS);
	for (link = &hands->open; *link != hand; link = &(*link)->next)
		;
	*link = hand->next;
	pthread_cond_broadcast(&hands->cond);
	kvfree_mutex_unlock(&hands->lock);
}

void kvfree_hands_wait(struct kvfree_domain *domain)
{
	struct kvfree_hands *hands = &domain->hands;
	unsigned long last;

	kvfree_mutex_lock(&hands->lock, KVFREE_RANK_HANDS);
	last = hands->last;
	while (hands->open && kvfree_gp_reached(last, hands->open->number))
		pthread_cond_wait(&hands->cond, &hands->lock);
	kvfree_mutex_unlock(&hands->lock);
}

void kvfree_hands_hold(struct kvfree_domain *domain)
{
	kvfree_mutex_lock(&domain->hands.lock, KVFREE_RANK_HANDS);
	domain->hands.held = true;
	while (domain->hands.open)
		pthread_cond_wait(&domain->hands.cond, &domain->hands.lock);
	kvfree_mutex_unlock(&domain->hands.lock);
}

void kvfree_hands_release(struct kvfree_domain *domain)
{
	kvfree_mutex_lock(&domain->hands.lock, KVFREE_RANK_HANDS);
	domain->hands.held = false;
	pthread_cond_broadcast(&domain->hands.cond);
	kvfree_mutex_unlock(&domain->hands.lock);
}

/* ------------------------------------------------------------------ */
/* Freeing                                                            */

/* Update the estimate: one object of @channel in @record has @bytes. */
static void note_bytes(struct kvfree_record *record, unsigned int channel, size_t bytes)
{
	size_t *estimate = &record->object_bytes[channel];
	size_t before = __atomic_load_n(estimate, __ATOMIC_RELAXED);

	/* Relaxed: an estimate; if two threads write it at once, either value will do. */
	if (bytes)
		__atomic_store_n(estimate, before ? before - before / 4 + bytes / 4 : bytes,
			__ATOMIC_RELAXED);
}

static void objects_free(struct kvfree_domain *domain, unsigned int channel, size_t nr, void **ptrs)
{
	kvfree_free_objects(channel, nr, ptrs);
	/* Release: pairs with kvfree_count_freed(). */
	__atomic_fetch_add(&domain->count.freed, nr, __ATOMIC_RELEASE);
}

/* Check the order that everything depends on. Objects that fail the check are leaked: losing memory
 * is bad, freeing it under a reader is worse. */
static bool may_free(struct kvfree_domain *domain, unsigned long cookie)
{
	return caa_likely(kvfree_gp_over(&domain->gp, cookie));
}

static void leak(struct kvfree_domain *domain, size_t nr)
{
	__atomic_fetch_add(&domain->count.leaked, nr, __ATOMIC_RELAXED);
	kvfree_warn("BUG: %zu objects were to be freed before their grace period is over; they are leaked",
		nr);
}

/* Free the objects of @page, which then joins @spent; see kvfree_cache_recycle(). */
static void page_free(struct kvfree_domain *domain, struct kvfree_page *page,
		struct kvfree_page_list *spent)
{
	if (spent->head && spent->head->record != page->record)
		kvfree_cache_recycle(spent);
	if (caa_unlikely(!may_free(domain, page->cookie))) {
		leak(domain, page->nr);
	} else if (page->nr) {
		note_bytes(page->record, page->channel,
			kvfree_free_bytes(page->channel, page->ptrs[0]));
		objects_free(domain, page->channel, page->nr, page->ptrs);
		kvfree_trace(page_freed, page->record, page);
	}
	kvfree_domain_unpend(domain, page->bytes);
	kvfree_page_list_push(spent, page);
	/* Only try: the owner may have lost its processor to this worker, with the lock held. */
	kvfree_cache_recycle_try(spent);
}

static void pages_free(struct kvfree_domain *domain,
		struct kvfree_page_list *pages, struct kvfree_page_list *spent)
{
	struct kvfree_page *page;

	while ((page = kvfree_page_list_pop(pages)))
		page_free(domain, page, spent);
	kvfree_cache_recycle(spent);
}

/* ------------------------------------------------------------------ */
/* The emergency chains                                               */

/* Free the first @max objects of a chain; returns the rest. */
static struct kvfree_emergency *links_free(struct kvfree_domain *domain,
		struct kvfree_emergency *link, size_t max)
{
	void *ptrs[LINKS_BULK];
	unsigned int channel = 0;
	size_t nr = 0;

	for (; link && max; max--) {
		struct kvfree_emergency *next = link->next;

		if (nr == LINKS_BULK || (nr && channel != kvfree_emergency_channel(link))) {
			objects_free(domain, channel, nr, ptrs);
			nr = 0;
		}
		channel = kvfree_emergency_channel(link);
		ptrs[nr++] = kvfree_emergency_object(link);
		link = next;
	}
	if (nr)
		objects_free(domain, channel, nr, ptrs);
	return link;
}

/* The chain fails the check: leak all of it. Returns the rest, which is none. */
static struct kvfree_emergency *links_leak(struct kvfree_domain *domain,
		struct kvfree_emergency *link)
{
	size_t nr = 0;

	for (; link; link = link->next)
		nr++;
	leak(domain, nr);
	return NULL;
}

/* Take the chain of list @list if @number has reached its cookie. */
static struct kvfree_emergency *chain_take(struct kvfree_domain *domain,
		unsigned int list, unsigned long number)
{
	struct kvfree_chain *chain = &domain->chain[list];
	struct kvfree_emergency *link = NULL;

	kvfree_mutex_lock(&domain->lock, KVFREE_RANK_DOMAIN);
	if (chain->head && kvfree_gp_reached(number, chain->cookie)) {
		link = chain->head;
		chain->head = NULL;
		chain->taken = true;
	} else if (chain->head) {
		/* As in piece_collect(). */
		kvfree_domain_note_reap(domain);
	}
	kvfree_mutex_unlock(&domain->lock);
	return link;
}

static void chain_put(struct kvfree_domain *domain, unsigned int list,
		struct kvfree_emergency *rest)
{
	kvfree_mutex_lock(&domain->lock, KVFREE_RANK_DOMAIN);
	domain->chain[list].head = rest;
	domain->chain[list].taken = false;
	kvfree_mutex_unlock(&domain->lock);
}

/* Free a piece of the chain of list @list if it is ripe. Returns whether there is more of it. */
static bool chain_piece(struct kvfree_domain *domain, unsigned int list,
		unsigned long number, size_t max)
{
	struct kvfree_emergency *link = chain_take(domain, list, number);

	if (!link)
		return false;
	/* The cookie stays while the chain is taken. */
	if (caa_unlikely(!may_free(domain, domain->chain[list].cookie)))
		link = links_leak(domain, link);
	else
		link = links_free(domain, link, max);
	chain_put(domain, list, link);
	return link;
}

/* Whether a chain, or what somebody has taken of it, waits for no more than @cookie. */
static bool chain_is_there(struct kvfree_domain *domain, unsigned long cookie)
{
	const struct kvfree_chain *chain;
	bool there = false;
	unsigned int list;

	kvfree_mutex_lock(&domain->lock, KVFREE_RANK_DOMAIN);
	for (list = 0; list < KVFREE_EMERGENCY_LISTS; list++) {
		chain = &domain->chain[list];
		if ((chain->head || chain->taken) && kvfree_gp_reached(cookie, chain->cookie))
			there = true;
	}
	kvfree_mutex_unlock(&domain->lock);
	return there;
}

void kvfree_reap_chain(struct kvfree_domain *domain, unsigned long cookie)
{
	struct kvfree_hand hand;
	unsigned int list;

	do {
		kvfree_hand_open(domain, &hand);
		for (list = 0; list < KVFREE_EMERGENCY_LISTS; list++)
			chain_piece(domain, list, cookie, PIECE_LINKS);
		kvfree_hand_close(domain, &hand);
		/* A worker that has taken a chain puts the rest of it back. */
		kvfree_hands_wait(domain);
	} while (chain_is_there(domain, cookie));
	/* Workers, who ask for the grace period that a list missed while its chain was here. */
	if (kvfree_domain_emergency_missed(domain)) {
		kvfree_domain_note_reap(domain);
		kvfree_timer_arm(KVFREE_ALARM_KICK, 0);
	}
}

/* ------------------------------------------------------------------ */
/* What workers free                                                  */

/* The number up to which workers may take pages of @list of @record. */
static unsigned long piece_number(const struct kvfree_piece *piece,
		const struct kvfree_record *record, unsigned int list)
{
	if (list == KVFREE_CLOSED_OWNER && kvfree_record_owner_frees(record))
		return piece->for_tick;
	return piece->completed;
}

/* Whether the record has pages for the walk. */
static bool walk_wants(const struct kvfree_piece *piece, struct kvfree_record *record)
{
	unsigned int list;

	for (list = piece->walk.first; list < piece->walk.end; list++)
		if (kvfree_record_peek(record, list, piece_number(piece, record, list)))
			return true;
	return false;
}

/* How many more pages of @list of @record fit into the piece. */
static unsigned int piece_room(const struct kvfree_piece *piece,
		const struct kvfree_record *record, unsigned int list)
{
	unsigned int room = PIECE_PAGES - piece->pages[KVFREE_CLOSED_OWNER].nr -
		piece->pages[KVFREE_CLOSED_LARGE].nr;
	unsigned int others = PIECE_OTHERS - piece->pages[list].nr;

	/* Those are freed on the processor of their owner; a piece goes to one. */
	if (list == KVFREE_CLOSED_OWNER)
		return record->cpu == piece->cpu ? room : 0;
	return list == KVFREE_CLOSED_USER || others < room ? others : room;
}

static bool walk_is_full(const struct kvfree_piece *piece)
{
	const struct kvfree_page_list *pages = piece->pages;

	if (piece->walk.first == KVFREE_CLOSED_USER)
		return pages[KVFREE_CLOSED_USER].nr == PIECE_OTHERS;
	return pages[KVFREE_CLOSED_LARGE].nr == PIECE_OTHERS ||
		pages[KVFREE_CLOSED_OWNER].nr + pages[KVFREE_CLOSED_LARGE].nr == PIECE_PAGES;
}

/*
 * @record is on another processor than the piece. Its pages of malloc's objects are for a piece
 * that goes there: the next one, if they have been ripe for a tick. Not earlier: to go to and fro
 * costs a worker more than a few pages are worth. Caller holds the lock.
 */
static void walk_leave(struct kvfree_piece *piece, struct kvfree_record *record)
{
	if (!kvfree_record_peek(record, KVFREE_CLOSED_OWNER,
			piece_number(piece, record, KVFREE_CLOSED_OWNER)))
		return;
	piece->walk.left = true;
	if (!piece->walk.next && kvfree_record_peek(record, KVFREE_CLOSED_OWNER, piece->for_tick))
		piece->walk.next = record;
}

/* Take pages of @record. False if its lock is held. */
static bool walk_take(struct kvfree_piece *piece, struct kvfree_record *record)
{
	unsigned int list;

	if (!kvfree_record_lock_few(record))
		return false;
	if (!piece->pages[KVFREE_CLOSED_OWNER].nr)
		piece->cpu = record->cpu;
	/* From the last list: first what owners do not free. */
	for (list = piece->walk.end; list-- > piece->walk.first; )
		piece->nr += kvfree_record_take_pages(record, list,
				piece_number(piece, record, list), piece_room(piece, record, list),
				&piece->pages[list]);
	if (piece->walk.first == KVFREE_CLOSED_OWNER && record->cpu != piece->cpu)
		walk_leave(piece, record);
	kvfree_record_unlock(record);
	return true;
}

/* Note whether something of @record will be for workers once it is ripe. */
static void walk_look_on(struct kvfree_piece *piece, struct kvfree_record *record)
{
	unsigned int list;

	for (list = piece->walk.first; list < piece->walk.end; list++) {
		if (list == KVFREE_CLOSED_OWNER && kvfree_record_owner_frees(record))
			continue;
		if (kvfree_record_peek_later(record, list, piece->completed))
			piece->walk.unripe = true;
	}
}

/* The record after @record, or the first one at the end of the list. */
static struct kvfree_record *record_after(struct kvfree_domain *domain,
		struct kvfree_record *record)
{
	if (record && record->next)
		return record->next;
	/* Acquire: as in kvfree_for_each_record(). */
	return __atomic_load_n(&domain->records, __ATOMIC_ACQUIRE);
}

/*
 * Walk the records once around, from @first, so that no record waits for others for more than a
 * tick. The next walk is to begin at the first record that walk_leave() names, else behind the
 * record that filled the piece.
 */
static void walk_around(struct kvfree_piece *piece, struct kvfree_domain *domain,
		struct kvfree_record *first)
{
	struct kvfree_record *record = first;
	bool held = false;

	do {
		if (walk_wants(piece, record) && !walk_take(piece, record))
			held = true;
		walk_look_on(piece, record);
		record = record_after(domain, record);
	} while (record != first && !walk_is_full(piece));
	if (walk_is_full(piece)) {
		piece->walk.left = true;
		if (!piece->walk.next)
			piece->walk.next = record;
	}
	/* A lock was held: look again at the next tick, if there is nothing else to do. */
	if (held && piece->nr)
		piece->walk.left = true;
	else if (held)
		kvfree_tick_arm();
}

/* Fill the piece from the lists from @first up to @end; *@at is where such a walk begins. Returns
 * whether something was left. */
static bool piece_collect(struct kvfree_domain *domain, struct kvfree_piece *piece,
		unsigned int first, unsigned int end, struct kvfree_record **at)
{
	/* Relaxed: anywhere is a good place to begin; records stay. */
	struct kvfree_record *record = __atomic_load_n(at, __ATOMIC_RELAXED);

	piece->walk.first = first;
	piece->walk.end = end;
	piece->walk.left = piece->walk.unripe = false;
	piece->walk.next = NULL;
	if (!record)
		record = record_after(domain, NULL);
	if (!record)
		return false;
	walk_around(piece, domain, record);
	if (piece->walk.next)
		__atomic_store_n(at, piece->walk.next, __ATOMIC_RELAXED);
	/* Whoever asked for this piece took the note of those, too. */
	if (piece->walk.unripe)
		kvfree_domain_note_reap(domain);
	return piece->walk.left;
}

bool kvfree_piece_take(struct kvfree_domain *domain, struct kvfree_piece *piece)
{
	bool more;

	memset(piece, 0, sizeof(*piece));
	kvfree_hand_open(domain, &piece->hand);
	piece->completed = kvfree_gp_completed(&domain->gp);
	/* Acquire: pairs with tick_count(). */
	piece->for_tick = __atomic_load_n(&domain->ripe_for_tick, __ATOMIC_ACQUIRE);
	/* It may be above completed, which was read before; or so old, without a
	 * tick for half of all numbers, that pages which are not ripe seem to be. */
	if (piece->completed - piece->for_tick > ULONG_MAX / 4)
		piece->for_tick = piece->completed;
	more = piece_collect(domain, piece, KVFREE_CLOSED_OWNER, KVFREE_CLOSED_USER,
			&domain->reap_at);
	/* Acq_rel: pairs with the exchange in user_free(). Only one worker at a time calls free
	 * functions of the program: they may be slow, and the rest of this flavor and other flavors
	 * need workers too. */
	piece->user = !__atomic_exchange_n(&domain->user_taken, true, __ATOMIC_ACQ_REL);
	/* This one does not see what is not ripe there. */
	if (!piece->user)
		kvfree_domain_note_reap(domain);
	else if (piece_collect(domain, piece, KVFREE_CLOSED_USER, KVFREE_CLOSED_LISTS,
			&domain->reap_user_at))
		more = true;
	return more;
}

/* Free pages of malloc's objects on processor @cpu, where their owners run. */
static void near_free(struct kvfree_domain *domain,
		struct kvfree_page_list *pages, struct kvfree_page_list *spent, int cpu)
{
	struct kvfree_page *page;

	while ((page = kvfree_page_list_pop(pages))) {
		/* Relaxed: a hint. The policy of each owner is looked at, without
		 * a system call if it is that of the last page. A tick looks
		 * whether a bound worker makes progress. */
		if (kvfree_placement_follow(cpu, __atomic_load_n(
				&page->record->tid, __ATOMIC_RELAXED)))
			kvfree_tick_arm();
		page_free(domain, page, spent);
	}
	kvfree_cache_recycle(spent);
	kvfree_placement_release();
}

bool kvfree_piece_free(struct kvfree_domain *domain, struct kvfree_piece *piece)
{
	struct kvfree_page_list *near = &piece->pages[KVFREE_CLOSED_OWNER];

	kvfree_hook(KVFREE_HOOK_PIECE);
	near_free(domain, near, &piece->spent, piece->cpu);
	pages_free(domain, &piece->pages[KVFREE_CLOSED_LARGE], &piece->spent);
	return chain_piece(domain, KVFREE_EMERGENCY_BUILTIN, piece->completed, PIECE_LINKS);
}

/* Free objects of the program's channels, and let another worker do so. Returns whether it
 * knows of more. */
static bool user_free(struct kvfree_domain *domain, struct kvfree_piece *piece)
{
	struct kvfree_page_list *pages = &piece->pages[KVFREE_CLOSED_USER];
	/* What the walk left, too: another worker came for it and found user_taken set. */
	bool more = pages->nr || piece->walk.left;

	pages_free(domain, pages, &piece->spent);
	if (chain_piece(domain, KVFREE_EMERGENCY_USER, piece->completed, PIECE_LINKS))
		more = true;
	/* Acq_rel, a read-modify-write: pairs with kvfree_piece_take(). A worker that found
	 * user_taken set left what had become ripe to this one, which sees that number in
	 * kvfree_piece_finish(). */
	(void) __atomic_exchange_n(&domain->user_taken, false, __ATOMIC_ACQ_REL);
	return more;
}

bool kvfree_piece_finish(struct kvfree_domain *domain, struct kvfree_piece *piece)
{
	bool more = piece->user && user_free(domain, piece);

	kvfree_trace(piece_freed, domain, piece->nr);
	kvfree_hand_close(domain, &piece->hand);
	/* The end of a grace period may have come before a note of this piece that was for it. */
	return more || kvfree_gp_completed(&domain->gp) != piece->completed;
}

/* ------------------------------------------------------------------ */
/* What barriers free                                                 */

/* Free a piece of what @record holds up to @cookie. */
static void record_piece(struct kvfree_record *record, unsigned long cookie)
{
	struct kvfree_page_list pages = { NULL, NULL, 0 };
	struct kvfree_page_list spent = { NULL, NULL, 0 };
	struct kvfree_hand hand;
	unsigned int list;

	kvfree_hand_open(record->domain, &hand);
	kvfree_record_lock(record);
	for (list = 0; list < KVFREE_CLOSED_LISTS; list++)
		kvfree_record_take_pages(record, list, cookie, PIECE_OTHERS - pages.nr, &pages);
	kvfree_record_unlock(record);
	pages_free(record->domain, &pages, &spent);
	kvfree_hand_close(record->domain, &hand);
}

void kvfree_reap_record(struct kvfree_record *record, unsigned long cookie)
{
	unsigned int list;

	for (list = 0; list < KVFREE_CLOSED_LISTS; list++)
		while (kvfree_record_peek(record, list, cookie))
			record_piece(record, cookie);
	kvfree_record_wait_owner(record);
}

/* ------------------------------------------------------------------ */
/* What owners free                                                   */

void kvfree_reap_note_first(struct kvfree_record *record, unsigned int channel, void *ptr)
{
	/* Relaxed: as in note_bytes(). */
	if (!__atomic_load_n(&record->object_bytes[channel], __ATOMIC_RELAXED))
		note_bytes(record, channel, kvfree_free_bytes(channel, ptr));
}

void kvfree_reap_note_bytes(struct kvfree_record *record, void *ptr)
{
	note_bytes(record, KVFREE_CHANNEL_MALLOC, kvfree_free_malloc_bytes(ptr));
}

/* Take and free some; returns how many. */
static size_t own_piece(struct kvfree_record *record, size_t max)
{
	struct kvfree_page *spent = NULL;
	void *victims[OWN_BULK];
	size_t nr, i;

	if (!kvfree_record_trylock(record))
		return 0;
	nr = kvfree_record_take(record, max < OWN_BULK ? max : OWN_BULK, victims, &spent);
	kvfree_record_unlock(record);
	if (spent)
		kvfree_reap_note_bytes(record, victims[0]);
	/* Before the frees are counted: see kvfree_record_wait_owner(). */
	if (spent)
		kvfree_cache_recycle_owner(spent);
	for (i = 0; i < nr; i++)
		kvfree_record_free_victim(record, victims[i]);
	return nr;
}

size_t kvfree_reap_own(struct kvfree_record *record, size_t max)
{
	size_t nr, sum = 0;

	if (kvfree_setting(debug))
		return 0;
	do {
		nr = own_piece(record, max - sum);
		sum += nr;
	} while (nr && sum < max);
	return sum;
}
