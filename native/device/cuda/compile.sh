#!/bin/sh
# Runs a compiler with what it says in a file beside the object, and shows that only when it fails.
object=
before=
for argument in "$@"; do
  [ "$before" = -o ] && object=$argument
  before=$argument
done
[ -n "$object" ] || exec "$@"
"$@" 2>"$object.ptxas"
status=$?
[ $status -eq 0 ] || cat "$object.ptxas" >&2
exit $status
