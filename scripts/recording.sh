# What live tests with a peer of their own share: sourced by them, not run. They have $top, and give "$1" on to `sensor`.

python=${PYTHON:-python3}

# A clear word instead of a failure where something is missing or not permitted.
skip() {
    echo "skipped: $*"
    exit 0
}

need_tools() {
    for tool in "$@"; do command -v "$tool" >/dev/null 2>&1 || skip "$tool is not installed"; done
}

# A folder to work in, left behind by nobody.
dump= peer=
begin() {
    work=$(mktemp -d)
    trap cleanup EXIT
    cd "$work"
}
cleanup() {
    for pid in $dump $peer; do kill "$pid" 2>/dev/null; done
    rm -rf "$work"
    true
}

wait_for() {
    for _ in $(seq 50); do
        grep -q listening "$1" 2>/dev/null && return 0
        kill -0 "$2" 2>/dev/null || return 1
        sleep 0.1
    done
}

# record FILTER PEER ARGUMENTS…: starts the peer, and tcpdump on loopback.
record() {
    local filter=$1
    shift
    "$python" "$@" >peer &
    peer=$!
    tcpdump -i lo -s 0 -U -w live.pcap "$filter" 2>tcpdump &
    dump=$!
    wait_for peer "$peer" || { echo 'failed: the peer does not start' >&2; exit 1; }
    wait_for tcpdump "$dump" || { dump=; skip 'no right to capture on loopback'; }
}

# All packets are in live.pcap. KEEP=FILE keeps it.
recorded() {
    sleep 1
    kill -INT "$dump"
    wait "$dump" || true
    dump=
    [ -z "${KEEP:-}" ] || cp live.pcap "$KEEP"
}

# sensor [BACKSTOP]: sets $backstop to the one that is named, or to the one that is built.
sensor() {
    backstop=${1:-}
    if [ -z "$backstop" ]; then
        for built in "$top/target/release/backstop" "$top/target/debug/backstop"; do [ -x "$built" ] && backstop=$built; done
    fi
    [ -n "$backstop" ] || skip 'recorded, but no sensor is built'
}
