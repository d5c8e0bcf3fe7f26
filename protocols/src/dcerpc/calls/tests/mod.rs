//! Stubs are written here by a small marshaller of its own, from the IDL of the specifications, in each of the three ways; some
//! more come from other implementations, as bytes.

mod hostile;
mod objects;
mod others;
mod recorded;
mod services;
mod tasks;
mod wmi;
mod writer;

use super::*;
pub use writer::{HOW, Writer};

/// Each shorter stub gives nothing or a call that is told to be cut, and no call differs without saying so.
pub fn every_prefix(interface: u128, opnum: u16, stub: &[u8], how: Marshalling) {
    let whole = request(interface, opnum, stub, how).expect("the whole call");
    assert!(!whole.truncated, "{whole:?}");
    for len in 0..stub.len() {
        if let Some(cut) = request(interface, opnum, &stub[..len], how) {
            assert!(cut.truncated || cut == whole, "{len} of {}: {cut:?}", stub.len());
            let _ = (cut.fields(), cut.texts(), cut.handle());
        }
        let _ = response(interface, opnum, &stub[..len], how);
    }
}

/// A call in each of the three ways.
pub fn each_way(interface: u128, opnum: u16, write: impl Fn(&mut Writer), check: impl Fn(&Call)) {
    for how in HOW {
        let mut writer = Writer::new(how);
        write(&mut writer);
        let call = request(interface, opnum, &writer.bytes, how).unwrap_or_else(|| panic!("{how:?}: {:x?}", writer.bytes));
        check(&call);
        every_prefix(interface, opnum, &writer.bytes, how);
    }
}

/// Texts that are run.
pub fn run(call: &Call) -> Vec<(&'static str, String)> {
    call.texts().into_iter().map(|one| (one.what, one.text.into_owned())).collect()
}
