/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef KVFREE_COUNT_H
#define KVFREE_COUNT_H

/*
 * count.h - objects ever queued, ever freed
 *
 * Objects in pages are counted when their page is closed, so that the fast path counts nothing;
 * reading the counters adds what the open pages hold.
 *
 * For the difference, read what is freed first: an object is counted as queued before anybody can
 * free it, so what was read as freed (acquire) was counted as queued before.
 */

#include "record.h"

static inline uint64_t kvfree_count_get(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

/* Objects ever freed; of those, by owners; objects kept for good. */
uint64_t kvfree_count_freed(struct kvfree_domain *domain);
uint64_t kvfree_count_owner_freed(struct kvfree_domain *domain);
uint64_t kvfree_count_leaked(struct kvfree_domain *domain);

/* Objects ever queued. With @wait, wait for each record's lock; without it, leave out
 * records whose lock is held. */
uint64_t kvfree_count_queued(struct kvfree_domain *domain, bool wait);

/* Queued and neither freed nor kept; @wait as above. */
uint64_t kvfree_count_pending(struct kvfree_domain *domain, bool wait);

#endif /* KVFREE_COUNT_H */
