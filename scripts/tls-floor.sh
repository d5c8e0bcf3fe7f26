#!/usr/bin/env bash
# Decrypted Gbit/s a core beside `openssl speed` of the same cipher, which is the floor: openssl on blocks of 16 KiB that lie in the
# cache, the sensor with reassembly of records, verification and hand-over. CBC needs a cipher and a hash: their times add.
#   scripts/tls-floor.sh [PROFILE]      release unless given
set -euo pipefail
cd "$(dirname "$0")/.."
command -v openssl >/dev/null || { echo 'openssl is needed' >&2; exit 2; }

# Bytes a second of one algorithm on 16 KiB.
speed() {
    openssl speed -elapsed -seconds 1 -bytes 16384 "${@}" 2>/dev/null | awk 'END { sub(/k$/, "", $NF); printf "%.0f", $NF * 1000 }'
}

gcm128=$(speed -decrypt -evp aes-128-gcm)
gcm256=$(speed -decrypt -evp aes-256-gcm)
chacha=$(speed -decrypt -evp chacha20-poly1305)
cbc=$(speed -decrypt -evp aes-128-cbc)
sha1=$(speed -evp sha1)
sha256=$(speed -evp sha256)

cargo bench --locked --no-default-features --profile "${1:-release}" --bench tls -- --quiet --noplot 2>/dev/null |
    awk -v gcm128="$gcm128" -v gcm256="$gcm256" -v chacha="$chacha" -v cbc="$cbc" -v sha1="$sha1" -v sha256="$sha256" '
        BEGIN { printf "%-30s %6s %10s %10s %8s\n", "suite", "record", "Gbit/s", "floor", "ratio" }
        /^tls\// { name = $0; sub(/^tls\//, "", name); sub(/ +time:.*/, "", name) }
        /time:/ {
            line = $0; sub(/.*time: *\[/, "", line); split(line, part, " ")
            unit = part[4]; scale = unit == "ns" ? 1e-9 : unit == "µs" ? 1e-6 : unit == "ms" ? 1e-3 : 1
            rate = 1048576 / (part[3] * scale)
            at = match(name, /\/[0-9]+$/); record = substr(name, at + 1); suite = substr(name, 1, at - 1)
            floor = suite ~ /128-GCM/ ? gcm128 : suite ~ /256-GCM/ ? gcm256 : suite ~ /ChaCha/ ? chacha : \
                suite ~ /SHA256/ ? 1 / (1 / cbc + 1 / sha256) : 1 / (1 / cbc + 1 / sha1)
            printf "%-30s %6d %10.2f %10.2f %7.0f%%\n", suite, record, rate * 8e-9, floor * 8e-9, 100 * rate / floor
        }'
