# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The liburcu-kvfree authors
"""Decides what urcu-kvfree-migrate changes, from the facts that find.cocci printed.

Usage: plan.py WORK FREES FILE...

Reads WORK/facts. Writes WORK/edits, for convert.cocci, and WORK/includes, with a file and the line
after which it gets its #include. Prints the summary. FREES are the functions that free as free()
does, separated by commas; the FILEs are all that may be changed.
"""

import collections
import os
import re
import sys

CALL = r"\b(?:urcu_([a-z]+)_)?(call|defer)_rcu(?:_(memb|mb|qsbr|bp|sig))?\b"
FLAVOR = re.compile(r'[<"](urcu\.h|urcu-(bp|qsbr)\.h|urcu/urcu(-(bp|mb|memb|qsbr|signal))?\.h)[>"]')
DESCRIPTORS = re.compile(r'"/(proc/self|dev)/fd\b')
NOT_CODE = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)

Call = collections.namedtuple("Call", "place around fn first second")
Callback = collections.namedtuple("Callback", "place fn release type member")


class Left(Exception):
    """Why a call stays as it is."""


def open_text(name, mode="r"):
    """Whatever its encoding is."""
    return open(name, mode, encoding="utf-8", errors="surrogateescape")


def squeeze(text):
    """An expression as one would write it: find.cocci has a blank around each word."""
    text = re.sub(r" ?(->|\.|\[|\]) ?", r"\1", text)
    text = re.sub(r"([&*(!~]) ", r"\1", text)
    return re.sub(r" ([(),])", r"\1", text)


def function_name(text):
    """The function that is meant by cb, &cb or (void (*)(struct rcu_head *)) cb."""
    found = re.fullmatch(r"(?:\(.*\) ?)?&?(\w+)", squeeze(text))
    return found.group(1) if found else None


class Program:
    """The files of a run, and the facts about them."""

    def __init__(self, facts, frees, files):
        self.frees = frees
        self.files = files
        self.code = {name: self.read(name) for name in files}
        self.calls, self.callbacks, self.plain = {}, {}, {}
        self.types, self.held, self.barriers = {}, {}, {}
        self.definitions, self.prototypes = {}, {}
        self.mains = set()
        for line in facts:
            if line.startswith("fact\t"):
                self.add(*line.rstrip("\n").split("\t")[1:])

    @staticmethod
    def read(name):
        """A file without comments and strings."""
        with open_text(name) as file:
            return NOT_CODE.sub(lambda found: "\n" * found.group().count("\n"), file.read())

    def add(self, kind, file, line, column, around, *words):
        place = (file, int(line), int(column))
        if kind == "call":
            self.calls[place] = Call(place, around, *words)
        elif kind == "only":
            fn, release, type_, variable, member, outer = words
            if type_.startswith(("typeof", "__typeof")):
                type_ = variable.replace("*", "").strip()
            member = squeeze(outer + "." + member if outer else member)
            self.callbacks[place] = Callback(place, fn, release, type_, member)
        elif kind == "plain":
            self.plain[place] = Callback(place, words[0], words[1], "", "")
        elif kind == "main":
            self.mains.add(place)
        else:
            table = {"type": self.types, "held": self.held, "barrier": self.barriers,
                     "definition": self.definitions, "prototype": self.prototypes}[kind]
            table[place] = words[0]

    def is_static(self, place, fn):
        code = self.code[place[0]] if place[0] in self.code else self.read(place[0])
        code = re.sub(r"__attribute__\s*\(\(.*?\)\)", "", code)
        return re.search(r"\bstatic\b[^;{}()]*\b%s\s*\(" % fn, code)

    def is_private(self, place, fn):
        """Whether a function is known only in its own file."""
        return not place[0].endswith((".h", ".hh", ".hpp", ".hxx")) and self.is_static(place, fn)

    def defined(self, file, fn):
        """The places where the function is defined that file means by its name."""
        places = [place for place, name in self.definitions.items() if name == fn]
        return [place for place in places if place[0] == file] or \
            [place for place in places if not self.is_private(place, fn)]

    def only_frees(self, file, fn, table):
        """What is known of a callback of which all definitions only free."""
        places = self.defined(file, fn)
        if not places:
            raise Left("no function %s() is in these files" % fn)
        found = [table.get(place) for place in places]
        if None in found:
            found_by = ", or finds it by something other than container_of"
            raise Left("%s() does more than free one object%s" %
                       (fn, "" if table is self.plain else found_by))
        for callback in found:
            if callback.release not in self.frees:
                raise Left("%s() calls %s()" % (fn, callback.release))
        if len({callback[2:] for callback in found}) > 1:
            raise Left("%s() is defined in different ways" % fn)
        return found[0]

    def moved(self, call):
        """What takes the place of a call."""
        before, kind, behind = re.fullmatch(CALL, call.fn).groups()
        flavor = before or behind
        if flavor in ("sig", "signal"):
            raise Left("the signal flavor is not served")
        suffix, first = ("_flavor(", "&urcu_%s_flavor, " % flavor) if flavor else ("(", "")
        if kind == "defer":
            return "urcu_kvfree_rcu_mightsleep" + suffix + first + self.deferred(call) + ")"
        return "urcu_kvfree_rcu" + suffix + first + ", ".join(self.queued(call)) + ")"

    def deferred(self, call):
        """The pointer of a defer_rcu(function, pointer)."""
        fn = function_name(call.first)
        if not fn:
            raise Left("which function it calls is not known")
        if fn not in self.frees:
            self.only_frees(call.place[0], fn, self.plain)
        return squeeze(call.second)

    def queued(self, call):
        """The object and the member of a call_rcu(head, callback)."""
        fn = function_name(call.second)
        if not fn:
            raise Left("which function it calls is not known")
        callback = self.only_frees(call.place[0], fn, self.callbacks)
        head = squeeze(call.first)
        found = re.fullmatch(r"&(.*)->([\w.\[\]]+)", head) or \
            re.fullmatch(r"&\((.*)->([\w.\[\]]+)\)", head)
        type_ = self.types.get(call.place)
        if found and type_ == callback.type and found.group(2) == callback.member:
            return re.sub(r"^\((\*?\w+)\)$", r"\1", found.group(1)), callback.member
        # The callback itself says where the object begins, if its type is known here.
        if callback.place[0] == call.place[0]:
            return "caa_container_of(%s, %s, %s)" % (head, callback.type, callback.member), \
                callback.member
        if type_:
            raise Left("%s is in a %s, where %s() frees a %s" % (head, type_, fn, callback.type))
        raise Left("which object it is in is only known to %s(), in another file%s" %
                   (fn, "; -I may help" if found else ""))

    def unseen(self):
        """Calls that spatch did not report."""
        lines = {place[:2] for place in self.calls}
        for name in self.files:
            for number, line in enumerate(self.code[name].split("\n"), 1):
                if re.search(CALL + r"\s*\((?!\s*(struct\s|void\s*\())", line) and \
                        (name, number) not in lines:
                    yield (name, number), line.strip()

    def mentions(self, fn, names):
        return sum(len(re.findall(r"\b%s\b" % fn, self.code[name])) for name in names)

    def droppable(self, place, fn, moved):
        """The definition and the prototypes of a callback, if nobody uses it any more."""
        if self.is_private(place, fn):
            names = [place[0]]
        else:
            names = [name for name in self.files if not any(
                self.is_private(other, fn) for other in self.definitions
                if other[0] == name and self.definitions[other] == fn)]
        places = [other for table in (self.definitions, self.prototypes)
                  for other, name in table.items() if name == fn and other[0] in names]
        used = sum(1 for call in moved if call.place[0] in names and fn in
                   (function_name(call.first), function_name(call.second)))
        if place[0] in names and self.mentions(fn, names) == len(places) + used:
            return places
        return []

    def inits(self):
        """The main() functions whose files count descriptors, but do not become daemons."""
        for place in self.mains:
            with open_text(place[0]) as file:
                if DESCRIPTORS.search(file.read()) and \
                        not re.search(r"\b(daemon|v?fork|urcu_kvfree_init)\s*\(",
                                      self.code[place[0]]):
                    yield place

    def include_after(self, name, before):
        """The line after which a file includes urcu/kvfree.h; 0 if it does so already."""
        with open_text(name) as file:
            lines = file.read().split("\n")[:before - 1]
        if any(re.match(r"\s*#\s*include\s*<urcu/kvfree\.h>", line) for line in lines):
            return 0
        directives = [(number, line) for number, line in enumerate(lines, 1)
                      if re.match(r"\s*#", line)]
        guard = len(directives) > 1 and re.match(r"\s*#\s*ifndef\s", directives[0][1]) and \
            re.match(r"\s*#\s*define\s", directives[1][1])
        depth, best, behind = -1 if guard else 0, (0, 0), 0
        for number, line in directives:
            word = re.match(r"\s*#\s*(\w*)", line).group(1)
            depth += word.startswith("if") - (word == "endif")
            if word == "include":
                rank = 2 if FLAVOR.search(line) else 1
                if rank >= best[0]:
                    best, behind = (rank, number), depth > 0
            elif word == "endif" and depth <= 0 and behind:
                # All branches of an #if have their flavor.
                best, behind = (best[0], number), 0
        return best[1] or (directives[1][0] if guard else 0)


def shown(call):
    return "%s(%s, %s)" % (call.fn, squeeze(call.first), squeeze(call.second))


def section(title, lines):
    """A part of the summary."""
    if lines:
        print("%s: %d" % (title, len(lines)))
        for place, text in sorted(lines):
            print("  %s:%d: %s" % (place[0], place[1], text))


def decide(program):
    """Returns the calls that move with their new text, and the others with their reason."""
    moved, left = {}, {}
    for place, call in sorted(program.calls.items()):
        if place[0] not in program.files:
            continue
        try:
            moved[call] = program.moved(call)
        except Left as reason:
            left[call] = str(reason)
    return moved, left


def dropped_callbacks(program, moved):
    drops = {}
    for table in (program.callbacks, program.plain):
        for place, callback in table.items():
            for drop in program.droppable(place, callback.fn, moved):
                drops[drop] = callback.fn
    users = {function_name(text) for call in moved for text in (call.first, call.second)}
    return {place: fn for place, fn in drops.items() if fn in users}


def write_plan(work, program, moved, drops, inits):
    edits = {call.place: text for call, text in moved.items()}
    edits.update({place: "urcu_kvfree_init(NULL);" for place in inits})
    edits.update({place: "" for place in drops})
    with open_text(os.path.join(work, "edits"), "w") as file:
        for place, text in sorted(edits.items()):
            file.write("%s\t%d\t%d\t%s\n" % (*place, text))
    with open_text(os.path.join(work, "includes"), "w") as file:
        for name in sorted({place[0] for place in edits}):
            first = min(place[1] for place in edits if place[0] == name)
            needed = any(edits[place] for place in edits if place[0] == name)
            file.write("%s\t%d\n" % (name, program.include_after(name, first) if needed else 0))


def summary(program, moved, left, drops, inits):
    calls = len(moved) + len(left)
    print("%d of %d calls move to liburcu-kvfree." % (len(moved), calls))
    section("Left as they are", [(call.place, "%s: %s" % (shown(call), why))
                                 for call, why in left.items()])
    section("Not looked at, as spatch skips or does not understand the lines around them",
            list(program.unseen()))
    section("Callbacks that are dropped, with their prototypes",
            [(place, fn + ("()" if program.is_static(place, fn) else
                           "(), which is not static: does another file use it?"))
             for place, fn in drops.items()])
    section("Calls that wait inside a read-side section or under a lock, as they did before: check"
            " them",
            [(call.place, "%s: after %s()" % (text, program.held[call.place]))
             for call, text in moved.items()
             if "_mightsleep" in text and call.place in program.held])
    section("urcu_kvfree_rcu_mightsleep() would be faster, and is allowed if no caller holds a lock"
            " or is\nin a read-side section (in these functions nothing of the kind is seen)",
            [(call.place, "%s(): %s" % (call.around, text)) for call, text in moved.items()
             if "_mightsleep" not in text and call.place not in program.held])
    section("Barriers that do not wait for what has moved; call urcu_kvfree_rcu_barrier() after"
            " them",
            [(place, fn + "()") for place, fn in program.barriers.items()
             if place[0] in program.files])
    section("Programs that look at their file descriptors: main() calls urcu_kvfree_init(NULL)"
            " first",
            [(place, "main()") for place in inits])
    if moved:
        print("Link with liburcu-kvfree. Call urcu_kvfree_init() in main(), after daemon() and"
              " before\nanything counts file descriptors.")


def main():
    sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")
    work, frees, files = sys.argv[1], sys.argv[2].split(","), sys.argv[3:]
    with open_text(os.path.join(work, "facts")) as facts:
        program = Program(facts, frees, files)
    moved, left = decide(program)
    drops = dropped_callbacks(program, moved)
    inits = sorted(program.inits()) if moved else []
    write_plan(work, program, moved, drops, inits)
    summary(program, moved, left, drops, inits)


main()
