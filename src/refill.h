/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef KVFREE_REFILL_H
#define KVFREE_REFILL_H

/*
 * refill.h - empty cache, timer, worker, pages
 */

#include "workqueue.h"

/* The work item's function: serve every gate that is set. */
void kvfree_refill_work(struct kvfree_work *work);

/* Make no pages for the back-off time: memory is short. Clean context. */
void kvfree_refill_hold(void);

#endif /* KVFREE_REFILL_H */
