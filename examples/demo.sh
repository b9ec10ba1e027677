#!/bin/sh
# A box's life on a sandbox grid: everything happens below one temporary directory, on loopback, as yourself.
# Run it with `make demo`.
set -eu

bin=${VOBOX_BIN:-$(cd "$(dirname "$0")/../bin" && pwd)}
dir=$(mktemp -d "${TMPDIR:-/tmp}/vobox-demo.XXXXXX")
sandbox=
cleanup() {
	status=$?
	if [ -n "$sandbox" ]; then
		kill "$sandbox" 2>/dev/null || true
		wait "$sandbox" 2>/dev/null || true
	fi
	rm -rf "$dir"
	[ "$status" -eq 0 ] || echo "demo: something went wrong above (exit $status)" >&2
}
trap cleanup EXIT
trap 'exit 130' INT TERM

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
	bold=$(printf '\033[1m') plain=$(printf '\033[0m')
else
	bold='' plain=''
fi
say() { printf '\n%s# %s%s\n' "$bold" "$*" "$plain"; }
# run STATUS COMMAND…: shows the command, runs it, and insists on its exit code.
run() {
	want=$1
	shift
	printf '%sVO-Box> %s%s\n' "$bold" "$*" "$plain"
	got=0
	"$@" || got=$?
	if [ "$got" -ne "$want" ]; then
		echo "demo: exit $got, expected $want" >&2
		exit 1
	fi
}
# insist COMMAND…: a check that must hold.
insist() {
	if ! "$@"; then
		echo "demo: expected: $*" >&2
		exit 1
	fi
}

say "A grid of its own: a CA, a MyProxy server and a VOMS server, on loopback"
"$bin/vobox-sandbox" --dir "$dir/grid" >"$dir/sandbox.log" 2>&1 &
sandbox=$!
tries=0
until [ -e "$dir/grid/ready" ]; do
	tries=$((tries + 1))
	if [ "$tries" -gt 300 ] || ! kill -0 "$sandbox" 2>/dev/null; then
		cat "$dir/sandbox.log" >&2
		exit 1
	fi
	sleep 0.1
done
box=$dir/grid/box
home=$box/home/alicesgm
export PATH="$bin:$PATH"
export VOBOX_RECONCILE_CONFIG="$box/etc/vobox-reconcile/config.yaml"
export X509_USER_PROXY="$box/tmp/x509up_login" # as after gsissh to the box
cat "$VOBOX_RECONCILE_CONFIG"

say "What would be done, and why? (exit code 2: changes are pending)"
run 2 vobox-reconcile --dry-run
insist test ! -e "$box/var/lib/vobox/alice/renewal-proxy.pem"

say "Do it"
run 0 vobox-reconcile
insist test -s "$box/var/lib/vobox/alice/renewal-proxy.pem"
insist grep -q proxy_repository/ "$home/.alien/config/CE.env"

say "Once more: nothing to do, so nothing is printed, and nothing is restarted"
run 0 vobox-reconcile
insist test "$(wc -l <"$box/log/jalien-vobox.log")" -eq 1

say "How is everything?"
run 0 vobox-reconcile status

say "A look into the user proxy, and whether it verifies"
proxy=$(. "$home/.alien/config/CE.env" && printf %s "$X509_USER_PROXY")
run 0 vobox-reconcile inspect "$proxy"

say "Somebody edits CE.env by hand, and breaks it"
echo "export X509_USER_PROXY=/tmp/x509up_u500   # to try something" >"$home/.alien/config/CE.env"
run 2 vobox-reconcile --dry-run
run 0 vobox-reconcile
insist test "$(wc -l <"$box/log/jalien-vobox.log")" -eq 2

say "The user stores the credential again and forgets -t 48: MyProxy says nothing, and gives 12 hours for ever"
vobox-sandbox ctl --dir "$dir/grid" store -t 12
rm -f "$proxy"
run 0 vobox-reconcile
say "It is told at once, with the command that mends it. Stored again as it should be:"
vobox-sandbox ctl --dir "$dir/grid" store -t 48
run 0 vobox-reconcile --force lcgadmin
run 0 vobox-reconcile status

say "That was a box's life. On a real box, start with examples/minimal.yaml."
