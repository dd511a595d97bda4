// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The liburcu-kvfree authors
//
// Makes the edits that plan.py has decided on. They are in the file that is named in the
// environment, one a line: file, line, column, and what takes the place of the call there. Where
// there is nothing, the function or the prototype there goes away; main() gets a first statement.

@initialize:python@
@@
import os
edits = {}
for line in open(os.environ["URCU_KVFREE_EDITS"]):
    place, line, column, text = line.rstrip("\n").split("\t")
    edits[place, line, column] = text

def edit_at(place):
    return edits.get((place.file, place.line, place.column))

@call@
identifier fn;
expression first, second;
position p : script:python() { bool(edit_at(p[0])) };
@@
fn@p(first, second)

@script:python text@
p << call.p;
new;
@@
coccinelle.new = cocci.make_expr(edit_at(p[0]))

@@
identifier call.fn;
expression call.first, call.second;
position call.p;
expression text.new;
@@
- fn@p(first, second)
+ new

@@
identifier fn;
position p : script:python() { edit_at(p[0]) == "" };
@@
- fn@p(...) { ... }

@@
identifier fn;
type T, T1;
identifier head;
position p : script:python() { edit_at(p[0]) == "" };
@@
(
- T fn@p(T1 *head);
|
- T fn@p(T1 *);
)

@@
position p : script:python() { bool(edit_at(p[0])) };
statement S, first;
@@
main@p(...) {
  ... when != S
+ urcu_kvfree_init(NULL);
  first
  ... when any
}
