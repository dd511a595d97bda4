# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The liburcu-kvfree authors
"""Commands for gdb that look into liburcu-kvfree; see urcu-kvfree-gdb(7).

Everything is read from memory, through the library's debug information. No function of the
program is called, so a core file will do, and a process that hangs.
"""

import struct
import time

import gdb

# What debug information does not tell; see emergency.h, util.h, record.h and record.c.
EMERGENCY_SHIFT = 12
CHANNEL_NAMES = ["malloc", "large"]
EMERGENCY_LISTS = ["", " of channels"]
RECORD_LEFT, RECORD_BLANK = range(2)
UNKNOWN_BYTES = 64

# An address this far into an object still says which one it may be.
INSIDE_BYTES = 4096


def number(value):
    return int(value)


def pointer(value):
    return int(value.cast(gdb.lookup_type("unsigned long")))


def reached(now, cookie):
    """kvfree_gp_reached(): numbers wrap."""
    bits = 8 * gdb.lookup_type("unsigned long").sizeof
    return (now - cookie) % (1 << bits) < 1 << (bits - 1)


def linked(first, member="next"):
    """The members of a list; an error where it leads nowhere, or in a circle."""
    seen = set()
    while first:
        if pointer(first) in seen:
            raise gdb.MemoryError("the list goes in a circle at %#x" % pointer(first))
        seen.add(pointer(first))
        item = first.dereference()
        item.fetch_lazy()
        yield item
        first = item[member]


class Library:
    """One copy of the library in the process, with debug information."""

    def __init__(self, objfile):
        self.objfile = objfile
        self.domains = self.variable("kvfree_domains")

    def variable(self, name):
        return self.objfile.lookup_global_symbol(name).value()

    def setting(self, name):
        return number(self.variable("kvfree_conf")[name])

    def channel_name(self, channel):
        if channel < len(CHANNEL_NAMES):
            return CHANNEL_NAMES[channel]
        channels = self.variable("kvfree_channels")["user"]
        return channels[channel - len(CHANNEL_NAMES)]["name"].string(errors="replace")

    def domains_in_use(self):
        first, last = self.domains.type.range()
        for i in range(first, last + 1):
            if not self.domains[i]["flavor"]:
                return
            yield Domain(self, self.domains[i])


class Domain:
    """What belongs to one flavor."""

    def __init__(self, library, value):
        self.library = library
        self.value = value

    def name(self):
        where = pointer(self.value["flavor"])
        text = gdb.execute("info symbol %#x" % where, to_string=True)
        return text.split()[0] if " in section " in text else "flavor %#x" % where

    def records(self):
        return [Record(self, value) for value in linked(self.value["records"])]

    def emergencies(self):
        """The first link of each emergency list and chain, what it is, and what it waits for."""
        for i, of in enumerate(EMERGENCY_LISTS):
            chain = self.value["chain"][i]
            yield self.value["emergency"][i], "list" + of, None
            yield chain["head"], "chain" + of, self.wait_text(number(chain["cookie"]))

    def wait_text(self, cookie):
        """Where the grace period is that a cookie stands for."""
        gp = self.value["gp"]
        if reached(number(gp["completed"]), cookie):
            state = "is over"
        elif reached(number(gp["started"]), cookie):
            state = "runs"
        else:
            state = "has not begun"
        return "waits for grace period %d, which %s" % (cookie, state)


class Record:
    """What one thread has in one domain."""

    def __init__(self, domain, value):
        self.domain = domain
        self.value = value

    def owner(self):
        state, tid = number(self.value["state"]), number(self.value["tid"])
        if state == RECORD_BLANK:
            return "no thread yet"
        if state == RECORD_LEFT:
            return "no thread, left by thread %d" % tid if tid else "no thread"
        for thread in gdb.selected_inferior().threads():
            if tid == thread.ptid[1]:
                return "thread %d (%d in gdb%s)" % (tid, thread.num,
                        ', "%s"' % thread.name if thread.name else "")
        return "thread %d" % tid

    def open_pages(self):
        first, last = self.value["open"].type.range()
        pages = [self.value["open"][i] for i in range(first, last + 1)]
        return [page.dereference() for page in pages if page]

    def closed_pages(self):
        first, last = self.value["closed"].type.range()
        for i in range(first, last + 1):
            yield from linked(self.value["closed"][i]["head"])

    def object_bytes(self, channel):
        """kvfree_record_object_bytes(), an estimate."""
        known = number(self.value["object_bytes"][channel])
        if known:
            return known
        large = CHANNEL_NAMES[channel:channel + 1] == ["large"]
        return self.domain.library.setting("large_threshold") + 1 if large else UNKNOWN_BYTES

    def open_count(self):
        return sum(number(page["nr"]) for page in self.open_pages())

    def open_bytes(self):
        return sum(number(page["nr"]) * self.object_bytes(number(page["channel"]))
                for page in self.open_pages())

    def oldest_ticks(self):
        """Ticks since the oldest page came into use; None without pages."""
        tick = number(self.domain.value["tick"])
        pages = self.open_pages() + list(self.closed_pages())
        return max(((tick - number(page["opened_at"])) % (1 << 32) for page in pages),
                default=None)


def libraries():
    """All copies of the library that can be read; an error if there is none."""
    found = {}
    if not gdb.selected_inferior().pid:
        raise gdb.GdbError("There is no process and no core file to look into.")
    for objfile in gdb.objfiles():
        if objfile.lookup_global_symbol("kvfree_domains"):
            library = Library(objfile)
            found[pointer(library.domains.address)] = library
    if not found:
        raise gdb.GdbError(why_none())
    return list(found.values())


def why_none():
    try:
        gdb.parse_and_eval("&urcu_kvfree_init")
    except gdb.error:
        return "Nothing here uses liburcu-kvfree."
    return ("The debug information of liburcu-kvfree is missing. Install it (Debian: "
            "liburcu-kvfree0-dbgsym),\nlet gdb fetch it ('set debuginfod enabled on'), or "
            "build the library with -g.")


def plural(count, what):
    return "%d %s%s" % (count, what, "" if count == 1 else "s")


# ----------------------------------------------------------------------
# kvfree status


def since_text(msec):
    """Since when a grace period runs; a core file does not say when it was written."""
    connection = gdb.selected_inferior().connection
    if connection and connection.type == "native":
        now = time.clock_gettime(time.CLOCK_MONOTONIC)
        return "for %.1f s" % max(now - msec / 1000, 0)
    return "since %.3f s on the monotonic clock" % (msec / 1000)


def count_pending(domain, records):
    """kvfree_count_pending()"""
    count = domain.value["count"]
    queued = sum(number(count[name]) for name in
            ("emergency", "inline_freed", "retired_queued"))
    queued += sum(number(record.value["nr_queued"]) + record.open_count()
            for record in records)
    done = sum(number(count[name]) for name in
            ("freed", "inline_freed", "owner_freed", "leaked"))
    return queued - done - sum(number(record.value["nr_freed"]) for record in records)


def print_grace_period(gp):
    if gp["running"]:
        since = number(gp["since_msec"])
        print("  grace period %d runs%s" % (number(gp["started"]) + (not since),
                ", " + since_text(since) if since else ""))
    else:
        print("  no grace period runs%s" %
                (": a fork holds them up" if gp["held"] else ""))
    print("  %s over, the longest took %d ms" %
            (plural(number(gp["count"]), "grace period"), number(gp["longest_msec"])))


def print_emergency(domain):
    for first, what, wait in domain.emergencies():
        what = "emergency " + what
        count = 0
        try:
            for _ in linked(first):
                count += 1
        except gdb.MemoryError as error:
            print("  %s: BROKEN after %s, %s" % (what, plural(count, "object"), error))
            continue
        if count:
            print("  %s: %s, %s" % (what, plural(count, "object"), wait or "not closed yet"))


def print_record(record):
    nr_open = record.open_count()
    closed = list(record.closed_pages())
    print("  record %#x: %s: %s in current pages, %d in %s" % (
            pointer(record.value.address), record.owner(), plural(nr_open, "object"),
            sum(number(page["nr"]) for page in closed),
            plural(len(closed), "closed page")))


def print_domain(domain):
    records = domain.records()
    size = number(domain.value["pending_bytes"]) + \
        sum(record.open_bytes() for record in records)
    print("%s: %s pending, about %d bytes in pages; %s" % (domain.name(),
            plural(count_pending(domain, records), "object"), size,
            plural(len(records), "record")))
    print_grace_period(domain.value["gp"])
    aged = [(record.oldest_ticks(), record) for record in records]
    aged = [(ticks, record) for ticks, record in aged if ticks is not None]
    if aged:
        ticks, record = max(aged, key=lambda pair: pair[0])
        print("  oldest page: %s (%d ms), of %s" % (plural(ticks, "tick"),
                ticks * domain.library.setting("drain_msec"), record.owner()))
    print_emergency(domain)
    for record in records:
        print_record(record)


class KvfreeStatus(gdb.Command):
    """Show what liburcu-kvfree holds, flavor by flavor.
Usage: kvfree status

For each flavor of RCU in use: how many objects are pending and about how many bytes they
have; the grace period that runs, and since when; the page that has waited longest; the
emergency lists; and each record with its thread.

Nothing is called in the program. Counters that other threads were about to change as the
program stopped may be off by a few."""

    def __init__(self):
        super().__init__("kvfree status", gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        if argument:
            raise gdb.GdbError("'kvfree status' takes no argument.")
        for library in libraries():
            pool = library.variable("kvfree_pool")
            print("liburcu-kvfree in %s: %s" % (library.objfile.filename,
                    plural(number(pool["nr_threads"]), "worker")
                    if pool["open"] else "not running"))
            for domain in library.domains_in_use():
                print_domain(domain)


# ----------------------------------------------------------------------
# kvfree find


def page_pointers(page):
    """The pointers of a page, in one read."""
    nr, size = number(page["nr"]), gdb.lookup_type("void").pointer().sizeof
    memory = gdb.selected_inferior().read_memory(page["ptrs"].address, nr * size)
    big = "big" in gdb.execute("show endian", to_string=True)
    return struct.unpack("%s%d%s" % (">" if big else "<", nr, "Q" if size == 8 else "I"),
            bytes(memory))


def in_pages(record, pages, kind):
    for page in pages:
        for slot, address in enumerate(page_pointers(page)):
            yield address, lambda page=page, slot=slot: (
                "%s, record %#x of %s\n  %s page %#x, slot %d of %d, channel %s\n  %s" % (
                    record.domain.name(), pointer(record.value.address), record.owner(),
                    kind, pointer(page.address), slot, number(page["nr"]),
                    record.domain.library.channel_name(number(page["channel"])),
                    record.domain.wait_text(number(page["cookie"]))
                    if kind == "closed" else "waits for no grace period yet"))


def in_list(domain, first, kind, wait):
    for link in linked(first):
        where, at = number(link["where"]), pointer(link.address)
        offset = where % (1 << EMERGENCY_SHIFT)
        yield at - offset, lambda where=where, offset=offset: (
            "%s\n  emergency %s, rcu_head at offset %d, channel %s\n  %s" % (
                domain.name(), kind, offset,
                domain.library.channel_name(where >> EMERGENCY_SHIFT), wait))


def in_stash(record):
    for i in range(number(record.value["nr_stash"])):
        yield pointer(record.value["stash"][i]), lambda: (
            "%s, record %#x of %s\n  its grace period is over and it counts as freed: "
            "urcu_kvmalloc() keeps it for the thread's next requests" % (
                record.domain.name(), pointer(record.value.address), record.owner()))


def in_domain(domain):
    """Iterators over the objects of each place: of an address and a text to be made."""
    for first, what, wait in domain.emergencies():
        yield in_list(domain, first, what, wait or "waits for no grace period yet")
    for record in domain.records():
        yield in_pages(record, record.open_pages(), "current")
        yield in_pages(record, record.closed_pages(), "closed")
        yield in_stash(record)


def search(wanted):
    """Those that are at @wanted, and the nearest below it: (address, text) or None."""
    found, below = [], None
    for library in libraries():
        for domain in library.domains_in_use():
            for place in in_domain(domain):
                try:
                    for address, text in place:
                        if address == wanted:
                            found.append(text())
                        elif wanted - INSIDE_BYTES < address < wanted and \
                                (not below or below[0] < address):
                            below = address, text()
                except gdb.MemoryError as error:
                    print("A list of %s is broken, and was not searched to its end: %s.\n"
                            "Something may have written to an object that was queued." %
                            (domain.name(), error))
            if domain.value["hands"]["open"]:
                print("A worker or a barrier is freeing objects of %s: those that it has "
                        "taken are not found." % domain.name())
    return found, below


class KvfreeFind(gdb.Command):
    """Say whether an object is queued in liburcu-kvfree, and where.
Usage: kvfree find ADDR

ADDR is any expression. For an object that is queued: the flavor, the record and its thread,
the place (the current page, a closed page, an emergency list or its chain), the channel, and
the number of the grace period that it waits for (its cookie). If nothing that begins at ADDR
is queued, the nearest queued object that begins less than 4096 bytes below it is named.

Objects that were freed are not found, but for those that urcu_kvmalloc() keeps for a thread's
next requests. Nothing is called in the program."""

    def __init__(self):
        super().__init__("kvfree find", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        if not argument:
            raise gdb.GdbError("'kvfree find' wants an address.")
        wanted = pointer(gdb.parse_and_eval(argument))
        found, below = search(wanted)
        for text in found:
            print("%#x: %s" % (wanted, text))
        if len(found) > 1:
            print("It is queued %d times, which is an error of the program." % len(found))
        if found:
            return
        print("%#x is not queued." % wanted)
        if below:
            print("The nearest queued object below it begins %d bytes before.\n%#x: %s" %
                    (wanted - below[0], below[0], below[1]))


class Kvfree(gdb.Command):
    """Look into liburcu-kvfree: what is queued, and where."""

    def __init__(self):
        super().__init__("kvfree", gdb.COMMAND_DATA, prefix=True)


Kvfree()
KvfreeStatus()
KvfreeFind()
