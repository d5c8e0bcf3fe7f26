//! Recorded sessions with their keys, and edits of them: hellos, certificates, key exchanges and sealed records that are almost right.
//!
//! The first byte chooses the session, the second the size of pieces; each part is one edit: which turn, where in it, and
//! bytes that are laid over it. The byte of a part says whether they are set, turned over, put in, or cut out.

use std::sync::{Arc, OnceLock};

use backstop_protocols::testing::{self, Script};
use backstop_protocols::tls::KeyRing;
use backstop_testkit::fixture;

use crate::split;

/// Part: the bytes are put in.
pub const INSERT: u8 = 1;
/// Part: as many bytes are cut out.
pub const REMOVE: u8 = 2;
/// Part: the bytes are turned over where these have ones.
pub const TURN: u8 = 3;

/// Small ones, of every version and way to the keys.
const SESSIONS: [&str; 8] = [
    "tls13_rfc8448",
    "tls13_echo",
    "tls12_echo_gcm",
    "tls12_echo_cbc",
    "tls10_echo_cbc",
    "tls12_rsa_id_first",
    "tls12_rsa_ticket_again",
    "tls_renegotiated_gcm",
];

fn sessions() -> &'static [(Script, Arc<KeyRing>)] {
    static READ: OnceLock<Vec<(Script, Arc<KeyRing>)>> = OnceLock::new();
    READ.get_or_init(|| {
        let one = |name: &&str| {
            let script = fixture::all(name).into_iter().next().unwrap().1;
            (script, testing::fixture_keys(name).unwrap().unwrap())
        };
        SESSIONS.iter().map(one).collect()
    })
}

/// Runs one input.
pub fn run(input: &[u8]) {
    let Some((&[which, size], rest)) = input.split_first_chunk::<2>() else { return };
    let Some((script, keys)) = sessions().get(usize::from(which) % SESSIONS.len()) else { return };
    let mut script = script.clone();
    for (op, part) in split::parts(rest) {
        let Some((&[turn, high, low], bytes)) = part.split_first_chunk::<3>() else { continue };
        let count = script.len();
        let turn = &mut script[usize::from(turn) % count].1;
        let at = usize::from(u16::from_be_bytes([high, low])) % (turn.len() + 1);
        let end = (at + bytes.len()).min(turn.len());
        match op & 3 {
            INSERT => drop(turn.splice(at..at, bytes.iter().copied())),
            REMOVE => drop(turn.drain(at..end)),
            how => turn[at..end]
                .iter_mut()
                .zip(bytes)
                .for_each(|(byte, with)| *byte = if how == TURN { *byte ^ with } else { *with }),
        }
    }
    let whole = testing::run_with_keys(&script, Some(keys));
    let piece = usize::from(size) + 1;
    let cut = testing::run_in_pieces(&script, Some(keys), |len| vec![piece; len / piece]);
    assert!(whole.events == cut.events, "pieces of {piece} bytes say something else:\n{whole:#?}\n{cut:#?}");
    assert_eq!(keys.waiting(), 0, "nothing waits behind the end");
}
