# Sourced by ./run and ./test: installs what a fresh Debian or Ubuntu machine lacks, and says what it does.

need_packages() {
    local missing=() package
    for package in "$@"; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return 0
    local sudo=''
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null 2>&1 || {
            echo "please install: ${missing[*]} (apt-get install ${missing[*]})" >&2
            return 1
        }
        sudo=sudo
    fi
    echo "installing: ${missing[*]}" >&2
    { $sudo apt-get update -qq && $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}"; } >&2
}

command -v cargo >/dev/null 2>&1 || {
    echo 'a Rust toolchain is needed: see https://rustup.rs (1.95 or newer)' >&2
    exit 1
}
if command -v dpkg-query >/dev/null 2>&1; then
    # libpcap's headers to link the capture crate, a C compiler for the linker.
    need_packages libpcap-dev gcc libc6-dev
elif ! pkg-config --exists libpcap 2>/dev/null; then
    echo 'libpcap with its headers is needed (libpcap-dev or libpcap-devel)' >&2
fi
