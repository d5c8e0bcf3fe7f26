//! Keeps secrets where they belong: warns of files that others can read, and leaves no core dump with keys in it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// Mode bits of everybody who is neither the owner nor in the group.
const OTHERS: u32 = 0o006;

/// Warns when everybody on this machine can read or write a file.
pub fn warn_if_others_read(path: &Path) {
    if std::fs::metadata(path).is_ok_and(|known| is_open(known.permissions().mode())) {
        tracing::warn!("{}: others can read this key file; `chmod o-rw` it", path.display());
    }
}

const fn is_open(mode: u32) -> bool {
    mode & OTHERS != 0
}

/// From now on this process leaves no core dump, and no debugger of the same user looks into it.
pub fn no_core_dumps() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if setrlimit(Resource::Core, none).is_err() || set_dumpable_behavior(DumpableBehavior::NotDumpable).is_err() {
        tracing::warn!("core dumps cannot be turned off: one would hold keys");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_open_when_others_can_read_or_write_it() {
        assert!(is_open(0o100_644) && is_open(0o100_602));
        assert!(!is_open(0o100_600) && !is_open(0o100_640));
    }
}
