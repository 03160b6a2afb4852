#!/bin/sh
# Writes library-smack.case and library-slixmpp.case: stanzas made by two client libraries that nobody here wrote.
# Needs Maven with a JDK, and Python with venv; the libraries come from Maven Central and PyPI. The tests need none of that.
# Afterwards: UPDATE=1 cargo test --test stanza_corpus
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mvn -q -B -f "$here/smack/pom.xml" compile dependency:build-classpath -Dmdep.outputFile="$work/classpath"
java -cp "$(cat "$work/classpath"):$here/smack/target/classes" Capture > "$work/smack.case"
rm -rf "$here/smack/target"

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet slixmpp==1.17.0
"$work/venv/bin/python" -W ignore "$here/slixmpp_capture.py" > "$work/slixmpp.case" 2> "$work/slixmpp.log" || { cat "$work/slixmpp.log" >&2; exit 1; }

mv "$work/smack.case" "$here/../library-smack.case"
mv "$work/slixmpp.case" "$here/../library-slixmpp.case"
